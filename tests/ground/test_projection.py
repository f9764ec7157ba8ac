"""The model of what a cohort costs, against sums done by hand."""

from __future__ import annotations

import pytest
from benchmarks.projection import FULL, STORAGES, Projected, Stage, enough_workers, project, stages, tables
from benchmarks.results import Measured, load
from hypothesis import given
from hypothesis import strategies as st

# 10 s of work and 100 MB a case: on 100 MB/s a worker needs 11 s, and eleven workers fill the storage
STAGE = Stage("build", 10.0, 100.0, 0.01)


@pytest.mark.parametrize(
    ("cases", "workers", "seconds", "bound_by"),
    [
        (100, 1, 1100.0, "workers"),
        (100, 10, 110.0, "workers"),
        (101, 10, 121.0, "workers"),  # the last one alone
        (100, 50, 100.0, "storage"),  # 10 GB at 100 MB/s
    ],
)
def test_what_decides_is_the_slowest(cases: int, workers: int, seconds: float, bound_by: str) -> None:
    assert project(STAGE, cases, workers, 100.0) == Projected(pytest.approx(seconds), bound_by)


def test_one_process_cannot_hand_out_faster_than_it_can() -> None:
    assert project(STAGE, 10_000, 5_000, 1e6) == Projected(pytest.approx(100.0), "handing out")


def test_so_many_workers_fill_a_storage() -> None:
    assert enough_workers(STAGE, 100.0) == pytest.approx(11.0)
    assert enough_workers(STAGE, 1000.0) == pytest.approx(101.0)
    assert project(STAGE, 12 * 1000, 12, 100.0).bound_by == "storage"
    assert project(STAGE, 10 * 1000, 10, 100.0).bound_by == "workers"


@given(st.integers(1, 30_000), st.integers(1, 512), st.sampled_from(sorted(STORAGES.values())))
def test_more_workers_and_a_faster_storage_are_never_slower(
    cases: int, workers: int, bandwidth: float
) -> None:
    now = project(STAGE, cases, workers, bandwidth).seconds
    assert project(STAGE, cases, workers + 1, bandwidth).seconds <= now
    assert project(STAGE, cases, workers, 2 * bandwidth).seconds <= now
    assert now >= cases * STAGE.cpu_s / workers * 0.999


def test_a_build_from_masks_is_the_stage_and_what_masks_take_more() -> None:
    rows = {
        what: Measured(what, seconds, 0.0)
        for what, seconds in {
            "ingest a CT from DICOM": 3.0,
            "build a case, every file of it": 20.0,
            "aggregate a case: read, merge, outline, fill": 12.0,
            "aggregate a case from 117 masks": 17.0,
            "check a case": 2.0,
            "preview a case": 0.25,
            "measure a case for the card": 0.6,
        }.items()
    }
    line = {stage.name: stage for stage in stages(rows)}
    assert line["build"].cpu_s == pytest.approx(25.0)
    assert line["ingest"].mb == pytest.approx(204.5 + 98, abs=0.1)
    assert line["check"].mb == pytest.approx(103)  # 55 GB for 533 cases


def test_the_tables_of_what_is_kept_can_be_made() -> None:
    text = tables(stages(load(FULL)))
    assert "| CADS, 22 022 volumes | 1 Gb/s |" in text
    assert "| DAP Atlas, 533 volumes | 10 GB/s |" in text
