"""A whole cohort through the production line, by processes of this machine and by a Dask cluster.

``python -m benchmarks.cohort --out FOLDER`` from the root of the repository, with the extras ``hub`` and ``cluster``
installed. Small synthetic cases go through build, refine, check, preview and card, each stage as the program itself,
first by two processes, then by a cluster of two workers, each a process of its own. Two things are to be seen: what a
case costs does not grow with the cohort, and both ways give the same bytes.

It goes on where it was cut off, and prints Markdown. Where a stage was cut off, its times are marked with a star, for
they are those of the rest alone.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.cohort_cluster import Workers, open_workers
from benchmarks.cohort_compare import comparison
from benchmarks.cohort_inputs import make_inputs, plan
from dapatlas.files import write_json
from dapatlas.pipeline.journal import read_journal

SIZES = (50, 150, 533)
ENGINES = ("processes", "cluster")
STAGES = ("build", "refine", "check", "preview", "card")
JOBS = 2
COLUMNS = (
    "stage", "by", "cases", "wall s", "cases/s", "processor s a case", "of them handing out", "MB there", "MB a worker",
    "s a case, median",
)  # fmt: skip
IN_JOURNAL = {"build": "map"}  # names that differ
PROGRAM = str(Path(sys.executable).with_name("dapatlas"))


@dataclass(frozen=True)
class Row:
    """What one stage took.

    Attributes
    ----------
    cases, engine, stage
        Of what.
    wall_s, cpu_s
        Of the whole command, start-up included; of all its processes, workers included.
    here_s
        Processor seconds of the process that hands out the work.
    here_mb, worker_mb
        Largest resident memory of that process, and of any worker; those of a cluster keep theirs from stage to stage.
    case_s
        Median over the cases, as the journal has it.
    whole
        Whether it was done in one go.
    """

    cases: int
    engine: str
    stage: str
    wall_s: float
    cpu_s: float
    here_s: float
    here_mb: float
    worker_mb: float
    case_s: float
    whole: bool


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cohort", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for everything; run again to go on")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="cases of each cohort")
    parser.add_argument("--engines", nargs="+", default=ENGINES, choices=ENGINES)
    options = parser.parse_args()
    out = options.out.resolve()
    for cases in options.sizes:
        for engine in options.engines:
            run(out, cases, engine)
    print(tables(out))


def run(out: Path, cases: int, engine: str) -> None:
    """All stages over a cohort, those that were finished before excepted.

    Both engines work in a folder of the same name, so that paths within the results are the same.
    """
    cohort = out / f"cohort-{cases}"
    finished = cohort / engine
    if finished.exists():
        return
    recipe = _inputs(out, cases)
    work = cohort / "work"
    work.mkdir(parents=True, exist_ok=True)
    due = [stage for stage in STAGES if not _row_path(out, cases, engine, stage).exists()]
    with open_workers(JOBS, out) if engine == "cluster" and due else nullcontext(None) as workers:
        for stage in due:
            row = _stage(out, work, recipe, cases, engine, stage, workers)
            write_json(_row_path(out, cases, engine, stage), asdict(row))
            print(f"{cases} {engine} {stage}: {row.wall_s:.1f} s", file=sys.stderr, flush=True)
    work.rename(finished)


def _inputs(out: Path, cases: int) -> Path:
    """The cohort's own folder of inputs: hard links to those of the largest, so that it lists no more than it has."""
    every, own = out / "inputs", out / f"inputs-{cases}"
    make_inputs(every, cases)
    for each in plan(cases):
        source = every / "specialist" / each.case
        masks = [Path("specialist") / each.case / path.name for path in source.iterdir()]
        files = [Path(kind) / f"{each.case}.nii.gz" for kind in ("ct", "generalist")]
        for file in (*masks, *files):
            (own / file).parent.mkdir(parents=True, exist_ok=True)
            if not (own / file).exists():
                (own / file).hardlink_to(every / file)
    return make_inputs(own, cases)


def _row_path(out: Path, cases: int, engine: str, stage: str) -> Path:
    return out / "rows" / f"{cases}-{engine}-{stage}.json"


