"""Who is in the scanner: what differs from one synthetic subject to the next.

The anatomy modules draw one reference body (seated height 873 mm). A subject scales that body,
moves and grows each organ a little, and carries the values that the drawings ask for (fat, fillings, arms).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from dapatlas.labels import Sex
from dapatlas.phantom.parts import Part, Placement

Arms = Literal["down", "up"]

# Draws of different purposes never share a stream, so that adding one leaves the others as they were.
_BUILD, _ORGANS, _STUDY = 1, 2, 3

ORGAN_SHIFT_MM = 1.5
ORGAN_GROWTH = 0.03


@dataclass(frozen=True, slots=True)
class Subject:
    """One synthetic person on one day.

    Attributes
    ----------
    seed
        The person; two studies of one person share it.
    study
        0 for the first study; others differ in fillings, breathing and place on the couch.
    sex, arms
        As the drawings need them.
    scale
        Size against the reference body along x, y, z.
    fat
        Thickness of the fat under the skin against the reference.
    bladder, stomach
        Filling against the reference, as a linear growth.
    offset
        Where the body lies on the couch against the reference, mm.
    """

    seed: int
    study: int
    sex: Sex
    arms: Arms
    scale: tuple[float, float, float]
    fat: float
    bladder: float
    stomach: float
    offset: tuple[float, float, float]

    @property
    def male(self) -> bool:
        """Whether male-only structures are drawn."""
        return self.sex is Sex.MALE

    def body_to_reference(self) -> Placement:
        """Scanner coordinates (mm) to those of the reference body."""
        scale = tuple(1 / s for s in self.scale)
        shift = tuple(-o / s for o, s in zip(self.offset, self.scale, strict=True))
        return Placement(scale, shift)  # type: ignore[arg-type]

    def vary(self, parts: Sequence[Part], times: float = 1.0, growth: float = 1.0) -> list[Part]:
        """Move and grow an organ a little, as this person's is.

        Parameters
        ----------
        parts
            All parts of one organ, or of one pair: they move as one.
        times
            How much more (or less) than usual it may differ.
        growth
            Growth that is already known (a filling), on top of what is drawn.
        """
        name = parts[0].structure.removesuffix("_right")
        draw = np.random.default_rng([_ORGANS, self.seed, *name.encode()])
        low, high = parts[0].form.bounds()
        middle = tuple((a + b) / 2 for a, b in zip(low, high, strict=True))
        shared = times * ORGAN_GROWTH * float(draw.uniform(-1, 1))
        moves: dict[str, Placement] = {}
        for structure in dict.fromkeys(p.structure for p in parts):
            shift = draw.uniform(-1, 1, 3) * ORGAN_SHIFT_MM * times
            factor = 1 / (growth * (1 + shared + 0.3 * times * ORGAN_GROWTH * float(draw.uniform(-1, 1))))
            offset = tuple(m - factor * (m + float(s)) for m, s in zip(middle, shift, strict=True))
            moves[structure] = Placement((factor,) * 3, offset)  # type: ignore[arg-type]
        return [replace(p, placement=moves[p.structure].after(p.placement)) for p in parts]


def make_subject(seed: int, sex: Sex, arms: Arms = "down", study: int = 0) -> Subject:
    """Draw the person of a seed.

    Sitting height is about 89 cm in men and 84 cm in women, as in slim adults; girth and organs vary by a few per
    cent, so that the whole stays within a scan 410 mm wide.
    """
    draw = np.random.default_rng([_BUILD, seed])
    day = np.random.default_rng([_STUDY, seed, study])
    male = sex is Sex.MALE
    tall = (1.025 if male else 0.965) + 0.015 * float(draw.uniform(-1, 1))
    wide = (0.97 if male else 0.94) + 0.01 * float(draw.uniform(-1, 1))
    deep = (0.99 if male else 0.955) + 0.03 * float(draw.uniform(-1, 1))
    return Subject(
        seed=seed,
        study=study,
        sex=sex,
        arms=arms,
        scale=(wide, deep, tall),
        fat=(0.85 if male else 1.1) + 0.2 * float(draw.uniform(-1, 1)),
        bladder=1.0 + 0.12 * float(day.uniform(-1, 1)),
        stomach=1.0 + 0.06 * float(day.uniform(-1, 1)),
        offset=tuple(float(v) for v in day.uniform(-1, 1, 3) * (1.0, 4.0, 0.0)),  # type: ignore[arg-type]
    )
