"""What the endpoints share: the data set as it is now, and what is known of its cases."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock, Thread
from typing import Any, TypeVar

from dapatlas.dataset import Case, Dataset
from dapatlas.dataset.digests import place_of, sha256_of
from dapatlas.errors import DapatlasError
from dapatlas.labels import LabelScheme
from dapatlas.review.case_index import CASES, CaseFacts, case_index
from dapatlas.review.server.errors import Refusal
from dapatlas.review.server.login_limits import LoginLimits
from dapatlas.review.server.settings import Settings
from dapatlas.review.server.standing import Standing
from dapatlas.review.store import Store
from dapatlas.volumes import Grid, read_grid

FRESH_SECONDS = 15.0  # after which one looks again what there is of cases
LOOKING_SHARE = 50  # and not before so many times the time that it took have gone by
REMEMBERED = 4096  # files

T = TypeVar("T")

log = logging.getLogger("dapatlas.review")


@dataclass(frozen=True, slots=True)
class Known:
    """A data set as it was listed, and what is known of its cases."""

    dataset: Dataset
    facts: Mapping[str, CaseFacts]
    cases: Mapping[str, Case]


class FileMemory:
    """What was read of a file, until it changes.

    Parameters
    ----------
    read
        What is wanted of a file.
    """

    def __init__(self, read: Callable[[Path], T]) -> None:
        self._read: Callable[[Path], Any] = read
        self._known: OrderedDict[Path, tuple[list[Any], Any]] = OrderedDict()
        self._lock = Lock()

    def __call__(self, path: Path) -> Any:
        """What is wanted of a file, as it is now; raises what reading it raises."""
        place = place_of(path)
        with self._lock:
            known = self._known.get(path)
        if known is not None and known[0] == place:
            return known[1]
        value = self._read(path)
        with self._lock:
            self._known[path] = (place, value)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return value


@dataclass(slots=True)
class Review:
    """What the endpoints share.

    Attributes
    ----------
    settings
        What the server was told.
    store
        Verdicts, readers, claims.
    standing
        How the cases stand.
    limits
        Of logins.
    writing
        To be held while something is saved. SQLite takes one writer at a time, and those who wait for it there look
        again after ever longer naps; here they come in turn.
    handing_out
        To be held while the next case is looked for.
    """

    settings: Settings
    store: Store
    standing: Standing = field(init=False)
    limits: LoginLimits = field(default_factory=LoginLimits)
    writing: AbstractContextManager[Any] = field(init=False)
    handing_out: Lock = field(default_factory=Lock)
    _known: Known | None = None
    _due: float = 0.0
    _lock: Lock = field(default_factory=Lock)
    _digest: FileMemory = field(default_factory=lambda: FileMemory(sha256_of))
    _grid: FileMemory = field(default_factory=lambda: FileMemory(read_grid))

    def __post_init__(self) -> None:
        self.standing = Standing(self.store)
        is_file = self.store.engine.dialect.name == "sqlite"
        self.writing = Lock() if is_file else nullcontext()

    @property
    def scheme(self) -> LabelScheme:
        """What the numbers of every map mean."""
        return self.settings.dataset.scheme

    def known(self) -> Known:
        """What is known of all cases, some seconds old at most; nobody waits for it but the first who ask."""
        known = self._known
        if known is None:
            with self._lock:
                if self._known is None:
                    self._look()
                assert self._known is not None
                return self._known
        if time.monotonic() >= self._due and self._lock.acquire(blocking=False):
            Thread(target=self._look_again, name="case-index", daemon=True).start()
        return known

    def _look(self) -> None:
        begin = time.monotonic()
        listed = Dataset(self.settings.dataset.path, self.scheme)
        facts = case_index(listed, self.settings.cache / CASES)
        cases = {case: listed[case] for case in facts}
        if self._known is None or self._known.facts != facts or self._known.cases != cases:
            self._known = Known(
                listed, facts, cases
            )  # what is kept of it elsewhere holds as long as it is the same
        now = time.monotonic()
        self._due = now + max(FRESH_SECONDS, LOOKING_SHARE * (now - begin))

    def _look_again(self) -> None:
        try:
            self._look()
        except (DapatlasError, OSError) as error:
            log.warning("the data set cannot be listed: %s", error)
            self._due = time.monotonic() + FRESH_SECONDS
        finally:
            self._lock.release()

    def case(self, case_id: str) -> Case:
        """A case by id.

        Raises
        ------
        Refusal
            There is none that has a map.
        """
        case = self.known().cases.get(case_id)
        if case is None:
            raise Refusal(404, "The data set has no such case.", "no-case")
        return case

    def facts(self, case: Case) -> CaseFacts:
        """What is known of a case, with the digest of its map as it is now."""
        facts = self.known().facts[case.id]
        digest = self.map_sha256(case)
        return facts if digest == facts.map_sha256 else replace(facts, map_sha256=digest)

    def map_sha256(self, case: Case) -> str:
        """Digest of a case's map as it is now; empty where it cannot be read."""
        assert case.mask_path is not None  # only such cases are known
        try:
            digest: str = self._digest(case.mask_path)
        except OSError:
            return ""
        return digest

    def map_grid(self, case: Case) -> Grid:
        """Where the voxels of a case's map lie."""
        assert case.mask_path is not None  # only such cases are known
        try:
            grid: Grid = self._grid(case.mask_path)
        except OSError:
            raise Refusal(422, "The map of this case cannot be read.") from None
        return grid


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)
