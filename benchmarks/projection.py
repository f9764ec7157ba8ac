"""What a cohort of full-size CTs costs, on paper: from measured times and sizes of one case, and bandwidths assumed.

``python -m benchmarks.projection`` prints the tables of docs/scale.md. Nothing here was measured on a cluster. The
model:

- A worker takes, for one case, the stage's processor time (measured with files in memory) and then the time in which a
  storage that serves nobody else hands over its files.
- All workers together get no more out of that storage than its bandwidth.
- One process hands out the work, at a cost a case that `benchmarks.cohort` measures.

The slowest of the three decides. Workers are as fast as the machine that was measured, which is slower than most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.results import Measured, load

FULL = (512, 512, 390)  # typical of the DAP Atlas, by its card
COHORTS = {
    "DAP Atlas": 533,
    "CADS": 22_022,
}  # volumes; CADS: arXiv:2507.22953. Their sizes are taken to be alike
WORKERS = (1, 8, 64)

# MB (10^6 bytes) that may be read and written in a second, all workers together: 94 % of the wire, as TCP leaves it,
# for the first two; the third is a parallel file system.
STORAGES = {"1 Gb/s": 117.0, "10 Gb/s": 1170.0, "10 GB/s": 10_000.0}

# MB a case. The card gives 55 GB for 533 pairs of CT and map, 103 MB each; of a real pair (TotalSegmentator's test CT,
# 2.21 MB, and its map, 0.113 MB) the map is 5 %.
CT_MB, MAP_MB = 98.0, 5.0
DICOM_MB = 512 * 512 * 390 * 2 / 1e6  # uncompressed
MASKS_MB = (
    117 * 0.1 + MAP_MB
)  # zeros deflate to a thousandth of their size, and the structures add up to the map
ROW_MB = 178.5 / 533  # of the preview table, by the card

# Processor seconds a case of the process that hands out the work to a cluster: what each of 383 small cases more cost
# it in `benchmarks.cohort`, 150 to 533. Of ingest that was not measured; it is taken to be as dear as a build.
HAND_OUT_S = {"ingest": 0.0084, "build": 0.0084, "check": 0.0069, "preview": 0.0026, "card": 0.0021}


@dataclass(frozen=True)
class Stage:
    """What a stage costs a case.

    Attributes
    ----------
    name
        Of the stage.
    cpu_s
        Processor seconds in a worker, files in memory.
    mb
        Read and written.
    hand_out_s
        Processor seconds of the one process that hands out the work.
    """

    name: str
    cpu_s: float
    mb: float
    hand_out_s: float

    def case_s(self, bandwidth: float) -> float:
        """Seconds of one case in a worker that has the storage to itself, in MB/s."""
        return self.cpu_s + self.mb / bandwidth


@dataclass(frozen=True)
class Projected:
    """How long a stage takes over a cohort, and what holds it up: ``workers``, ``storage`` or ``handing out``."""

    seconds: float
    bound_by: str


def project(stage: Stage, cases: int, workers: int, bandwidth: float) -> Projected:
    """A stage over so many cases with so many workers on a storage of so many MB/s.

    Cases are whole: nine of them on eight workers take as long as sixteen.
    """
    rounds = -(-cases // workers)
    candidates = (
        Projected(rounds * stage.case_s(bandwidth), "workers"),
        Projected(cases * stage.mb / bandwidth, "storage"),
        Projected(cases * stage.hand_out_s, "handing out"),
    )
    return max(candidates, key=lambda each: each.seconds)


def enough_workers(stage: Stage, bandwidth: float) -> float:
    """How many workers fill the storage; more of them are no faster."""
    return stage.case_s(bandwidth) * bandwidth / stage.mb


def stages(rows: Mapping[str, Measured]) -> list[Stage]:
    """The stages of the production line, from the benchmarks' table.

    A build is from 117 masks: what aggregating them takes more than one map is added to the row of the whole stage.
    """
    seconds = {what: row.ours_s for what, row in rows.items()}
    one, masks = "aggregate a case: read, merge, outline, fill", "aggregate a case from 117 masks"
    build = seconds["build a case, every file of it"] + max(seconds[masks] - seconds[one], 0.0)
    pair = CT_MB + MAP_MB
    costs = {
        "ingest": (seconds["ingest a CT from DICOM"], DICOM_MB + CT_MB),
        "build": (build, CT_MB + MASKS_MB + MAP_MB),
        "check": (seconds["check a case"], pair),
        "preview": (seconds["preview a case"], pair / 2 + 2 * ROW_MB),
        "card": (seconds["measure a case for the card"], pair),
    }
    return [Stage(name, *cost, HAND_OUT_S[name]) for name, cost in costs.items()]


def tables(line: Sequence[Stage]) -> str:
    """Markdown: what a case costs, then whole cohorts, stage after stage."""
    filled = " | ".join(f"workers that fill {name}" for name in STORAGES)
    lines = [
        f"| stage | processor s a case | MB a case | {filled} |",
        f"|---|--:|--:|{'--:|' * len(STORAGES)}",
    ]
    for stage in line:
        cells = [f"{enough_workers(stage, bandwidth):.1f}" for bandwidth in STORAGES.values()]
        lines.append(f"| {stage.name} | {stage.cpu_s:.2f} | {stage.mb:.0f} | {' | '.join(cells)} |")
    columns = " | ".join(f"{workers} worker{'s' if workers > 1 else ''}" for workers in WORKERS)
    lines += ["", f"| cohort | storage | {columns} |", f"|---|---|{'---|' * len(WORKERS)}"]
    for cohort, cases in COHORTS.items():
        for name, bandwidth in STORAGES.items():
            cells = [_cell(line, cases, workers, bandwidth) for workers in WORKERS]
            lines.append(f"| {cohort}, {cases:_} volumes | {name} | {' | '.join(cells)} |".replace("_", " "))
    return "\n".join(lines)


def _cell(line: Sequence[Stage], cases: int, workers: int, bandwidth: float) -> str:
    """How long all stages take one after another, and which of them wait for something else than workers."""
    found = [(stage.name, project(stage, cases, workers, bandwidth)) for stage in line]
    hours = sum(each.seconds for _, each in found) / 3600
    waiting: dict[str, list[str]] = {}
    for name, each in found:
        if each.bound_by != "workers":
            waiting.setdefault(each.bound_by, []).append(name)
    said = "; ".join(f"{what}: {', '.join(names)}" for what, names in waiting.items())
    duration = f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.0f} min"
    return duration + (f" ({said})" if said else "")


def main() -> None:
    """Print the tables."""
    print(tables(stages(load(FULL))))


if __name__ == "__main__":
    main()
