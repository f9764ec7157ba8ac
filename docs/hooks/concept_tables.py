"""Write the tables of the concept pages from the project's own data: ``python docs/hooks/concept_tables.py``.

In a page they stand between ``<!-- table: NAME -->`` and ``<!-- end -->``; the prose around them is written by hand. A
test fails when a page's tables are not what this would write.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from dapatlas.check import vessels
from dapatlas.check.codes import Code
from dapatlas.check.explain import cited, explained
from dapatlas.check.geometry import Calibre, Level, geometry
from dapatlas.check.ranges import Source, table
from dapatlas.files import write_text
from dapatlas.labels import Relation, Sex, crosswalk, dap
from dapatlas.refine.settings import GUIDELINES

PAGES = Path(__file__).parents[1] / "concepts"
BLOCK = re.compile(r"(<!-- table: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

CHECKS: dict[str, tuple[Code, ...]] = {
    "sexes": (Code.OTHER_SEX, Code.BOTH_SEXES),
    "volumes": (Code.VOLUME_IMPOSSIBLE, Code.VOLUME_UNUSUAL),
    "ratios": (Code.RATIO_IMPOSSIBLE, Code.RATIO_UNUSUAL),
    "composition": (Code.COMPOSITION_IMPOSSIBLE, Code.COMPOSITION_UNUSUAL),
    "hounsfield": (Code.HU_IMPOSSIBLE, Code.HU_UNUSUAL),
    "laterality": (Code.WRONG_SIDE, Code.SIDES_MIXED, Code.MIRRORED, Code.SITUS_INVERSUS),
    "order": (Code.VERTEBRA_ORDER, Code.ORDER, Code.OUT_OF_PLACE),
    "vertebrae": (Code.VERTEBRA_HEIGHT, Code.VERTEBRA_VOLUME),
    "ribs": (Code.RIB_VERTEBRA, Code.RIB_UNATTACHED, Code.RIB_LENGTH, Code.RIB_SIDES),
    "vessels": (Code.DIAMETER_IMPOSSIBLE, Code.DIAMETER_UNUSUAL),
    "adjacency": (Code.NOT_ADJACENT, Code.IMPOSSIBLE_CONTACT),
    "completeness": (Code.MISSING, Code.MISSING_BETWEEN, Code.SEVERAL_PIECES),
    "cohort": (Code.VOLUME_OUTLIER,),
    "remarks": (Code.NOT_JUDGED, Code.CASE_UNREADABLE, Code.CHECK_FAILED),
}
WAYS = (("totalsegmentator", "dap"), ("dap", "totalsegmentator"), ("amos", "dap"), ("dap", "amos"))
SEXES = {None: "", "F": "women", "M": "men"}
LONG = 6  # structures named before a list is cut short


def codes(check: str) -> str:
    """What a check may say."""
    rows = [(f"`{code}`", code.severity.value, code.meaning, code.remedy) for code in CHECKS[check]]
    return _table(("code", "severity", "what it means", "what to do"), rows)


def ranges(name: str) -> str:
    """Every published range of one table, and its sources."""
    sources = table(name).sources
    numbers = {cited(source): number for number, source in enumerate(sources.values(), 1)}
    rows = []
    for row in explained():
        if row["table"] == name:
            mark = (
                ", " if row["quantity"] == "HU" else " + "
            )  # volumes are added up, densities are each one's own
            of = f" over {_names(row['of'], mark)}" if row["of"] else ""
            cites = ", ".join(str(numbers[source]) for source in row["sources"])
            whom = _whom(row["sex"], row["ages"], row["persons"]) + (
                f"; {row['note']}" if row["note"] else ""
            )
            rows.append((_names(row["structures"], mark) + of, whom, row["usual"], row["possible"], cites))
    heads = ("structures", "measured in", "usual", "possible", "source")
    return f"{_table(heads, rows)}\n\n{_sources(sources.values())}"


def orders() -> str:
    """Who lies above, before, or right of whom."""
    words = {"up": "above", "front": "in front of", "right": "right of"}
    rows = [
        (f"`{row.first}`", words[row.axis], f"`{row.second}`", row.by, row.severity.value, *_short(row.cited()))
        for row in geometry().order
    ]  # fmt: skip
    return _table(("this", "lies", "that", "by its", "else", "source"), rows)


def places() -> str:
    """What lies wholly above or below a vertebra never."""
    rows = [
        (_names(row.structures), "above" if row.not_above else "below", _name(row.not_above or row.not_below),
         *_short(row.cited()))
        for row in geometry().limits
    ]  # fmt: skip
    return _table(("no piece of", "lies wholly", "the middle of", "source"), rows)


def levels() -> str:
    """What must show where something else is wholly in view."""
    rows = [(_names(row.structures), _needs(row), *_short(row.cited())) for row in geometry().levels]
    return _table(("must show", "where these are wholly in view", "source"), rows)


def touching() -> str:
    """What lies side by side."""
    rows = [
        (f"`{row.one}`", f"`{row.other}`", f"{row.within_mm:g} mm", *_short(row.cited()))
        for row in geometry().touching
    ]
    return _table(("this", "and that", "are no farther apart than", "source"), rows)


def never() -> str:
    """What never touches."""
    rows = [(_names(row.one), _names(row.other), *_short(row.cited())) for row in geometry().never]
    return _table(("this", "never touches", "source"), rows)


def calibres() -> str:
    """How wide vessels are."""
    rows = [
        (f"`{row.structure}`, {row.segment}", _levels_of(row), _whom(row.sex, row.ages, row.n),
         f"{row.middle:g} ± {row.spread:.3g} {row.unit.replace('mm2', 'mm²')}", *_short(row.cited()))
        for row in geometry().vessels
    ]  # fmt: skip
    return _table(("vessel", "between", "measured in", "mean or median ± standard deviation", "source"), rows)


def rib_lengths() -> str:
    """Lengths of ribs, the highest first."""
    own = geometry().ribs
    rows = [(str(n), f"{length:.0f} mm") for n, length in enumerate(own.lengths_mm, 1)]
    return f"{_table(('rib', 'length'), rows)}\n\nSource: {'; '.join(_short(own.cited()))}"


def geometry_sources() -> str:
    """All that ``geometry.toml`` cites."""
    return _sources(geometry().sources.values())


def guidelines() -> str:
    """Every guideline and what it demands."""
    rows = [(f"[`{name}`](guidelines.md#{name})", guideline.says) for name, guideline in GUIDELINES.items()]
    return _table(("guideline", "what it demands"), rows)


def crosswalk_counts() -> str:
    """How many structures of one scheme go how to another."""
    rows = []
    for source, target in WAYS:
        way = [link for link in crosswalk(source, target) if link.source.id]
        counts = Counter(link.relation for link in way)
        rows.append((f"`{source}` → `{target}`", *(str(counts[relation]) for relation in Relation)))
    return _table(("from → to", *(relation.value.replace("_", " ") for relation in Relation)), rows)


def thresholds(name: str) -> str:
    """A guideline's limits and their defaults."""
    fields = GUIDELINES[name].thresholds.model_fields
    if not fields:
        return "It has no thresholds."
    rows = [(f"`{key}`", _value(field.default), field.description or "") for key, field in fields.items()]
    return _table(("threshold", "default", "meaning"), rows)


