"""Splits: which subjects train a model and which test it. Pure; no subject is ever in two parts.

Why no ready-made splitter: scikit-learn's ``StratifiedGroupKFold`` knows folds of equal size and one class a sample,
so that sex, number of studies and field of view would have to be multiplied into classes of which many have one member.
Here each trait is balanced by itself, parts may have any size, and the outcome hangs on no library's random numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.errors import DapatlasError

TRAITS = ("sex", "studies", "fov")
TRAIN, VAL = "train", "val"
MANY_STUDIES = 3  # subjects with this many studies or more are one class

Fold = Mapping[str, tuple[str, ...]]  # part to case ids, sorted


@dataclass(frozen=True, slots=True)
class CaseTraits:
    """What splits know of a case.

    Attributes
    ----------
    case, subject
        Id of the case, and who was scanned.
    sex
        ``F``, ``M`` or ``unknown``.
    fov
        Field of view, as one word for all cases that show the same.
    """

    case: str
    subject: str
    sex: str = "unknown"
    fov: str = "unknown"


@dataclass(frozen=True, slots=True)
class Splits:
    """One or more ways to deal out the cases.

    Attributes
    ----------
    folds
        Of a cross-validation as many as it has folds, with the parts ``train`` and ``val``; of fractions one.
    method
        ``stratified``, ``stable`` or ``imported``.
    seed
        What it was drawn from; ``None`` for an imported one.
    stratified_by
        Traits that were balanced.
    """

    folds: tuple[Fold, ...]
    method: str
    seed: int | None = None
    stratified_by: tuple[str, ...] = ()

    @property
    def cases(self) -> list[str]:
        """Every case that stands in any part, sorted."""
        return sorted({case for fold in self.folds for cases in fold.values() for case in cases})


def cross_validation(
    traits: Sequence[CaseTraits],
    folds: int = 5,
    seed: int = 0,
    *,
    stable: bool = False,
    stratify: Sequence[str] = TRAITS,
) -> Splits:
    """Deal out the subjects into folds; each fold is the ``val`` of one entry and ``train`` of the others.

    Parameters
    ----------
    traits
        One a case.
    folds
        How many, from 2 on.
    seed
        Another seed, another split; the same seed and traits in any order, the same split.
    stable
        Decide by a hash of subject and seed alone, so that subjects stay where they are when others are added;
        nothing is balanced.
    stratify
        Of :data:`TRAITS`, what to balance; without ``stable``.

    Raises
    ------
    DapatlasError
        Fewer subjects than folds, a trait of no known name, or a fold that would be empty.
    """
    if folds < 2:
        raise DapatlasError(f"a cross-validation needs 2 folds or more, not {folds}")
    names = [str(number) for number in range(folds)]
    placed = _place(traits, dict.fromkeys(names, 1 / folds), seed, stable, stratify)
    return Splits(
        tuple(
            {
                TRAIN: _cases_of(traits, placed, [other for other in names if other != name]),
                VAL: _cases_of(traits, placed, [name]),
            }
            for name in names
        ),
        "stable" if stable else "stratified",
        seed,
        () if stable else tuple(stratify),
    )


def named_parts(
    traits: Sequence[CaseTraits],
    fractions: Mapping[str, float],
    seed: int = 0,
    *,
    stable: bool = False,
    stratify: Sequence[str] = TRAITS,
) -> Splits:
    """Deal out the subjects into named parts, e.g. ``{"train": 0.8, "val": 0.1, "test": 0.1}``.

    With ``stable``, the fractions and their order decide too.

    Parameters
    ----------
    traits
        What is known of every case.
    fractions
        Share of each part, by name; together 1.
    seed, stable, stratify
        As of :func:`cross_validation`.

    Raises
    ------
    DapatlasError
        Fractions that are not positive or do not add up to 1, fewer subjects than parts, or a part that would be empty.
    """
    total = sum(fractions.values())
    if not fractions or min(fractions.values()) <= 0 or abs(total - 1) > 1e-6:
        found = ", ".join(f"{name}={share:g}" for name, share in fractions.items())
        raise DapatlasError(f"fractions must be positive and add up to 1; found {found}, which is {total:g}")
    placed = _place(traits, fractions, seed, stable, stratify)
    fold = {name: _cases_of(traits, placed, [name]) for name in fractions}
    return Splits((fold,), "stable" if stable else "stratified", seed, () if stable else tuple(stratify))


def balance(splits: Splits, traits: Iterable[CaseTraits]) -> list[dict[str, Any]]:
    """What each part holds, ready for JSON: subjects by sex and by number of studies, cases by field of view."""
    by_case = {trait.case: trait for trait in traits}
    studies = Counter(trait.subject for trait in by_case.values())
    rows = []
    for number, fold in enumerate(splits.folds):
        for part, cases in fold.items():
            members = [by_case[case] for case in cases if case in by_case]
            sexes = {trait.subject: trait.sex for trait in members}
            rows.append(
                {
                    "fold": number,
                    "part": part,
                    "cases": len(cases),
                    "subjects": len(sexes),
                    "sex": _counted(sexes.values()),
                    "studies": _counted(_studies_class(studies[subject]) for subject in sexes),
                    "fov": _counted(trait.fov for trait in members),
                }
            )
    return rows


def _counted(words: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))


def _studies_class(number: int) -> str:
    return f"{MANY_STUDIES}+" if number >= MANY_STUDIES else str(number)


def _cases_of(
    traits: Sequence[CaseTraits], placed: Mapping[str, str], parts: Sequence[str]
) -> tuple[str, ...]:
    return tuple(sorted(trait.case for trait in traits if placed[trait.subject] in parts))


def _place(
    traits: Sequence[CaseTraits],
    shares: Mapping[str, float],
    seed: int,
    stable: bool,
    stratify: Sequence[str],
) -> dict[str, str]:
    """Subject to part."""
    strange = [name for name in stratify if name not in TRAITS]
    if strange:
        raise DapatlasError(f"no trait is called {', '.join(strange)}; there are {', '.join(TRAITS)}")
    subjects = sorted({trait.subject for trait in traits})
    if len(subjects) < len(shares):
        raise DapatlasError(
            f"{len(subjects)} subjects cannot fill {len(shares)} parts, for no subject is in two; "
            "ask for fewer parts (`--folds`, `--fractions`), or add cases"
        )
    if not stable:
        return _deal(traits, subjects, shares, seed, stratify)
    placed = {subject: _draw(subject, shares, seed) for subject in subjects}
    empty = [name for name in shares if name not in placed.values()]
    if empty:
        raise DapatlasError(
            f"by the hashes of seed {seed} no subject falls into part {', '.join(empty)}: {len(subjects)} subjects are "
            "few for a stable split; take another seed, larger or fewer parts, or leave --stable out"
        )
    return placed


def _draw(subject: str, shares: Mapping[str, float], seed: int) -> str:
    """The part whose share of [0, 1) a subject's hash falls into; nothing else has a say."""
    place, upto = _hash(subject, seed), 0.0
    for name, share in shares.items():
        upto += share
        if place < upto:
            return name
    return next(reversed(list(shares)))  # shares add up to 1 but for rounding


