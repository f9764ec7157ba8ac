"""What is amiss with a data set that its card would hide, or that makes the card poorer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dapatlas.dataset import Dataset
from dapatlas.dataset.checks.labels_json import check_labels_json
from dapatlas.errors import first_few
from dapatlas.findings import Finding, Severity
from dapatlas.publish.atlas_info import ATLAS_TOML, AtlasInfo
from dapatlas.publish.card import CARD, OTHER, hub_licence
from dapatlas.publish.card_summary import CardFacts
from dapatlas.publish.schema import PREVIEW_FEATURES
from dapatlas.publish.table import DATA


def card_findings(dataset: Dataset, info: AtlasInfo, facts: CardFacts) -> list[Finding]:
    """All that is to say about a card and what it was made from, in a fixed order."""
    return [
        *_about_texts(dataset.path, info, facts),
        *_about_table(dataset.path, facts),
        *check_labels_json(dataset.labels_path, dataset.scheme),
        *_about_cases(dataset, facts),
        *_about_splits(facts),
    ]


def _about_texts(folder: Path, info: AtlasInfo, facts: CardFacts) -> Iterator[Finding]:
    path = folder / ATLAS_TOML
    if not path.is_file():
        yield Finding(
            "",
            Severity.WARNING,
            "no-atlas-toml",
            f"there is no {ATLAS_TOML}: the card speaks of the {info.pretty_name}, its licences and its sources",
            file=str(path),
            remedy=f"if this is another data set, `dapatlas card {folder} --init` writes one to fill in",
        )
    if hub_licence(info.mask_licence) == OTHER:
        yield Finding(
            "",
            Severity.INFO,
            "licence-other",
            f"the Hub does not know the licence {info.mask_licence}: the card says {OTHER}",
            file=str(path),
            remedy="give an SPDX identifier, if the licence has one",
        )
    if facts.dataset.cts and not info.ct_licence:
        yield Finding(
            "",
            Severity.WARNING,
            "ct-licence-missing",
            "nothing is said of the licence of the CTs",
            file=str(path),
            remedy=f"set ct_licence in {ATLAS_TOML}",
        )


def _about_table(folder: Path, facts: CardFacts) -> Iterator[Finding]:
    file, again = str(folder / DATA), f"run `dapatlas preview {folder}`, then `dapatlas card {folder}`"
    if facts.table is None:
        message = "there is no preview table: the card has no sizes, and the Hub nothing to show"
        yield Finding("", Severity.WARNING, "preview-missing", message, file=file, remedy=again)
        return
    if facts.table.examples != facts.dataset.cases:
        yield Finding(
            "",
            Severity.WARNING,
            "preview-outdated",
            f"the preview table has {facts.table.examples} rows, the data set {facts.dataset.cases} cases",
            file=file,
            expected=str(facts.dataset.cases),
            found=str(facts.table.examples),
            remedy=again,
        )
    if facts.table.features != PREVIEW_FEATURES:
        yield Finding(
            "",
            Severity.WARNING,
            "preview-columns",
            "the preview table has other columns than those of the DAP Atlas",
            file=file,
            expected=_named(PREVIEW_FEATURES),
            found=_named(facts.table.features),
            remedy=again,
        )


def _named(features: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in features)


def _about_cases(dataset: Dataset, facts: CardFacts) -> Iterator[Finding]:
    """Ids that mean nothing, and cases of which one half is missing."""
    unknown = {id_: count for id_, count in facts.dataset.ids.items() if id_ not in facts.scheme}
    if unknown:
        named = first_few(f"{id_} (in {count})" for id_, count in unknown.items())
        yield Finding(
            "",
            Severity.ERROR,
            "unknown-id",
            f"masks hold ids outside the scheme {facts.scheme.name!r}: {named}",
            file=str(dataset.masks_dir),
            expected=f"ids of the scheme, at most {facts.scheme.max_id}",
            found=named,
            remedy=f"`dapatlas validate {dataset.path}` names the cases",
        )
    for case in dataset.unpaired if facts.dataset.cts else ():
        half = "label map" if case.mask_path is None else "CT"
        yield Finding(
            case.id,
            Severity.WARNING,
            "unpaired-case",
            f"the case has no {half}, and is not counted",
            file=str(case.image_path or case.mask_path),
            remedy=f"add the {half}, or take the case out",
        )


def _about_splits(facts: CardFacts) -> Iterator[Finding]:
    for split in facts.splits:
        if split.shared_subjects or split.unknown:
            yield Finding(
                "",
                Severity.WARNING,
                "split-unsound",
                f"{split.file}: {split.shared_subjects} subjects in two parts of a fold, {len(split.unknown)} case ids "
                "that the data set does not have",
                file=split.file,
                remedy="`dapatlas split --check` names them",
            )


def refused(folder: Path, objection: str) -> Finding:
    """The Hub's own objection to a card."""
    message, path = f"the Hub refuses the card: {objection}", str(folder / CARD)
    return Finding("", Severity.ERROR, "hub-refuses", message, file=path, remedy=f"look at {ATLAS_TOML}")
