"""Run every contest and print the table; keep it, or compare it with the one that was kept."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import files, ingesting, maps, merging, metrics, publishing, refinement, results, stages
from benchmarks.contest import Contest, measure
from benchmarks.inputs import make_inputs
from benchmarks.results import Measured

FULL, QUICK = (512, 512, 390), (128, 128, 98)
ROOMS = (ingesting, files, maps, merging, stages, refinement, metrics, publishing)
COLUMNS = ("job", "ours", "peer", "", "peer / ours", "at best", "", "ours / best", "MB ours", "MB peer")


def main() -> None:
    """Parse, measure, print."""
    options = _parser().parse_args()
    shape = QUICK if options.quick else FULL
    console = Console(width=None if Console().is_terminal else 160)
    contests = [contest for room in ROOMS for contest in room.contests()]
    names = [contest.what for contest in contests]
    if missing := [text for text in options.only if not any(text in name for name in names)]:
        sys.exit(f"no row holds {missing[0]!r}; there are: {', '.join(names)}")
    wanted = [each for each in contests if any(text in each.what for text in options.only or [""])]
    rows = []
    for row in _measured(wanted, shape, console):
        rows.append(row)
        if options.save:  # row by row: what comes later may fail, and all of it takes long
            results.save(shape, [row], names)
    if options.save and shape == FULL:
        results.show(results.load(shape))
    if options.compare:
        _compare(shape, rows, options.tolerance)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"on {QUICK} voxels instead of {FULL}")
    parser.add_argument(
        "--only", action="append", default=[], help="only rows whose name holds this text; may be repeated"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--save", action="store_true", help=f"keep the rows in {results.LAST.name} and the README's table"
    )
    what.add_argument(
        "--compare",
        action="store_true",
        help=f"exit with 1 where ours got slower beside the others than {results.LAST.name} has it",
    )
    parser.add_argument("--tolerance", type=float, default=1.5, help="how many times as slow it may be")
    return parser


def _measured(contests: list[Contest], shape: tuple[int, int, int], console: Console) -> Iterator[Measured]:
    """Measure each, and print the table at the end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        labels = make_inputs(folder, shape)
        sizes = ", ".join(
            f"{path.name} {path.stat().st_size / 1e6:.1f} MB" for path in sorted(folder.glob("*.nii.gz"))
        )
        title = f"phantom of {'×'.join(map(str, shape))} voxels, {labels} labels ({sizes})"
        table = Table(title=title, box=None)
        for column in COLUMNS:
            table.add_column(column, justify="left" if column in ("job", "") else "right")
        for contest in contests:
            console.print(f"… {contest.what}", style="dim")
            row = _row(contest, folder)
            table.add_row(*results.cells(row))
            yield row
    console.print(table)
    console.print(f"{machine()}; best of 3 or more")


def _row(contest: Contest, folder: Path) -> Measured:
    ours = measure(contest.ours, folder)
    peer = measure(contest.peer, folder) if contest.peer else None
    best = measure(contest.limit, folder) if contest.limit else None
    return Measured(
        contest.what,
        ours.seconds,
        ours.peak_mb,
        contest.peer_name,
        peer.seconds if peer else None,
        peer.peak_mb if peer else None,
        contest.limit_name,
        best.seconds if best else None,
        datetime.now(UTC).date().isoformat(),
        machine(),
    )


def machine() -> str:
    """What it runs on, in words."""
    cpuinfo = Path("/proc/cpuinfo")
    names = (
        [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        if cpuinfo.exists()
        else []
    )
    name = names[0].partition(":")[2].strip() if names else platform.machine()
    return f"{name}, {os.cpu_count()} processors, Python {platform.python_version()}"


def _compare(shape: tuple[int, int, int], rows: list[Measured], tolerance: float) -> None:
    found, mute = results.worsened(results.load(shape), rows, tolerance)
    if mute:
        print(f"nothing to compare with, or too short: {', '.join(mute)}")
    for worse in found:
        print(f"worse: {worse}")
    if found:
        sys.exit(1)
    print(f"{len(rows) - len(mute)} rows as fast as before, beside the others (within {tolerance:g}×)")


if __name__ == "__main__":
    main()
