"""The choice of the test set: a fifth, every label on both sides, always the same."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customlabels.datasets import ManifestFileError, chosen_for_test

LABELS = st.lists(st.sampled_from("abcdefg"), max_size=1)


def entries(labels: list[list[str]]) -> dict[int, tuple[str, tuple[str, ...]]]:
    return {at: (f"s3://images/{at}.png", tuple(each)) for at, each in enumerate(labels, start=1)}


def sides(labels: list[list[str]], chosen: set[int]) -> tuple[Counter[str], Counter[str]]:
    tested = Counter(label for at, each in enumerate(labels, 1) for label in each if at in chosen)
    return Counter(label for each in labels for label in each) - tested, tested


@given(st.lists(LABELS, min_size=2, max_size=80).filter(lambda x: max(Counter(map(str, x)).values()) > 1))
def test_every_label_of_two_images_is_on_both_sides(labels: list[list[str]]) -> None:
    counts = Counter(label for each in labels for label in each)
    if max(counts.values(), default=0) < 2:
        return

    trained, tested = sides(labels, chosen_for_test(entries(labels)))

    assert all(trained[label] and tested[label] for label, count in counts.items() if count > 1)


def test_a_fifth_of_the_entries_is_chosen_and_a_fifth_of_each_label() -> None:
    labels = [["a"]] * 70 + [["b"]] * 28 + [["c"]] * 7 + [[]] * 15

    chosen = chosen_for_test(entries(labels))
    _trained, tested = sides(labels, chosen)

    assert len(chosen) == 24
    assert tested["a"] == 14
    assert tested["b"] in (5, 6)
    assert tested["c"] in (1, 2)


def test_several_labels_of_an_image_go_the_same_way_and_are_shared_out() -> None:
    labels = [["sky", "sea"], ["sky", "sand"], ["sea", "sand"], ["sky"], ["sea"], ["sand"]] * 5

    chosen = chosen_for_test(entries(labels))
    trained, tested = sides(labels, chosen)

    assert len(chosen) == 6
    assert all(2 <= tested[label] <= 4 for label in ("sky", "sea", "sand"))
    assert min(trained.values()) >= 11


def test_the_choice_does_not_depend_on_the_order_of_the_lines() -> None:
    found = entries([["a"]] * 10 + [["b"]] * 10)
    turned = {21 - at: value for at, value in found.items()}

    assert {found[at][0] for at in chosen_for_test(found)} == {
        turned[at][0] for at in chosen_for_test(turned)
    }
    assert chosen_for_test(found) != chosen_for_test(found, seed=1)


@pytest.mark.parametrize("labels", [[], [["a"]], [["a"], ["b"]], [[], []]])
def test_without_a_label_of_two_images_there_is_nothing_to_distribute(labels: list[list[str]]) -> None:
    with pytest.raises(ManifestFileError, match="doesn't have enough labeled images to distribute"):
        chosen_for_test(entries(labels))
