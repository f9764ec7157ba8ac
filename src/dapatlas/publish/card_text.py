"""The sections of a dataset card, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from dapatlas.dataset import parse_case_name
from dapatlas.dataset.names import PREFIX
from dapatlas.errors import first_few
from dapatlas.labels import Sex
from dapatlas.publish.atlas_info import AtlasInfo
from dapatlas.publish.card_summary import CardFacts, counted, gaps_of, opening, structures_of, summary
from dapatlas.publish.facts import DatasetFacts
from dapatlas.publish.split_facts import SplitFacts, SplitPart

SEXES = {Sex.FEMALE: "women", Sex.MALE: "men"}


def card_text(info: AtlasInfo, facts: CardFacts) -> str:
    """The whole card below its front matter; ends in a line feed."""
    sections = [
        f"# {info.heading}\n\n{opening(info, facts)}\n{info.description}",
        f"## Dataset Summary\n\n{summary(info, facts)}",
        f"## Data Structure\n\n{_structure(info, facts)}",
        f"## Splits\n\n{_splits(facts)}",
        f"## Notes\n\n{_notes(info, facts)}",
    ]
    if info.citation:
        sections.append(f"## Citation\n\n```bibtex\n{info.citation}\n```")
    if info.sources:
        lines = "\n".join(f"- {source.name}: {source.url}" for source in info.sources)
        sections.append(f"## Sources\n\n{lines}")
    return "\n\n".join(sections) + "\n"


def _structure(info: AtlasInfo, facts: CardFacts) -> str:
    measured = facts.dataset
    standard = all(parse_case_name(case).is_standard for case in facts.case_ids)
    name = f"{PREFIX}_<subjectID>_<studyUID5>.nii.gz" if standard else "<case>.nii.gz"
    folders = []
    if measured.cts:
        folders.append(("images/", name, f"{counted(measured.cts, 'CT volume')}"))
    if measured.masks:
        paired = " (paired by filename)" if measured.cts else ""
        folders.append(("masks/", name, f"{counted(measured.masks, 'mask volume')}{paired}"))
    rows: list[tuple[str, str]] = []
    for folder, file, remark in folders:
        rows += [(folder, ""), (f"\0{file}", remark)]
    rows += [(entry, _ENTRIES.get(entry, "")) for entry in facts.entries]
    tree = "\n".join([f"{info.pretty_name.replace(' ', '_')}/", *_tree(rows)])
    return f"```\n{tree}\n```\n\n{_pairing(facts)}"


_ENTRIES = {
    "labels.json": "ID → anatomical structure name",
    "data/": "preview table: a middle slice of every volume",
    "subjects.csv": "sex of each subject",
    "splits.json": "splits",
    "splits/": "splits",
    "croissant.json": "the same facts for machines (Croissant)",
}


def _tree(rows: Sequence[tuple[str, str]]) -> list[str]:
    top = [number for number, (name, _) in enumerate(rows) if not name.startswith("\0")]
    lines = []
    for number, (name, remark) in enumerate(rows):
        if name.startswith("\0"):
            branch = f"{'    ' if number > top[-1] else '│   '}└── {name[1:]}"
        else:
            branch = f"{'└──' if number == top[-1] else '├──'} {name}"
        lines.append((branch, remark))
    width = max((len(branch) for branch, remark in lines if remark), default=0)
    return [f"{branch:{width}}  # {remark}" if remark else branch for branch, remark in lines]


def _pairing(facts: CardFacts) -> str:
    measured, scheme = facts.dataset, facts.scheme
    parts = []
    if measured.cts and measured.masks:
        parts.append(
            "CT and mask filenames are identical — pair each `images/X.nii.gz` with `masks/X.nii.gz`.\n"
        )
    gaps = gaps_of(scheme)
    gap = f" (with a gap at {first_few(gaps)})" if gaps else ""
    if measured.masks:
        kinds = " or ".join(measured.mask_types)
        parts.append(f"Mask voxels are {kinds} with values in {{0, 1, ..., {scheme.max_id}}}{gap}.")
    parts.append("See `labels.json`\nfor the canonical ID → name mapping.")
    return " ".join(parts).replace("\n ", "\n")


def _splits(facts: CardFacts) -> str:
    if not facts.splits:
        return (
            "The released dataset has no official train/val/test split. All "
            f"{counted(facts.dataset.cases, 'case')} form a single pool."
        )
    return "\n\n".join(_split_table(split) for split in facts.splits)


def _split_table(split: SplitFacts) -> str:
    names = list(dict.fromkeys(name for fold in split.folds for name in fold))
    lines = [f"| fold | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for number, fold in enumerate(split.folds):
        cells = [_part(fold[name]) if name in fold else "" for name in names]
        lines.append(f"| {number} | {' | '.join(cells)} |")
    leak = (
        "No subject has volumes in two parts of a fold."
        if not split.shared_subjects
        else f"**{counted(split.shared_subjects, 'subject')} with volumes in two parts of a fold.**"
    )
    table = "\n".join(lines)
    return f"`{split.file}`: {counted(len(split.folds), 'fold')}. {leak}\n\n{table}"


def _part(part: SplitPart) -> str:
    return f"{counted(part.volumes, 'volume')} of {counted(part.subjects, 'subject')}"


def _notes(info: AtlasInfo, facts: CardFacts) -> str:
    notes = [*info.notes, *_sex_notes(facts.dataset)]
    gaps = gaps_of(facts.scheme)
    if gaps:
        verb = "is" if len(gaps) == 1 else "are"
        notes.append(f"ID{'' if len(gaps) == 1 else 's'} {first_few(gaps)} {verb} intentionally absent.")
    missing = [facts.scheme[id_].name for id_ in structures_of(facts.scheme) if id_ not in facts.dataset.ids]
    if missing and facts.dataset.masks:
        notes.append(f"**In no mask:** {first_few(f'`{name}`' for name in missing)}.")
    return "\n".join("- " + note.replace("\n", "\n  ") for note in notes)


def _sex_notes(measured: DatasetFacts) -> list[str]:
    """Structures that only one sex has: in how many subjects of each they were found."""
    if not (measured.masks and measured.sex_counts):
        return []
    known = [sex for sex in SEXES if measured.sexes.get(sex)]
    if not known:
        found = [
            f"{item.structure} in {sum(item.found.values())} of {measured.subjects}"
            for item in measured.sex_counts
        ]
        return [f"**Sex-conditional labels**, by subjects: {'; '.join(found)}. The sexes are not recorded."]
    found = []
    for item in measured.sex_counts:
        of = [f"{item.found.get(sex, 0)} of {measured.sexes[sex]} {SEXES[sex]}" for sex in known]
        found.append(f"{item.structure} in {' and '.join(of)}")
    unknown = measured.sexes.get("", 0)
    rest = f" ({counted(unknown, 'subject')} of unrecorded sex left out.)" if unknown else ""
    wrong = [
        item for item in measured.sex_counts if any(item.found.get(sex) for sex in SEXES if sex != item.sex)
    ]
    matching = "appear only for matching sex" if not wrong else "do not all match the recorded sex"
    return [f"**Sex-conditional labels** {matching}: {'; '.join(found)}.{rest}"]
