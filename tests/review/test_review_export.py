"""Verdicts as files that others load."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from said import MAP, NOON, OLD_MAP, adjudication, facts, verdict

from dapatlas.errors import DapatlasError
from dapatlas.review.case_index import CaseFacts
from dapatlas.review.export import COLUMNS, NAMES, Format, exported, format_of, write_export
from dapatlas.review.plan import Plan
from dapatlas.review.verdict import Content, Mark, MarkKind, Verdict

LEAK = Mark("liver", MarkKind.LEAKS, "into the\nkidney, a bit", (1, 2, 3), ((0, 4), (1, 5), (2, 6)))
LOST = Mark("spleen", MarkKind.MISSING)
FACTS = {**facts("1"), "2": CaseFacts("2", "somebody", map_sha256=MAP)}
SAID = [
    adjudication("reject", case="2"),
    verdict("b", "remarks", LEAK, LOST, case="2", remarks="ça — \"so\", so\n=1+1"),
    verdict("a", None, case="1", digest=OLD_MAP, minutes=7),
    verdict("a", "approve", case="gone"),
]  # fmt: skip


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def test_csv_has_a_row_a_verdict_and_a_row_a_mark():
    rows = rows_of(exported(Format.CSV, SAID, FACTS, Plan()))
    assert [(row["row"], row["case"], row["reader"], row["mark"]) for row in rows] == [
        ("verdict", "1", "a", ""),
        ("verdict", "2", "b", ""),
        ("mark", "2", "b", "1"),
        ("mark", "2", "b", "2"),
        ("verdict", "2", "chief", ""),
        ("verdict", "gone", "a", ""),
    ]
    stale, said, leak, lost, settled, gone = rows
    assert (stale["stale"], stale["state"], stale["decision"], stale["saved_at"]) == ("true", "stale", "", "2026-03-01T12:07:00+00:00")  # fmt: skip
    assert (said["remarks"], said["marks"], said["subject"], said["state"], said["stale"]) == ('ça — "so", so\n=1+1', "2", "somebody", "rejected", "false")  # fmt: skip
    assert (leak["structure"], leak["mark_kind"], leak["note"]) == ("liver", "leaks", LEAK.note)
    place = ["point_i", "point_j", "point_k", "box_i_start", "box_i_stop", "box_j_start", "box_j_stop", "box_k_start", "box_k_stop"]  # fmt: skip
    assert [leak[name] for name in place] == ["1", "2", "3", "0", "4", "1", "5", "2", "6"]
    assert {lost[name] for name in place} == {""}
    assert (settled["kind"], settled["decision"]) == ("adjudication", "reject")
    assert (gone["subject"], gone["state"], gone["stale"]) == ("", "", "true")


def test_parquet_loads_into_pandas_with_its_types(tmp_path: Path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    path = tmp_path / "deep" / "said.parquet"
    write_export(path, Format.PARQUET, SAID, FACTS, Plan())
    table = pandas.read_parquet(path)
    assert tuple(table.columns) == NAMES
    assert str(table["saved_at"].dtype) in ("datetime64[us, UTC]", "datetime64[ns, UTC]")
    assert table["stale"].dtype == bool
    assert table.groupby("row").size().to_dict() == {"mark": 2, "verdict": 4}
    assert table.loc[table["mark_kind"] == "leaks", "box_k_stop"].tolist() == [6]
    assert table["saved_at"].min().to_pydatetime() == NOON
    text = rows_of(exported(Format.CSV, SAID, FACTS, Plan()))
    assert table["remarks"].tolist() == [row["remarks"] for row in text]


def test_json_gives_back_what_was_said():
    document = json.loads(exported(Format.JSON, SAID, FACTS, Plan()))
    contents = {(row["case"], row["reader"]): Content.from_dict(row) for row in document["verdicts"]}
    assert contents == {(each.case, each.reader): each.content for each in SAID}
    assert [row["stale"] for row in document["verdicts"]] == [True, False, False, True]


words = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20)


@given(st.lists(words, max_size=4), words)
def test_any_words_come_back_from_csv(notes: list[str], remarks: str):
    marks = [Mark("liver", MarkKind.LEAKS, note) for note in notes]
    said = [verdict("a", "remarks", *marks, case="1", remarks=remarks)]
    first, *others = rows_of(exported(Format.CSV, said, FACTS, Plan()))
    assert first["remarks"] == remarks
    assert [row["note"] for row in others] == notes


@pytest.mark.parametrize("form", list(Format))
def test_the_same_verdicts_give_the_same_file_in_any_order(form: Format):
    if form is Format.PARQUET:
        pytest.importorskip("pyarrow")
    backwards: list[Verdict] = SAID[::-1]
    assert exported(form, SAID, FACTS, Plan()) == exported(form, backwards, FACTS, Plan())
    assert exported(form, [], {}, Plan())


def test_without_pyarrow_nothing_is_written_and_the_remedy_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "said.parquet"
    with pytest.raises(DapatlasError, match=r"dapatlas\[tables\]"):
        write_export(path, Format.PARQUET, SAID, FACTS, Plan())
    assert list(tmp_path.iterdir()) == []


def test_the_name_tells_the_kind_of_file():
    assert [format_of(Path(name)) for name in ("a.csv", "b.JSON", "c.x.parquet")] == list(Format)
    with pytest.raises(DapatlasError, match=r"a\.xlsx.*\.csv, \.json, \.parquet"):
        format_of(Path("a.xlsx"))


def test_the_docs_have_every_column():
    page = (Path(__file__).parents[2] / "docs" / "review.md").read_text(encoding="utf-8")
    assert [name for name, _, _ in COLUMNS if f"`{name}`" not in page] == []
