"""The first lines and the summary table of a dataset card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dapatlas.errors import first_few
from dapatlas.labels import LabelScheme
from dapatlas.publish.atlas_info import AtlasInfo
from dapatlas.publish.facts import DatasetFacts, Spread
from dapatlas.publish.split_facts import SplitFacts
from dapatlas.publish.table import TableFacts

UNKNOWN_TISSUE = "unknown_tissue"  # beside background the only entry that names no structure
AXES = "left–right × front–back × head–foot"


@dataclass(frozen=True, slots=True)
class CardFacts:
    """Everything measured that a card speaks of.

    Attributes
    ----------
    scheme
        What ids mean.
    dataset
        What was measured of the cases.
    case_ids
        Their ids.
    table
        The preview table; ``None`` where there is none.
    splits
        Split files.
    entries
        What lies beside ``images/`` and ``masks/`` and is part of the data set: files, and folders ending in ``/``.
    size
        Bytes on disk.
    """

    scheme: LabelScheme
    dataset: DatasetFacts
    case_ids: tuple[str, ...]
    table: TableFacts | None
    splits: tuple[SplitFacts, ...]
    entries: tuple[str, ...]
    size: int


def opening(info: AtlasInfo, facts: CardFacts) -> str:
    """One sentence: what, how many structures, how many volumes."""
    kind = " ".join(filter(None, (info.coverage, *info.modality, "dataset")))
    structures = len(structures_of(facts.scheme))
    volumes = counted(facts.dataset.cases, "volume")
    return f"{kind[:1].upper()}{kind[1:]} with **{structures} anatomical structures** segmented across {volumes}."


def summary(info: AtlasInfo, facts: CardFacts) -> str:
    """The table of facts; a row of which nothing is known is left out."""
    measured = facts.dataset
    modality = ", ".join(info.modality)
    rows = {
        "Modality": f"{modality} ({info.coverage})" if info.coverage else modality,
        "Body Part": info.body_part,
        "Subjects": _subjects(measured),
        "Labels": _labels(facts.scheme, measured),
        "Volume Shape": _shape(measured.shape),
        "Spacing": _spacing(measured.spacing_mm),
        "Orientation": _tally(measured.orientations),
        "CT Values": f"{_hu(measured)}, stored as {_tally(measured.ct_types)}" if measured.hu else "",
        "Mask Values": f"{_ids(measured)}, stored as {_tally(measured.mask_types)}" if measured.ids else "",
        "Total Size": bytes_in_words(facts.size),
        "Mask License": info.mask_licence,
        "CT License": info.ct_licence,
    }
    lines = [f"| {field} | {details} |" for field, details in rows.items() if details]
    return "\n".join(["| Field | Details |", "|---|---|", *lines])


def _subjects(measured: DatasetFacts) -> str:
    if measured.cts == measured.masks:
        volumes = counted(measured.cts, "CT volume")
    else:
        volumes = f"{counted(measured.cts, 'CT volume')} and {counted(measured.masks, 'mask volume')}"
    several = {number: people for number, people in measured.studies.items() if number > 1}
    if several:
        people = sum(several.values())
        most = f", up to {max(several)}" if max(several) > 2 else ""
        has = "has" if people == 1 else "have"
        volumes += f" — {counted(people, 'patient')} {has} {'multiple' if most else 'two'} studies{most}"
    return f"{counted(measured.subjects, 'unique patient')} ({volumes})"


def _labels(scheme: LabelScheme, measured: DatasetFacts) -> str:
    structures = structures_of(scheme)
    others = [name for name in (scheme[0].name, UNKNOWN_TISSUE) if name in scheme.names]
    gaps = gaps_of(scheme)
    notes = [f"{len(scheme)} entries", *([f"gap at ID {first_few(gaps)}"] if gaps else [])]
    found = sum(id_ in measured.ids for id_ in structures)
    if measured.masks and found < len(structures):
        notes.append(f"{found} of the structures occur")
    return f"{len(structures)} anatomical structures + {' + '.join(others)} ({', '.join(notes)})"


def structures_of(scheme: LabelScheme) -> tuple[int, ...]:
    """Ids that name anatomy: all but background and unknown tissue."""
    return tuple(structure.id for structure in scheme if structure.id and structure.name != UNKNOWN_TISSUE)


def gaps_of(scheme: LabelScheme) -> tuple[int, ...]:
    """Ids below the largest that stand for nothing."""
    return tuple(id_ for id_ in range(scheme.max_id) if id_ not in scheme)


def _shape(spread: Spread) -> str:
    same = spread.lowest == spread.highest
    axes = zip(spread.lowest, spread.typical, spread.highest, strict=True)
    typical = "×".join(f"{'' if low == high else '~'}{middle:g}" for low, middle, high in axes)
    if same:
        return f"{typical} ({AXES}; the same in all)"
    return f"typically {typical} ({AXES}; varies per study: {_ranges(spread, '×', 'g')})"


def _spacing(spread: Spread) -> str:
    typical = " × ".join(f"{mm:.3g}" for mm in spread.typical)
    if spread.lowest == spread.highest:
        return f"{typical} mm ({AXES}; the same in all)"
    return f"~{typical} mm (median; {_ranges(spread, ' × ', '.3g')} mm)"


def _ranges(spread: Spread, times: str, form: str) -> str:
    ends = (
        (f"{low:{form}}", f"{high:{form}}") for low, high in zip(spread.lowest, spread.highest, strict=True)
    )
    return times.join(low if low == high else f"{low}–{high}" for low, high in ends)


def _hu(measured: DatasetFacts) -> str:
    low, high = measured.hu or (0, 0)
    return f"{low:g} to {high:g} HU".replace("-", "−")


def _ids(measured: DatasetFacts) -> str:
    return f"IDs {min(measured.ids)} to {max(measured.ids)}"


def _tally(counts: Mapping[str, int]) -> str:
    """The only one, or each with its number of volumes."""
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{name} ({number})" for name, number in counts.items())


def bytes_in_words(size: int) -> str:
    """Bytes in decimal units, as the Hub counts them.

    Examples
    --------
    >>> bytes_in_words(55_300_000_000), bytes_in_words(999)
    ('55.3 GB', '999 bytes')
    """
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size} bytes"


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural where that is right."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"