TABLES: dict[str, Callable[[], str]] = {
    **{f"codes-{check}": partial(codes, check) for check in CHECKS},
    **{f"ranges-{name}": partial(ranges, name)
       for name in ("volumes", "ratios", "composition", "hounsfield")},
    **{f"thresholds-{name}": partial(thresholds, name) for name in GUIDELINES},
    "orders": orders,
    "places": places,
    "levels": levels,
    "touching": touching,
    "never": never,
    "calibres": calibres,
    "rib-lengths": rib_lengths,
    "geometry-sources": geometry_sources,
    "guidelines": guidelines,
    "crosswalk-counts": crosswalk_counts,
}  # fmt: skip


def filled(text: str) -> str:
    """A page with its tables written anew."""
    return BLOCK.sub(lambda block: f"{block[1]}\n{TABLES[block['name']]()}\n\n{block[3]}", text)


def main() -> None:
    """Write every page whose tables changed."""
    for page in sorted(PAGES.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        if filled(text) != text:
            write_text(page, filled(text))
            print(page.name)


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = tuple(heads)
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _sources(sources: Iterable[Source]) -> str:
    return "\n".join(f"{n}. {_linked(cited(source))}" for n, source in enumerate(sources, 1))


def _linked(citation: str) -> str:
    """A citation whose DOI, PubMed id or address can be followed."""
    citation = re.sub(r"doi:(\S+)$", r"[doi:\1](https://doi.org/\1)", citation)
    citation = re.sub(r"PMID (\d+)$", r"[PMID \1](https://pubmed.ncbi.nlm.nih.gov/\1/)", citation)
    return re.sub(r"(?<!\()(https?://\S+)$", r"<\1>", citation)


def _short(keys: Iterable[str]) -> Iterator[str]:
    """One cell: the short form of some sources."""
    yield geometry().short(*keys)


def _name(name: str) -> str:
    return f"`{name}`"


def _names(names: Iterable[str], mark: str = ", ") -> str:
    """Names with their sides and numbers folded: ``rib_1``, ``rib_2`` become one pattern; long lists are cut."""
    folded: dict[str, None] = {}
    own = set(names)
    for name in (one.name for one in dap() if one.name in own):
        opposite = dap()[name].opposite
        word = re.sub(r"_(left|right)$", "_*", name) if opposite in own else name
        for series in ("vertebrae", "costa"):
            if word.startswith(f"{series}_") and _whole_series(series, own):
                word = f"{series}_*"
        folded.setdefault(_name(word))
    words = list(folded)
    more = f" … {len(words) - LONG} more" if len(words) > LONG + 1 else ""
    return mark.join(words[:LONG] if more else words) + more


def _whole_series(series: str, names: set[str]) -> bool:
    return {name for name in dap().names if name.startswith(f"{series}_")} <= names


def _needs(row: Level) -> str:
    needed = f"`{row.first}` to `{row.last}`" if row.first else _names(row.needs)
    words = [SEXES[row.sex.value]] if row.sex else []
    if row.wide:
        words.append("body not cut at its sides")
    return f"{needed} ({', '.join(words)})" if words else needed


def _levels_of(row: Calibre) -> str:
    first, last = vessels.SEGMENTS[row.segment]
    return f"`{first}` and `{last}`"


def _whom(sex: Sex | str | None, ages: Iterable[float] | None, persons: int | None) -> str:
    words = [f"{persons} {SEXES[sex] or 'persons'}" if persons else SEXES[sex] or "adults"]
    if ages is not None:
        low, high = ages
        words.append(f"{low:g} years or more" if high >= 120 else f"{low:g} to {high:g} years")
    return ", ".join(words)


def _value(default: object) -> str:
    return " to ".join(f"{one:g}" for one in (default if isinstance(default, tuple) else (default,)))


if __name__ == "__main__":
    main()
