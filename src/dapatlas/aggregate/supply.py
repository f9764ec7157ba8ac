"""Which of the atlas's structures each expert of a recipe can supply, told from the schemes alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from dapatlas.aggregate.recipe import ExpertSettings, Recipe
from dapatlas.aggregate.tissues import SPACES, UNKNOWN
from dapatlas.aggregate.wholes import CHAMBERS, HEART, HEART_TISSUE, MIN_CHAMBERS, Wholes
from dapatlas.labels import Absence, Container, LabelScheme, Link, Relation, crosswalk, load_scheme


class Way(StrEnum):
    """How an atlas structure comes from an expert's; the surest first."""

    EQUAL = "equal"
    CHOICE = "by choice"  # the recipe's `choose` gives it what the atlas divides, or calls otherwise
    PART = "part of it"  # what the expert labels lies within it
    SPLIT = "whole, split by mid-plane"  # the expert labels left and right as one
    WHOLE = "whole, yields to parts"  # adds to it, but does not find it: somebody else must have


@dataclass(frozen=True, slots=True)
class How:
    """How one expert supplies one atlas structure.

    Attributes
    ----------
    way
        The surest of the ways.
    sources
        Names of the expert's structures that go to it, in the order of their ids.
    """

    way: Way
    sources: tuple[str, ...]

    @property
    def finds(self) -> bool:
        """Whether the expert finds the structure by itself, and does not just add to what another found."""
        return self.way is not Way.WHOLE


def supplies(expert: ExpertSettings, atlas: LabelScheme, *, restricted: bool = True) -> dict[str, How]:
    """How an expert supplies the structures of the atlas, in the order of their ids; those it does not are absent.

    Parameters
    ----------
    expert
        Its table in the recipe.
    atlas
        The scheme of the built maps.
    restricted
        Whether the expert's ``structures`` and ``except`` count.

    Raises
    ------
    RecipeError
        Its scheme has more structures that the atlas divides than there are ids for them.
    """
    left = left_out(expert, atlas) if restricted else frozenset[str]()
    found: dict[str, list[tuple[Way, str]]] = {}
    for link, targets in _links(expert, atlas):
        for target, way in targets.items():
            if way is not Way.WHOLE or not left & targets.keys():
                found.setdefault(target, []).append((way, link.source.name))
    ways = list(Way)
    return {
        structure.name: How(
            min((way for way, _ in found[structure.name]), key=ways.index),
            tuple(source for _, source in found[structure.name]),
        )
        for structure in atlas
        if structure.name in found and structure.id and structure.name not in left
    }


def goes_nowhere(expert: ExpertSettings, atlas: LabelScheme, found: Collection[str]) -> dict[str, str]:
    """The structures of an expert that no voxel of the atlas comes from, each with the reason.

    Parameters
    ----------
    expert, atlas
        As for :func:`supplies`.
    found
        Atlas structures that some expert finds; see :attr:`How.finds`.
    """
    left = left_out(expert, atlas)
    reasons = {}
    for link, targets in _links(expert, atlas):
        kept = [target for target in targets if target not in left]
        vague = Way.WHOLE in targets.values()
        if not targets:
            reasons[link.source.name] = f"{atlas.name} has no such structure"
        elif not kept:
            reasons[link.source.name] = f"{' and '.join(targets)} left out by the recipe"
        elif vague and len(kept) < len(targets):
            gone = [target for target in targets if target in left]
            reasons[link.source.name] = (
                f"may be {' or '.join(targets)}, of which the recipe leaves out {' and '.join(gone)}"
            )
        elif vague and not set(kept) & set(found):
            reasons[link.source.name] = f"may be {' or '.join(targets)}, none of which any expert finds"
    return reasons


def left_out(expert: ExpertSettings, atlas: LabelScheme) -> frozenset[str]:
    """Names of the atlas structures that the recipe does not take from an expert."""
    named = frozenset(atlas[name].name for name in expert.except_structures)
    if expert.structures is None:
        return named
    return (frozenset(atlas.names) - {atlas[name].name for name in expert.structures}) | named