def _hash(word: str, seed: int) -> float:
    """A number in [0, 1), the same on every machine and in every version."""
    return int.from_bytes(blake2b(f"{seed}\0{word}".encode(), digest_size=6).digest()) / 2**48


def _deal(
    traits: Sequence[CaseTraits],
    subjects: Sequence[str],
    shares: Mapping[str, float],
    seed: int,
    stratify: Sequence[str],
) -> dict[str, str]:
    """Give each subject to the part that wants its traits most, those with the rarest traits first.

    A part's want is Pearson's chi-square: the squared distance from what it ought to have of every trait,
    divided by what it ought to have. After Sechidis et al., "On the stratification of multi-label data" (2011), who
    also begin with the rarest.
    """
    counts = _features(traits, subjects, stratify)
    totals = counts.sum(axis=0)
    ought = np.outer(list(shares.values()), totals)  # [part, feature]
    rarest = np.where(counts > 0, totals, np.inf).min(axis=1)
    order = sorted(range(len(subjects)), key=lambda n: (rarest[n], -counts[n, 0], _hash(subjects[n], seed)))
    names, has, placed = list(shares), np.zeros_like(ought), {}
    luck = np.array([_hash(name, seed) for name in names]) * 1e-9  # settles ties, nothing else
    for position, n in enumerate(order):
        change = ((2 * (has - ought) + counts[n]) * counts[n] / ought).sum(axis=1) + luck
        empty = has[:, 0] == 0
        if empty.sum() == len(order) - position:  # every part gets a subject
            change[~empty] = np.inf
        part = int(change.argmin())
        has[part] += counts[n]
        placed[subjects[n]] = names[part]
    return placed


def _features(
    traits: Sequence[CaseTraits], subjects: Sequence[str], stratify: Sequence[str]
) -> NDArray[np.float64]:
    """[subject, feature]: how many cases, one subject, and one feature a value of each trait."""
    rows = {subject: n for n, subject in enumerate(subjects)}
    of_subject: list[list[CaseTraits]] = [[] for _ in subjects]
    for trait in traits:
        of_subject[rows[trait.subject]].append(trait)
    words: list[Counter[tuple[str, str]]] = []
    for members in of_subject:
        found: Counter[tuple[str, str]] = Counter()
        if "sex" in stratify:
            found["sex", members[0].sex] = 1
        if "studies" in stratify:
            found["studies", _studies_class(len(members))] = 1
        if "fov" in stratify:
            found.update(("fov", member.fov) for member in members)
        words.append(found)
    values = sorted({value for found in words for value in found})
    return np.array(
        [
            [len(members), 1, *(found[value] for value in values)]
            for members, found in zip(of_subject, words, strict=True)
        ],
        np.float64,
    )
