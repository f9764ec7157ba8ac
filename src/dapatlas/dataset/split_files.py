"""Files of splits: our own, nnU-Net's, tables and lists that were published."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dapatlas import __version__
from dapatlas.dataset.names import case_id_of
from dapatlas.dataset.splits import TRAIN, VAL, CaseTraits, Fold, Splits, balance
from dapatlas.errors import BadFileError, DapatlasError, first_few
from dapatlas.files import write_json

FORMAT, FORMAT_VERSION = "dapatlas splits", 1
FOLDER, OURS, NNUNET = "splits", "splits.json", "splits_final.json"
CASE_COLUMNS = (
    "case",
    "case_id",
    "sample_id",
    "image",
    "file",
    "filename",
    "subject",
    "subject_id",
    "patient",
)
PART_COLUMNS = ("split", "part", "set", "subset", "partition")
FOLD_COLUMN = "fold"
NNUNET_CHANNEL = "_0000"  # nnU-Net's images are named after case and channel

Listed = Mapping[str, list[str]]  # part to names as they were given, twice where they were given twice


@dataclass(frozen=True, slots=True)
class ListedSplits:
    """A split as a file has it, before anything was checked.

    Attributes
    ----------
    kind
        ``dapatlas``, ``nnunet``, ``json``, ``table`` or ``lists``.
    folds
        Part to names, with repetitions.
    """

    kind: str
    folds: tuple[Listed, ...]

    def as_splits(self) -> Splits:
        """Without repetitions, sorted."""
        folds: tuple[Fold, ...] = tuple(
            {part: tuple(sorted(set(names))) for part, names in fold.items()} for fold in self.folds
        )
        return Splits(folds, "imported")


def document(splits: Splits, traits: Sequence[CaseTraits], fov_from: str) -> dict[str, Any]:
    """What ``splits.json`` holds; ``docs/splits.md`` describes it."""
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "dapatlas": __version__,
        "method": splits.method,
        "seed": splits.seed,
        "stratified_by": list(splits.stratified_by),
        "fov_from": fov_from,
        "cases": len(traits),
        "subjects": len({trait.subject for trait in traits}),
        "folds": [{part: list(cases) for part, cases in fold.items()} for fold in splits.folds],
        "balance": balance(splits, traits),
    }


def nnunet_folds(splits: Splits) -> list[dict[str, list[str]]]:
    """What nnU-Net's ``splits_final.json`` holds: cases of ``train`` and ``val``; empty where a fold lacks either."""
    if not all(fold.get(TRAIN) and fold.get(VAL) for fold in splits.folds):
        return []
    return [{part: list(fold[part]) for part in (TRAIN, VAL)} for fold in splits.folds]


def write_splits(out: Path, written: Mapping[str, Any], splits: Splits, *, force: bool = False) -> list[Path]:
    """Write ``splits.json`` and, where there are train and val, nnU-Net's ``splits_final.json``.

    A split that stands may grow by new cases, but moves none: results on two versions of it would not compare.

    Raises
    ------
    DapatlasError
        A case that stands in ``out`` would go to another part, and ``force`` is not set.
    """
    ours, nnunet = out / OURS, out / NNUNET
    folds = nnunet_folds(splits)
    if not force:
        _refuse_to_move(ours, nnunet, splits, folds)
    had_ours = ours.is_file()
    write_json(ours, written)
    if folds:
        write_json(nnunet, folds)
        return [ours, nnunet]
    if had_ours:
        nnunet.unlink(missing_ok=True)  # it is of the split that was replaced
    return [ours]


def _refuse_to_move(ours: Path, nnunet: Path, splits: Splits, folds: Sequence[Any]) -> None:
    """Of cases that stand in a part already, none may stand in another; nnU-Net's own file is not ours to replace."""
    if not ours.is_file():
        if folds and nnunet.is_file() and list(read_listed(nnunet).folds) != folds:
            raise DapatlasError(
                f"{nnunet} holds another split, not made by dapatlas; "
                "give --force to replace it, --out for another folder, or --read to take it over"
            )
        return
    before = read_listed(ours).as_splits()
    moved = sorted(
        {
            case
            for old, new in zip(before.folds, splits.folds, strict=False)
            for part, cases in old.items()
            for case in cases
            if case not in new.get(part, ()) and any(case in others for others in new.values())
        }
    )
    if moved or len(before.folds) != len(splits.folds):
        what = f"{len(moved)} cases would change their part" if moved else "the number of folds differs"
        raise DapatlasError(
            f"{ours} holds another split already: {what}{_few(moved)}; "
            "give --force to replace it, or --out for another folder"
        )


def _few(names: Sequence[str]) -> str:
    return f" ({first_few(names, 3)})" if names else ""


def read_listed(path: Path) -> ListedSplits:
    """Read a split: our JSON, nnU-Net's, a JSON object of part to cases, a CSV or TSV, or a folder of ``PART.txt``.

    Raises
    ------
    BadFileError
        It is missing, or none of these.
    """
    try:
        if path.is_dir():
            return _read_lists(path)
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadFileError(f"{path}: cannot be read as a split ({error})") from None
    if path.suffix.lower() == ".json":
        return _read_json(path, text)
    if path.suffix.lower() in (".csv", ".tsv"):
        return _read_table(path, text)
    raise BadFileError(f"{path}: expected .json, .csv, .tsv, or a folder with train.txt and val.txt")


