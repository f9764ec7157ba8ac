"""What a review server is told before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from dapatlas.dataset import Dataset

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Mode(StrEnum):
    """Who may come in."""

    LOCAL = "local"  # whoever sits at this machine, under any name
    ACCOUNTS = "accounts"  # who has a name and a password


@dataclass(frozen=True, slots=True)
class Settings:
    """What a review server is told before it starts.

    Attributes
    ----------
    dataset
        What is reviewed; its scheme tells what the numbers of every map mean.
    cache
        Folder for coarse volumes; see :func:`dapatlas.review.layer_files.cache_folder`.
    mode
        Who may come in.
    compare
        Further maps to show, by the name of their layer: folders with a map a case, or data sets.
    secure
        Whether the server speaks TLS, itself or behind a proxy; then cookies go over TLS only.
    hosts
        Names (without port) under which requests may ask for the server; in local mode none but these.
    claim_minutes
        How long a case is kept for the reader who took it.
    """

    dataset: Dataset
    cache: Path
    mode: Mode = Mode.LOCAL
    compare: Mapping[str, Path] = field(default_factory=dict)
    secure: bool = False
    hosts: tuple[str, ...] = LOOPBACK
    claim_minutes: int = 30
