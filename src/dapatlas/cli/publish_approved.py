"""What `dapatlas publish --approved-only` does besides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from dapatlas.dataset import Dataset
    from dapatlas.pipeline.approved import Approval


def approved_cases(
    dataset: Dataset, database: str | None, jobs: int | None, *, silent: bool
) -> tuple[Dataset, Approval]:
    """The data set of approved cases alone, and what was left out of it."""
    from dapatlas.cli.progress import case_progress
    from dapatlas.pipeline.approved import approval, approved_view

    allowed = approval(dataset, database)
    if not silent:
        typer.echo(allowed.words)
    with case_progress("measuring", quiet=silent) as progress:
        return approved_view(dataset, allowed, jobs=jobs, progress=progress), allowed


def published_view(dataset: Dataset) -> Dataset:
    """The data set that was published with `--approved-only`."""
    from dapatlas.dataset import Dataset as Opened
    from dapatlas.errors import DapatlasError
    from dapatlas.pipeline.approved import view_path

    path = view_path(dataset.path)
    if not path.is_dir():
        raise DapatlasError(
            f"{dataset.path}: was never published with --approved-only; there is nothing to verify"
        )
    return Opened(path, dataset.scheme)


def approval_as_dict(allowed: Approval | None) -> dict[str, Any]:
    """What readers let go out, where that was asked for."""
    if allowed is None:
        return {}
    return {
        "approved": list(allowed.approved),
        "not_approved": {k: list(v) for k, v in allowed.left_out.items()},
    }
