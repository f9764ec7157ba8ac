"""Aggregation: a recipe and many proposals into one dense map."""

from dapatlas.aggregate.aggregate import Aggregate, aggregate, experts_for
from dapatlas.aggregate.body import body_outline
from dapatlas.aggregate.merge import Claim, TrustOrder, merge
from dapatlas.aggregate.recipe import Recipe, load_recipe
from dapatlas.aggregate.tissues import fill_tissues
from dapatlas.aggregate.translate import translate

__all__ = [
    "Aggregate",
    "Claim",
    "Recipe",
    "TrustOrder",
    "aggregate",
    "body_outline",
    "experts_for",
    "fill_tissues",
    "load_recipe",
    "merge",
    "translate",
]