def resolved(listed: ListedSplits, subject_of: Mapping[str, str]) -> ListedSplits:
    """The same with case ids of a data set: file names lose their suffixes, a subject stands for all its cases.

    Names that the data set does not know stay as they are.
    """
    cases_of: dict[str, list[str]] = {}
    for case, subject in subject_of.items():
        cases_of.setdefault(subject, []).append(case)

    def cases(name: str) -> list[str]:
        last = name.rsplit("/", 1)[-1].rsplit("\\", 1)[-1]
        bare = case_id_of(last) or last
        for candidate in (bare, bare.removesuffix(NNUNET_CHANNEL)):
            if candidate in subject_of:
                return [candidate]
        return sorted(cases_of.get(bare, [bare]))

    return ListedSplits(
        listed.kind,
        tuple(
            {part: [case for name in names for case in cases(name)] for part, names in fold.items()}
            for fold in listed.folds
        ),
    )


def _read_json(path: Path, text: str) -> ListedSplits:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise BadFileError(f"{path}: is no JSON ({error})") from None
    if isinstance(value, dict) and isinstance(value.get("folds"), list):
        if value.get("version", FORMAT_VERSION) != FORMAT_VERSION:
            raise BadFileError(
                f"{path}: is of version {value['version']}; this dapatlas reads {FORMAT_VERSION}: take a newer one"
            )
        kind, folds = "dapatlas", value["folds"]
    elif isinstance(value, list):
        kind, folds = "nnunet", value
    else:
        kind, folds = "json", [value]
    if not folds or not all(_is_fold(fold) for fold in folds):
        raise BadFileError(
            f'{path}: expected [{{"train": [case, …], "val": [case, …]}}, …] as nnU-Net\'s, our splits.json, '
            "or one object of part to cases"
        )
    return ListedSplits(kind, tuple(folds))


def _is_fold(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(
            isinstance(names, list) and all(isinstance(n, str) for n in names) for names in value.values()
        )
    )


def _read_lists(folder: Path) -> ListedSplits:
    """``train.txt``, ``val.txt`` and so on: a name a line; ``#`` begins a remark."""
    parts = {
        path.stem: [
            name for line in path.read_text(encoding="utf-8-sig").splitlines() if (name := _bare(line))
        ]
        for path in sorted(folder.glob("*.txt"))
    }
    if not parts:
        raise BadFileError(f"{folder}: expected lists such as train.txt and val.txt; found no .txt")
    return ListedSplits("lists", (parts,))


def _bare(line: str) -> str:
    return line.partition("#")[0].strip()


def _read_table(path: Path, text: str) -> ListedSplits:
    """A row a case: with a column ``split`` its part; with ``fold`` the fold that it validates."""
    rows = csv.DictReader(text.splitlines(), delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
    columns = {name.strip().lower(): name for name in rows.fieldnames or ()}
    case_column = _first(CASE_COLUMNS, columns)
    part_column = _first(PART_COLUMNS, columns)
    fold_column = columns.get(FOLD_COLUMN)
    if case_column is None or (part_column or fold_column) is None:
        raise BadFileError(
            f"{path}: expected a column of cases or subjects ({', '.join(CASE_COLUMNS)}) and one of parts "
            f"({', '.join(PART_COLUMNS)}) or {FOLD_COLUMN}; found {', '.join(columns) or 'no columns'}"
        )
    found: list[tuple[str, str, str]] = []  # fold, part, case
    for line, row in enumerate(rows, 2):
        values = [
            (row[column] or "").strip() if column else ""
            for column in (fold_column, part_column, case_column)
        ]
        if not values[2] or not (values[0] or values[1]):
            raise BadFileError(f"{path}:{line}: expected a case and its part, found {row}")
        found.append((values[0], values[1], values[2]))
    if part_column is None:
        return ListedSplits("table", _validated_once(found))
    folds: dict[str, dict[str, list[str]]] = {}
    for fold, part, case in found:
        folds.setdefault(fold, {}).setdefault(part, []).append(case)
    return ListedSplits("table", tuple(folds[fold] for fold in _in_order(folds)))


def _validated_once(rows: Sequence[tuple[str, str, str]]) -> tuple[Listed, ...]:
    """Folds of a cross-validation from the fold that each case validates."""
    return tuple(
        {
            TRAIN: [case for fold, _, case in rows if fold != name],
            VAL: [case for fold, _, case in rows if fold == name],
        }
        for name in _in_order({fold for fold, _, _ in rows})
    )


def _in_order(names: Iterable[str]) -> list[str]:
    """Numbers by value, other words after them."""
    return sorted(names, key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name))


def _first(names: Sequence[str], columns: Mapping[str, str]) -> str | None:
    return next((columns[name] for name in names if name in columns), None)
