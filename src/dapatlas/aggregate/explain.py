"""What a recipe will do, before any volume is read: who supplies each structure, and what goes nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dapatlas.aggregate.decide import TrustOrder
from dapatlas.aggregate.recipe import ExpertSettings, Recipe
from dapatlas.aggregate.supply import (
    How,
    fills,
    found_by_any,
    goes_nowhere,
    remainders,
    silence_counts,
    spaces,
    supplies,
)
from dapatlas.dataset import Case
from dapatlas.labels import LabelScheme, Structure, load_scheme


@dataclass(frozen=True, slots=True)
class Supplier:
    """An expert that supplies a structure, and how."""

    expert: str
    how: How


@dataclass(frozen=True, slots=True)
class Row:
    """Where one structure of the atlas comes from.

    Attributes
    ----------
    id, structure
        Which one.
    suppliers
        Experts, the one trusted most for this structure first.
    filled
        How voxels get it that no expert gives it to; empty where none do.
    by_consensus
        Whether it is settled by STAPLE.
    """

    id: int
    structure: str
    suppliers: tuple[Supplier, ...]
    filled: str
    by_consensus: bool

    @property
    def found(self) -> bool:
        """Whether anything finds it; an expert that only says the whole of which it is a part does not."""
        return bool(self.filled) or any(supplier.how.finds for supplier in self.suppliers)


@dataclass(frozen=True, slots=True)
class ExpertRow:
    """What one expert is good for.

    Attributes
    ----------
    name, kind, scheme, files, required
        As in the recipe.
    absent
        What it means that its scheme's labels are absent; see :class:`dapatlas.labels.Absence`.
    silence
        Whether its silence is evidence, as the recipe or else its scheme says.
    supplies
        How many structures of the atlas it supplies.
    spaces
        Its structures that are spaces, which tissue fills.
    nowhere
        Its structures that go nowhere, each with the reason.
    missing
        Ids of the cases that it has no file for.
    """

    name: str
    kind: str
    scheme: str
    files: str
    required: bool
    absent: str
    silence: bool
    supplies: int
    spaces: tuple[str, ...]
    nowhere: dict[str, str]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a recipe will do.

    Attributes
    ----------
    recipe, atlas, disagreement
        Its name, the scheme of the maps, and what happens where experts disagree.
    rows
        One a structure, background first.
    experts
        Most trusted first.
    cases
        Ids of the cases.
    """

    recipe: str
    atlas: str
    disagreement: str
    rows: tuple[Row, ...]
    experts: tuple[ExpertRow, ...]
    cases: tuple[str, ...]

    @property
    def unsupplied(self) -> tuple[str, ...]:
        """The structures that will be in no map."""
        return tuple(row.structure for row in self.rows if not row.found)

    def as_dict(self) -> dict[str, Any]:
        """Every field under its own name, ready for JSON."""
        document = asdict(self) | {"unsupplied": list(self.unsupplied)}
        for row, told in zip(self.rows, document["rows"], strict=True):
            told["suppliers"] = [
                {"expert": one.expert, "way": one.how.way.value, "sources": list(one.how.sources)}
                for one in row.suppliers
            ]
        return document


def explain_recipe(recipe: Recipe, cases: Sequence[Case] = ()) -> Explanation:
    """Tell what a recipe will do.

    Parameters
    ----------
    recipe
        The recipe.
    cases
        The cases that it finds; of each it is looked up whether the experts' files are there.

    Raises
    ------
    RecipeError
        An expert's scheme has more structures that the atlas divides than there are ids for them.
    """
    atlas = recipe.atlas
    experts = by_trust(recipe)
    supplied = {expert.name: supplies(expert, atlas) for expert in experts}
    found = found_by_any(recipe)
    return Explanation(
        recipe.name,
        atlas.name,
        recipe.merge.disagreement,
        _rows(recipe, supplied),
        tuple(_expert_row(expert, atlas, supplied[expert.name], found, cases) for expert in experts),
        tuple(case.id for case in cases),
    )


def by_trust(recipe: Recipe) -> tuple[ExpertSettings, ...]:
    """The recipe's experts, the one trusted most in general first."""
    order = trust_order(recipe).default
    return tuple(sorted(recipe.experts, key=lambda expert: order.index(expert.name)))


def trust_order(recipe: Recipe) -> TrustOrder:
    """Whom to believe, with every expert in the general order."""
    listed = [expert.name for expert in recipe.experts]
    return TrustOrder(tuple(dict.fromkeys([*(recipe.merge.trust or ()), *listed])), recipe.merge.structures)


def _rows(recipe: Recipe, supplied: dict[str, dict[str, How]]) -> tuple[Row, ...]:
    atlas, order = recipe.atlas, trust_order(recipe)
    ranks = {name: order.ranks(name, atlas).tolist() for name in supplied}
    found = {name for own in supplied.values() for name, how in own.items() if how.finds}
    filled = fills(recipe) | remainders(found, atlas)
    settled = {atlas[name].name for name in recipe.merge.staple}
    return tuple(
        Row(
            structure.id,
            structure.name,
            _suppliers(structure, supplied, ranks),
            filled.get(structure.name, ""),
            structure.name in settled,
        )
        for structure in atlas
    )


def _suppliers(
    structure: Structure, supplied: dict[str, dict[str, How]], ranks: dict[str, list[int]]
) -> tuple[Supplier, ...]:
    """By trust; but who only says a whole is no judge of its parts, whatever the trust in it."""
    own = [Supplier(expert, how[structure.name]) for expert, how in supplied.items() if structure.name in how]
    return tuple(sorted(own, key=lambda one: (not one.how.finds, ranks[one.expert][structure.id])))


def _expert_row(
    expert: ExpertSettings,
    atlas: LabelScheme,
    own: dict[str, How],
    found: frozenset[str],
    cases: Sequence[Case],
) -> ExpertRow:
    scheme = load_scheme(expert.scheme)
    return ExpertRow(
        expert.name,
        expert.kind,
        scheme.name,
        expert.files,
        expert.required,
        scheme.absent.value,
        silence_counts(expert),
        len(own),
        tuple(spaces(expert)),
        goes_nowhere(expert, atlas, found),
        tuple(case.id for case in cases if not expert.inputs(case)),
    )
