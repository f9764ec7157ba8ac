"""`dapatlas split`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dapatlas.cli.options import JsonOption, QuietOption, SexTableOption, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dapatlas.dataset import Dataset
    from dapatlas.dataset.splits import CaseTraits, Splits
    from dapatlas.findings import Finding


def split(
    dataset: Annotated[Path, typer.Argument(help="Folder with masks/.", show_default=False)],
    folds: Annotated[
        int | None, typer.Option(help="Folds of a cross-validation; 5 by default.", min=2, show_default=False)
    ] = None,
    fractions: Annotated[
        str | None,
        typer.Option(help="Named parts instead, e.g. `train=0.8,val=0.1,test=0.1`.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed, another split.")] = 0,
    stable: Annotated[
        bool, typer.Option("--stable", help="By a hash of each subject: nobody moves when cases are added.")
    ] = False,
    stratify: Annotated[
        str | None,
        typer.Option(help="What to balance; all of `sex,studies,fov` by default.", show_default=False),
    ] = None,
    sex_table: SexTableOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Where to write; `DATASET/splits` by default.", show_default=False),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(help="Check a split for leaks and gaps instead of making one.", show_default=False),
    ] = None,
    read: Annotated[
        Path | None,
        typer.Option(help="Take over a published split instead of making one.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a split that stands.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Deal out the cases for training and testing, by subject; or check a split that somebody gives.

    No subject is ever in two parts. Sex, number of studies and field of view are balanced. Writes
    `splits/splits.json` and, for nnU-Net, `splits/splits_final.json`. What `--check` and `--read` take: these two, a
    CSV with columns case (or subject) and split (or fold), or a folder with train.txt and val.txt. Exit code 1
    when the split that is checked or read has errors.

    **Examples**

        dapatlas split DAP_Atlas --folds 5

        dapatlas split DAP_Atlas --fractions train=0.8,val=0.1,test=0.1 --sex-table subjects.csv

        dapatlas split DAP_Atlas --stable --seed 7

        dapatlas split DAP_Atlas --check nnUNet_preprocessed/Dataset700_DAP/splits_final.json
    """
    from dapatlas.dataset import Dataset
    from dapatlas.dataset.split_files import FOLDER
    from dapatlas.dataset.split_traits import traits_of

    _refuse_contradictions(folds, fractions, stable, stratify, check, read)
    opened = Dataset(dataset)
    traits, fov_from = traits_of(opened, _sexes(opened, sex_table))
    target = out or dataset / FOLDER
    if check or read:
        made, findings = _given(check or read, traits)
        if not quiet and not as_json:
            _print_findings(opened, findings)
        if any(finding.severity == "error" for finding in findings) or check:
            if as_json:
                print_json({"findings": [finding.as_dict() for finding in findings]})
            raise typer.Exit(int(any(finding.severity == "error" for finding in findings)))
    else:
        made, findings = _made(traits, folds, fractions, seed, stable, stratify), []
    _write(target, made, traits, fov_from, findings, force=force, as_json=as_json, quiet=quiet)


def _refuse_contradictions(
    folds: int | None,
    fractions: str | None,
    stable: bool,
    stratify: str | None,
    check: Path | None,
    read: Path | None,
) -> None:
    if folds and fractions:
        raise typer.BadParameter("give --folds or --fractions, not both")
    if stable and stratify:
        raise typer.BadParameter(
            "--stable places each subject by its hash alone, and balances nothing; leave --stratify out"
        )
    if check and read:
        raise typer.BadParameter("give --check or --read, not both")


def _sexes(dataset: Dataset, sex_table: Path | None) -> dict[str, str]:
    """Case id to F or M, by the data set's own ``subjects.csv`` and the table given."""
    from dapatlas.dataset.split_traits import cases_to_split
    from dapatlas.dataset.subjects import sex_of, sex_tables

    tables = sex_tables(sex_table, dataset.path)
    told = {case.id: sex_of(case.id, case.subject, tables)[0] for case in cases_to_split(dataset)}
    return {case: sex.value for case, sex in told.items() if sex is not None}


