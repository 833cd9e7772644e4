"""Charts: what is drawn where, one well-formed document, and names that cannot leave their place."""

from xml.etree import ElementTree

import pytest

from customlabels.drawing import Axis, Figure, Line, confusion_chart, interval_chart, line_chart

SVG = "{http://www.w3.org/2000/svg}"
SHARES = Axis("recall", 0, 1)
HOSTILE = "<script>alert(1)</script>\" onload='x' & \x1b]0;\ufffe"


def texts(drawn: str) -> list[str]:
    return ["".join(element.itertext()) for element in ElementTree.fromstring(drawn).iter(f"{SVG}text")]


def test_a_line_runs_from_the_foot_of_its_axes_to_their_end() -> None:
    drawn = line_chart("t", [Line("one", [(0, 0), (1, 1)])], SHARES, SHARES)

    line = ElementTree.fromstring(drawn).find(f"{SVG}polyline")

    assert line is not None
    assert line.get("points") == "44.0,210.0 348.0,10.0"


def test_what_lies_beyond_an_axis_is_drawn_at_its_end() -> None:
    drawn = line_chart("t", [Line("one", [(-3, 0.5), (9, 2)])], SHARES, SHARES)

    assert "44.0,110.0 348.0,10.0" in drawn


def test_several_lines_have_a_legend_and_one_has_none() -> None:
    lines = [Line("shirt", [(0, 1)]), Line("hat", [(0, 1)])]

    assert {"shirt", "hat"} <= set(texts(line_chart("t", lines, SHARES, SHARES)))
    assert "shirt" not in texts(line_chart("t", lines[:1], SHARES, SHARES))


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 1234, [0, 500, 1000]),
        (0.013, 0.02, [0.014, 0.016, 0.018, 0.02]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, ticks: list[float]) -> None:
    assert Axis("x", low, high).ticks() == pytest.approx(ticks)


@pytest.mark.parametrize(("low", "high"), [(1, 1), (1, 0), (0, float("inf")), (float("nan"), 1)])
def test_an_axis_without_length_is_refused(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="an axis runs"):
        Axis("x", low, high)


def test_a_figure_says_its_value_and_its_interval() -> None:
    drawn = interval_chart("t", [Figure("hat", 0.9, 0.8, 0.95, below=True)], SHARES, bound=0.85)

    assert "<title>hat: 0.900, interval 0.800 to 0.950</title>" in drawn
    assert 'class="dot below"' in drawn
    assert 'class="bound"' in drawn


def linked(counts: dict[tuple[str, str], int], labels: list[str]) -> ElementTree.Element:
    """A matrix whose cells lead to #truth-found."""
    drawn = confusion_chart("t", counts, labels, "images", lambda pair: "#" + "-".join(pair))
    return ElementTree.fromstring(drawn)


def test_a_cell_leads_to_its_images_and_an_empty_one_nowhere() -> None:
    root = linked({("hat", "hat"): 3, ("hat", "bag"): 1, ("bag", ""): 2}, ["hat", "bag"])

    links = [(link.get("href"), link.get("aria-label")) for link in root.findall(f"{SVG}a")]
    assert links == [
        ("#hat-hat", "3 images of hat, found as hat"),
        ("#hat-bag", "1 images of hat, found as bag"),
        ("#bag-", "2 images of bag, found as nothing"),
    ]
    assert len(root.findall(f"{SVG}g")) == 3
    assert root.get("role") == "group"


def test_what_was_found_where_nothing_is_has_a_row_and_of_many_labels_the_most_confused_are_shown() -> None:
    labels = [f"label {number:02}" for number in range(40)]
    root = linked(
        {(label, label): 9 for label in labels} | {("", "label 39"): 1, ("label 38", ""): 1}, labels
    )

    names = [text.text for text in root.findall(f"{SVG}text") if text.get("class") == "said"]
    assert len(names) == 2 * 25
    assert {"label 38", "label 39", "(nothing)", "(not there)"} <= set(names)


@pytest.mark.parametrize(
    "drawn",
    [
        line_chart(HOSTILE, [Line(HOSTILE, [(0, 0)]), Line("b", [])], Axis(HOSTILE, 0, 1), SHARES),
        interval_chart(HOSTILE, [Figure(HOSTILE, 0.5)], SHARES),
        confusion_chart(HOSTILE, {(HOSTILE, HOSTILE): 1}, [HOSTILE], HOSTILE, lambda _: "#" + HOSTILE),
    ],
    ids=["lines", "intervals", "matrix"],
)
def test_a_hostile_name_stays_a_text(drawn: str) -> None:
    root = ElementTree.fromstring(drawn)

    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "style", "line", "text", "circle", "polyline", "title", "a", "g", "rect"}
    assert not [name for element in root.iter() for name in element.attrib if name.startswith("on")]


def test_the_same_numbers_draw_the_same_bytes() -> None:
    figures = [Figure("hat", 0.9, 0.8, 0.95)]

    assert interval_chart("t", figures, SHARES) == interval_chart("t", figures, SHARES)
