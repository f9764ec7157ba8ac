"""Fixtures of the refinement tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from spoiled_body import Body

from dapatlas.labels import Sex


@pytest.fixture
def body() -> Callable[..., Body]:
    """Make a body of a sex."""

    def make(sex: Sex = Sex.FEMALE) -> Body:
        return Body(sex)

    return make
