"""Run every contest and print the table."""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import files, maps, merging, metrics, publishing, refinement, stages
from benchmarks.contest import Contest, Timing, measure
from benchmarks.inputs import make_inputs

FULL, QUICK = (512, 512, 390), (128, 128, 98)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"on {QUICK} voxels instead of {FULL}")
    parser.add_argument("--only", default="", help="only rows whose name holds this text")
    options = parser.parse_args()
    shape = QUICK if options.quick else FULL
    console = Console(width=None if Console().is_terminal else 160)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        labels = make_inputs(folder, shape)
        sizes = ", ".join(
            f"{path.name} {path.stat().st_size / 1e6:.1f} MB" for path in sorted(folder.iterdir())
        )
        table = Table(
            title=f"phantom of {'×'.join(map(str, shape))} voxels, {labels} labels ({sizes})", box=None
        )
        for column in (
            "job",
            "ours",
            "peer",
            "",
            "peer / ours",
            "at best",
            "",
            "ours / best",
            "MB ours",
            "MB peer",
        ):
            table.add_column(column, justify="left" if column in ("job", "") else "right")
        rooms = (files, maps, merging, stages, refinement, metrics, publishing)
        contests = [contest for room in rooms for contest in room.contests()]
        for contest in contests:
            if options.only in contest.what:
                console.print(f"… {contest.what}", style="dim")
                table.add_row(*_row(contest, folder))
    console.print(table)
    console.print(
        f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}; best of 3"
    )


def _row(contest: Contest, folder: Path) -> list[str]:
    ours = measure(contest.ours, folder)
    peer = measure(contest.peer, folder) if contest.peer else None
    limit = measure(contest.limit, folder) if contest.limit else None
    return [
        contest.what,
        _seconds(ours),
        _seconds(peer),
        contest.peer_name,
        f"{peer.seconds / ours.seconds:.1f}×" if peer else "",
        _seconds(limit),
        contest.limit_name,
        f"{ours.seconds / limit.seconds:.1f}×" if limit else "",
        f"{ours.peak_mb:.0f}",
        f"{peer.peak_mb:.0f}" if peer else "",
    ]


def _seconds(timing: Timing | None) -> str:
    return f"{timing.seconds:.3f} s" if timing else ""


if __name__ == "__main__":
    main()
