"""What is wrong with a table, in words; the models are those that users meet, and one with all that may nest."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from dapatlas.table_faults import faults_in_words, keys_of


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Cat(Strict):
    kind: Literal["cat"]
    lives: int = 9


class Dog(Strict):
    kind: Literal["dog"]
    tricks: tuple[str, ...] = ()


class Zoo(Strict):
    town: str
    open_: bool = Field(True, alias="open")
    keeper: Cat | None = None
    animals: list[Annotated[Cat | Dog, Field(discriminator="kind")]] = []

    @field_validator("town")
    @classmethod
    def _is_known(cls, town: str) -> str:
        if town == "Nowhere":
            raise ValueError("there is no such town")
        return town


def told(table: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as error:
        Zoo.model_validate(table)
    return faults_in_words(error.value, Zoo)


def test_every_fault_is_told_with_its_key():
    assert told({"opne": 1, "animals": [{"kind": "dog", "lives": 3}]}) == (
        "town: is missing; animals.0.dog.lives: no such key, known are kind, tricks; opne: no such key; did you mean open?"
    )


def test_a_check_of_ours_speaks_for_itself():
    assert told({"town": "Nowhere"}) == "town: there is no such town"


def test_a_wrong_kind_is_told_in_pydantics_words():
    assert told({"town": 3}) == "town: Input should be a valid string"


@pytest.mark.parametrize(
    ("place", "keys"),
    [
        ((), ["town", "open", "keeper", "animals"]),
        (("keeper",), ["kind", "lives"]),
        (("animals", 4, "dog"), ["kind", "tricks"]),
        (("animals", 4), ["kind", "lives", "tricks"]),  # either of them
        (("town",), []),
        (("no such",), []),
    ],
)
def test_which_keys_a_table_may_have(place: tuple[int | str, ...], keys: list[str]):
    assert keys_of(Zoo, place) == keys
