"""The cases that a recipe names: its CTs, found by a pattern."""

from __future__ import annotations

import re
from pathlib import Path

from dapatlas.aggregate import Recipe
from dapatlas.dataset import Case
from dapatlas.errors import DapatlasError


def find_cases(recipe: Recipe) -> list[Case]:
    """The CTs that a recipe names, as cases in name order.

    Raises
    ------
    DapatlasError
        No CT matches, or ``only`` names a case that is not there.
    """
    pattern = Path(recipe.cts.files)
    cases = sorted(_matching(pattern, recipe), key=lambda case: case.id)
    if not cases:
        raise DapatlasError(
            f"no CT found: the recipe's cts.files expects {pattern}; correct it or pass --cts"
        )
    if recipe.cts.only is not None:
        missing = sorted(set(recipe.cts.only) - {case.id for case in cases})
        if missing:
            raise DapatlasError(
                f"cts.only names {', '.join(missing)}, but the CTs at {pattern} are "
                f"{', '.join(case.id for case in cases[:10])}{' …' if len(cases) > 10 else ''}"
            )
        cases = [case for case in cases if case.id in recipe.cts.only]
    return cases


def _matching(pattern: Path, recipe: Recipe) -> list[Case]:
    if "{case}" not in str(pattern):
        name = pattern.name.removesuffix(".gz").removesuffix(".nii")
        return [Case(name, pattern, None, recipe.atlas)] if pattern.is_file() else []
    head, *tail = str(pattern).split("{case}")
    root = Path(head if head.endswith("/") else Path(head).parent)
    wanted = re.compile(re.escape(head) + r"(?P<case>[^/.][^/]*?)" + "(?P=case)".join(map(re.escape, tail)))
    glob = str(pattern.relative_to(root)).replace("{case}", "*")
    found = ((path, wanted.fullmatch(str(path))) for path in root.glob(glob))
    return [Case(match["case"], path, None, recipe.atlas) for path, match in found if match]
