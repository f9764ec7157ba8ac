"""The benchmarks' table as data: what counts as slower is a ratio, and the page shows what is kept."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks import results
from benchmarks.results import Measured, load, markdown, save, show, worsened

ROW = Measured("read", 1.0, 100.0, "peer", 4.0, 200.0, "inflate", 0.5, "2026-01-01", "here")
SHAPE = (8, 8, 8)


def slower(times: float, peer: float = 1.0, best: float = 1.0) -> Measured:
    assert ROW.peer_s is not None
    assert ROW.best_s is not None
    return replace(ROW, ours_s=ROW.ours_s * times, peer_s=ROW.peer_s * peer, best_s=ROW.best_s * best)


def test_a_slower_machine_is_no_slower_program() -> None:
    assert worsened({"read": ROW}, [slower(7.0, 7.0, 7.0)], 1.5) == ([], [])


@pytest.mark.parametrize(
    ("now", "others"),
    [
        (slower(1.49), []),
        (slower(1.6), ["peer", "best"]),
        (slower(1.0, peer=0.5), ["peer"]),
        (slower(1.0, best=0.5), ["best"]),
        (slower(0.1), []),
    ],
)
def test_what_got_slower_beside_the_others_is_named(now: Measured, others: list[str]) -> None:
    found, _ = worsened({"read": ROW}, [now], 1.5)
    assert [worse.other for worse in found] == others
    assert all("read: ours / " in str(worse) for worse in found)


def test_what_cannot_be_compared_is_told_and_is_no_failure() -> None:
    alone = Measured("alone", 3.0, 1.0)
    quick = replace(ROW, what="quick", ours_s=0.001)
    rows = [alone, replace(ROW, what="new"), replace(quick, ours_s=0.004)]
    assert worsened({"alone": alone, "quick": quick}, rows, 1.5) == ([], ["alone", "new", "quick"])


def test_rows_are_kept_by_size_in_order_and_replace_their_older_selves(tmp_path: Path) -> None:
    path = tmp_path / "last.json"
    assert load(SHAPE, path) == {}
    save(SHAPE, [ROW, replace(ROW, what="gone"), replace(ROW, what="b")], ["b", "read", "gone"], path)
    assert list(load(SHAPE, path)) == ["b", "read", "gone"]
    save(SHAPE, [slower(2.0)], ["read", "b"], path)
    assert list(load(SHAPE, path)) == ["read", "b"]
    assert load(SHAPE, path)["read"] == slower(2.0)
    assert load((9, 9, 9), path) == {}


def test_the_table_is_written_between_its_marks_and_nothing_else_changes(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"before\n{results.BEGIN}\nold\n{results.END}\nafter\n")
    show({"read": ROW}, page)
    assert page.read_text() == f"before\n{results.BEGIN}\n{markdown([ROW])}{results.END}\nafter\n"
    assert "| read | 1.000 s | 4.000 s peer | 4.0× | 0.500 s inflate | 2.0× | 100 | 200 |" in page.read_text()


def test_the_page_shows_the_rows_that_are_kept() -> None:
    page = results.PAGE.read_text(encoding="utf-8")
    shown = page.partition(results.BEGIN)[2].partition(results.END)[0].strip()
    rows = load((512, 512, 390))
    assert shown == markdown(rows.values()).strip()
    assert len(rows) > 25
    assert all(re.fullmatch(r"\d{4}-\d{2}-\d{2}", row.when) and row.where for row in rows.values())
