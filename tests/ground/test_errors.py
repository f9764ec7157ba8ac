"""What the endings of messages say."""

from __future__ import annotations

import pytest

from dapatlas.errors import did_you_mean, first_few


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], ""),
        (["liver", "spleen"], "liver, spleen"),
        (range(3), "0, 1 and 1 more"),
        ((word for word in ("a", "b", "c", "d")), "a, b and 2 more"),
    ],
)
def test_the_first_few_and_how_many_more(words: object, said: str):
    assert first_few(words, 2) == said  # type: ignore[arg-type]


def test_what_may_have_been_meant_is_told_only_where_something_is_spelt_alike():
    assert did_you_mean("livr", ["liver", "spleen"]) == "; did you mean liver?"
    assert did_you_mean("femur", ["liver", "spleen"]) == ""