def _made(
    traits: Sequence[CaseTraits],
    folds: int | None,
    fractions: str | None,
    seed: int,
    stable: bool,
    stratify: str | None,
) -> Splits:
    from dapatlas.dataset.splits import TRAITS, cross_validation, named_parts

    names = TRAITS if stratify is None else tuple(n.strip() for n in stratify.split(",") if n.strip())
    if fractions is None:
        return cross_validation(traits, folds or 5, seed, stable=stable, stratify=names)
    return named_parts(traits, _shares(fractions), seed, stable=stable, stratify=names)


def _shares(text: str) -> dict[str, float]:
    shares: dict[str, float] = {}
    for word in text.split(","):
        name, found, share = word.partition("=")
        name = name.strip()
        try:
            value = float(share)
        except ValueError:
            value = 0.0
        if not (found and name and value > 0) or name in shares:
            raise typer.BadParameter(
                f"expected PART=SHARE,PART=SHARE, each part once, found {word!r}", param_hint="--fractions"
            )
        shares[name] = value
    return shares


def _given(path: Path | None, traits: Sequence[CaseTraits]) -> tuple[Splits, list[Finding]]:
    """A split that a file holds, and what is wrong with it."""
    from dapatlas.dataset.split_check import check_splits
    from dapatlas.dataset.split_files import read_listed, resolved

    assert path is not None  # one of --check and --read is
    subject_of = {trait.case: trait.subject for trait in traits}
    listed = resolved(read_listed(path), subject_of)
    return listed.as_splits(), check_splits(listed, subject_of, str(path))


def _write(
    out: Path,
    splits: Splits,
    traits: Sequence[CaseTraits],
    fov_from: str,
    findings: Sequence[Finding],
    *,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    from dapatlas.dataset.split_files import document, write_splits

    written = document(splits, traits, fov_from)
    paths = write_splits(out, written, splits, force=force)
    if as_json:
        said = [finding.as_dict() for finding in findings]
        print_json({**written, "files": [str(path) for path in paths], "findings": said})
    elif not quiet:
        _print_balance(written["balance"], len(splits.folds))
        _print_files(paths, traits)


def _print_findings(dataset: Dataset, findings: Sequence[Finding]) -> None:
    from rich.text import Text

    from dapatlas.cli.console import output
    from dapatlas.cli.validate import print_findings

    if findings:
        print_findings(dataset, findings)
    else:
        output().print(Text("the split is sound: no subject in two parts, every case in its place"))


def _print_balance(rows: Sequence[dict[str, Any]], folds: int) -> None:
    """Of a cross-validation what each fold validates; of fractions every part."""
    from rich.table import Table
    from rich.text import Text

    from dapatlas.cli.console import output

    heads = ("cases", "subjects", "sex (subjects)", "studies (subjects)", "field of view (cases)")
    table = Table("fold" if folds > 1 else "part", *heads, box=None, pad_edge=False)
    for column in table.columns[1:3]:
        column.justify = "right"
    for row in rows:
        if folds > 1 and row["part"] != "val":
            continue
        name = f"{row['fold']}: {row['part']}" if folds > 1 else row["part"]
        counts = [
            ", ".join(f"{word}: {number}" for word, number in row[trait].items())
            for trait in ("sex", "studies", "fov")
        ]
        table.add_row(Text(name), str(row["cases"]), str(row["subjects"]), *map(Text, counts))
    output().print(table)


def _print_files(paths: Sequence[Path], traits: Sequence[CaseTraits]) -> None:
    from rich.text import Text

    from dapatlas.cli.console import output

    console = output()
    if all(trait.subject == trait.case for trait in traits):
        console.print(
            Text("no name tells a subject apart from a study: each case counts as a subject of its own"),
            style="yellow",
            soft_wrap=True,
        )
    console.print(Text(f"written: {', '.join(map(str, paths))}"), soft_wrap=True)