def _stage(
    out: Path, work: Path, recipe: Path, cases: int, engine: str, stage: str, workers: Workers | None
) -> Row:
    begun = _row_path(out, cases, engine, stage).with_suffix(".begun")
    whole = not begun.exists()
    begun.parent.mkdir(parents=True, exist_ok=True)
    begun.touch()
    for folder in (work / "atlas", work / "refined"):  # what is said of the cohort by hand
        folder.mkdir(exist_ok=True)
        for name in ("atlas.toml", "subjects.csv"):
            shutil.copyfile(recipe.parent / name, folder / name)
    words = _words(stage, work, recipe, workers)
    before = workers.seconds() if workers else 0.0
    wall, here, children, here_mb = _run(words)
    theirs = workers.seconds() - before if workers else children
    folder = work / ("atlas" if stage == "build" else "refined")
    entries = [row.entry for row in read_journal(folder) if row.stage == IN_JOURNAL.get(stage, stage)]
    if len(entries) != cases or any(entry.state != "done" for entry in entries):
        raise SystemExit(
            f"{stage} of {cases} cases by {engine}: not all done; see `dapatlas status {folder}`"
        )
    seconds = sorted(entry.seconds for entry in entries)
    peak = max(entry.peak_mb for entry in entries)
    return Row(
        cases, engine, stage, wall, here + theirs, here, here_mb, peak, seconds[len(seconds) // 2], whole
    )


def _words(stage: str, work: Path, recipe: Path, workers: Workers | None) -> list[str]:
    atlas, refined = str(work / "atlas"), str(work / "refined")
    words = {
        "build": ["build", str(recipe), "--out", atlas],
        "refine": ["refine", atlas, refined],
    }.get(stage, [stage, refined])
    who = ["--cluster", workers.address] if workers else ["--jobs", str(JOBS)]
    return [PROGRAM, *words, *who, "--quiet"]


def _run(words: list[str]) -> tuple[float, float, float, float]:
    """Wall-clock seconds, processor seconds of the program alone and of its children, and its own peak in MB."""
    begin = time.perf_counter()
    with _samples() as sample:
        process = subprocess.Popen(words)
        own = 0.0
        while process.poll() is None:
            own = max(own, sample(process.pid))
            time.sleep(0.05)
    wall = time.perf_counter() - begin
    if process.returncode not in (0, 1):  # 1: findings of the cohort, which a phantom has
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}")
    return wall, own, max(sample.total - own, 0.0), sample.peak_mb


class _Sample:
    """Reads a process of this machine from /proc, as it runs."""

    def __init__(self) -> None:
        self.total = self.peak_mb = 0.0
        self._before = _children_seconds()

    def __call__(self, pid: int) -> float:
        """Processor seconds that the process itself had up to now."""
        try:
            user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            return 0.0
        peak = next((line.split()[1] for line in lines if line.startswith("VmHWM")), "0")
        self.peak_mb = max(self.peak_mb, int(peak) * 1.024e-3)
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        self.total = _children_seconds() - self._before


@contextmanager
def _samples() -> Iterator[_Sample]:
    sample = _Sample()
    yield sample
    sample.end()


def _children_seconds() -> float:
    """Of every process that was started here and has ended, and of what they started."""
    times = os.times()
    return times.children_user + times.children_system


def tables(out: Path) -> str:
    """What is known so far, as Markdown."""
    rows = [Row(**json.loads(path.read_text())) for path in (out / "rows").glob("*.json")]
    rows.sort(key=lambda row: (STAGES.index(row.stage), ENGINES.index(row.engine), row.cases))
    lines = [
        f"| {' | '.join(COLUMNS)} |",
        "|---|---" + "|--:" * (len(COLUMNS) - 2) + "|",
        *(_line(row) for row in rows),
        "",
        *_growth(rows),
    ]
    for cases in sorted({row.cases for row in rows}):
        one, other = (out / f"cohort-{cases}" / engine for engine in ENGINES)
        if one.exists() and other.exists():
            lines += ["", f"**Same bytes, {cases} cases:**", "", *comparison(one, other)]
    return "\n".join(lines)


def _line(row: Row) -> str:
    star = "" if row.whole else "*"
    cells: list[Any] = [
        row.stage, row.engine, row.cases, f"{row.wall_s:.1f}{star}", f"{row.cases / row.wall_s:.2f}{star}",
        f"{row.cpu_s / row.cases:.3f}{star}", f"{1000 * row.here_s / row.cases:.1f} ms{star}", f"{row.here_mb:.0f}",
        f"{row.worker_mb:.0f}", f"{row.case_s:.3f}",
    ]  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def _growth(rows: list[Row]) -> list[str]:
    """Processor seconds that one case more costs, between one size and the next: flat where nothing is quadratic."""
    sizes = sorted({row.cases for row in rows})
    found = {(row.stage, row.engine, row.cases): row for row in rows}
    steps = list(pairwise(sizes))
    lines = [
        f"| a case more costs, processor s | by | {' | '.join(f'{a} → {b}' for a, b in steps)} |",
        f"|---|---|{'--:|' * len(steps)}",
    ]
    for stage in STAGES:
        for engine in ENGINES:
            pairs = [(found.get((stage, engine, a)), found.get((stage, engine, b))) for a, b in steps]
            cells = [
                f"{(b.cpu_s - a.cpu_s) / (b.cases - a.cases):.3f}" if a and b and a.whole and b.whole else ""
                for a, b in pairs
            ]
            lines.append(f"| {stage} | {engine} | {' | '.join(cells)} |")
    return lines if steps else []


if __name__ == "__main__":
    main()
