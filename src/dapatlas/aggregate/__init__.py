"""Aggregation: a recipe and many proposals into one dense map."""

from dapatlas.aggregate.aggregate import Aggregate, aggregate, experts_for
from dapatlas.aggregate.body import body_outline
from dapatlas.aggregate.check import check_recipe
from dapatlas.aggregate.claims import Claim
from dapatlas.aggregate.decide import Bench, TrustOrder
from dapatlas.aggregate.explain import explain_recipe
from dapatlas.aggregate.merge import Merged, merge
from dapatlas.aggregate.recipe import Recipe
from dapatlas.aggregate.recipe_file import load_recipe
from dapatlas.aggregate.tissues import fill_tissues
from dapatlas.aggregate.translate import translate
from dapatlas.aggregate.wholes import Wholes, settle_wholes

__all__ = [
    "Aggregate",
    "Bench",
    "Claim",
    "Merged",
    "Recipe",
    "TrustOrder",
    "Wholes",
    "aggregate",
    "body_outline",
    "check_recipe",
    "experts_for",
    "explain_recipe",
    "fill_tissues",
    "load_recipe",
    "merge",
    "settle_wholes",
    "translate",
]