def found_by_any(recipe: Recipe) -> frozenset[str]:
    """The atlas structures that at least one expert finds, or that remain of one where others are taken away."""
    atlas = recipe.atlas
    found = {name for expert in recipe.experts for name, how in supplies(expert, atlas).items() if how.finds}
    return frozenset(found | remainders(found, atlas).keys())


def remainders(found: Collection[str], atlas: LabelScheme) -> dict[str, str]:
    """Structures that are what is left of another, given those that experts find; each with how it comes about."""
    if HEART_TISSUE in atlas and HEART in found and len(set(CHAMBERS) & set(found)) >= MIN_CHAMBERS:
        return {HEART_TISSUE: "what of the heart is none of its chambers"}
    return {}


def silence_counts(expert: ExpertSettings) -> bool:
    """Whether it is evidence against a structure that the expert does not label it."""
    if expert.silence is not None:
        return expert.silence
    return load_scheme(expert.scheme).absent is Absence.TRULY_ABSENT


def spaces(expert: ExpertSettings) -> dict[str, Container]:
    """The structures of an expert that are spaces, which tissue fills."""
    scheme = load_scheme(expert.scheme)
    return {structure.name: structure.container for structure in scheme if structure.container is not None}


def fills(recipe: Recipe) -> dict[str, str]:
    """What becomes of voxels that nobody claims: structures of the atlas, each with how they are told.

    See :func:`dapatlas.aggregate.tissues.fill_tissues`.
    """
    tissues, atlas = recipe.tissues, recipe.atlas
    shown = _shown(recipe)
    body = shown.get(Container.BODY)
    ways = {
        atlas[0].name: f"outside the body, as {body} shows it; else as the CT does"
        if body
        else "outside the body, as the CT shows it",
        "fat": f"in the body, {_range(tissues.fat_hu)} HU",
        "muscles": f"in the body, {_range(tissues.muscle_hu)} HU",
        UNKNOWN: "in the body, no rule fits",
    }
    if tissues.skin_mm > 0:
        ways["skin"] = f"within {tissues.skin_mm:g} mm of the outside"
    for space, (_, name) in SPACES.items():
        words = space.value.replace("_", " ")
        by_place = f"in the {words}, as organs and the muscular wall show it" if tissues.cavities else ""
        by_expert = f"in the {words}, as {shown[space]} shows it" if space in shown else ""
        if by_place or by_expert:
            ways[name] = "; else ".join(filter(None, (by_expert, by_place)))
    return {name: way for name, way in ways.items() if name in atlas}


def _shown(recipe: Recipe) -> Mapping[Container, str]:
    """Space to the experts that show it, as words."""
    experts: dict[Container, list[str]] = {}
    for expert in recipe.experts:
        for space in dict.fromkeys(spaces(expert).values()):
            experts.setdefault(space, []).append(expert.name)
    return {space: " or ".join(names) for space, names in experts.items()}


def _links(expert: ExpertSettings, atlas: LabelScheme) -> Iterator[tuple[Link, dict[str, Way]]]:
    """Each structure of an expert with what it goes to and how, nothing left out.

    Background and spaces are no structures, and what is to be ignored means that nobody looked.
    """
    scheme = load_scheme(expert.scheme)
    wholes = Wholes.of([scheme], atlas)
    choose = {scheme[source].id: atlas[target].name for source, target in expert.choose.items()}
    for link in crosswalk(scheme, atlas):
        if link.source.id in choose:
            yield link, {choose[link.source.id]: Way.CHOICE}
        elif link.source.id and link.source.container is None and not link.source.ignored:
            way = _way(link, wholes)
            yield link, {target.name: way for target in link.targets if target.id}


def _way(link: Link, wholes: Wholes) -> Way:
    if link.relation is not Relation.CONTAINS:
        return Way.EQUAL if link.relation is Relation.EQUAL else Way.PART
    return Way.SPLIT if wholes.sides_of(wholes.id_of(link.source, link.targets)) else Way.WHOLE


def _range(hu: tuple[float, float]) -> str:
    return f"{hu[0]:g}…{hu[1]:g}".replace("-", "−")
