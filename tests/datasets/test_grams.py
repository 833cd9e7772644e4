"""Grams: what a text has is never denied, and what it lacks nearly always."""

import random
import uuid

from hypothesis import given
from hypothesis import strategies as st

from customlabels.datasets.grams import grams_of, may_contain

TEXT = st.text(st.characters(codec="utf-8"), max_size=40)


@given(before=TEXT, text=TEXT.filter(bool), after=TEXT)
def test_what_a_text_contains_may_be_in_it(before: str, text: str, after: str) -> None:
    assert may_contain(grams_of(before + text + after), text)


@given(TEXT.filter(bool))
def test_anything_may_be_in_the_blocks_of_older_records(text: str) -> None:
    assert may_contain(b"", text)


def test_of_a_thousand_random_addresses_hardly_any_other_is_thought_to_be_one() -> None:
    chance = random.Random(1)

    def address() -> str:
        return f"s3://photos/{uuid.UUID(int=chance.getrandbits(128))}.jpg"

    grams = grams_of("\n".join(address() for _ in range(1000)))

    assert len(grams) == 8224
    assert not may_contain(grams, "Z")
    assert sum(may_contain(grams, address()[12:30]) for _ in range(1000)) < 10
