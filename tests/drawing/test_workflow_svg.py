"""The picture of a state machine, read back from its SVG."""

from __future__ import annotations

import re
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from customlabels.drawing import STATUSES, workflow_svg
from customlabels.errors import InvalidInput

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / "statemachine" / "workflow.yaml").read_text(encoding="utf-8"))
SVG = "{http://www.w3.org/2000/svg}"
Box = tuple[float, float, float, float]  # left, top, right, bottom


def chain(**states: Any) -> dict[str, Any]:
    """A definition that starts with the first of these states."""
    return {"StartAt": next(iter(states)), "States": states}


class Picture:
    """What stands where in an SVG: boxes by state name, labels, and the lines as polygons of points."""

    def __init__(self, definition: dict[str, Any], statuses: dict[str, str] | None = None) -> None:
        self.text = workflow_svg(definition, statuses)
        self.root = ElementTree.fromstring(self.text)
        self.boxes: dict[str, Box] = {}
        self.depths: dict[str, int] = {}
        self.labels: list[tuple[str, Box]] = []
        self.lines: list[list[tuple[float, float]]] = []
        self.classes: dict[str, set[str]] = {}
        self._read(self.root, 0.0, 0.0, 0)

    def _read(self, element: ElementTree.Element, dx: float, dy: float, depth: int) -> None:
        for child in element:
            moved = re.fullmatch(r"translate\(([\d.-]+) ([\d.-]+)\)", child.get("transform", ""))
            x, y = (dx + float(moved[1]), dy + float(moved[2])) if moved else (dx, dy)
            classes = set((child.get("class") or "").split())
            if child.tag == f"{SVG}g" and not moved:
                name = child.findtext(f"{SVG}text[@class='name']") or ""
                self.boxes[name], self.classes[name], self.depths[name] = (
                    self._box(child, x, y),
                    classes,
                    depth,
                )
            if child.tag == f"{SVG}text" and "label" in classes:
                width, right = 5.2 * len(child.text or ""), x + float(child.get("x", 0))
                bottom = y + float(child.get("y", 0))
                self.labels.append(
                    (child.text or "", (right - width / 2, bottom - 9, right + width / 2, bottom))
                )
            if "line" in classes:
                self.lines.append([(x + a, y + b) for a, b in points_of(child.get("d", ""))])
            self._read(child, x, y, depth + (not moved and child.tag == f"{SVG}g"))

    @staticmethod
    def _box(group: ElementTree.Element, dx: float, dy: float) -> Box:
        shape = next(child for child in group if "box" in (child.get("class") or ""))
        if shape.tag == f"{SVG}polygon":
            points = [tuple(map(float, pair.split(","))) for pair in shape.get("points", "").split()]
            xs, ys = [x for x, _ in points], [y for _, y in points]
            return dx + min(xs), dy + min(ys), dx + max(xs), dy + max(ys)
        left, top = dx + float(shape.get("x", 0)), dy + float(shape.get("y", 0))
        return left, top, left + float(shape.get("width", 0)), top + float(shape.get("height", 0))


def points_of(path: str) -> list[tuple[float, float]]:
    """A line's path (M V C V) as points close together along it."""
    (start,) = re.findall(r"^M([\d.-]+) ([\d.-]+)V([\d.-]+)", path)
    start_x, start_y, bend_y = map(float, start)
    points = [(start_x, start_y), (start_x, bend_y)]
    curve = re.search(r"C([\d. -]+)V([\d.-]+)", path)
    if curve:
        _, _, _, half, x, y = [float(number) for number in curve[1].split()]
        for step in range(1, 11):
            t = step / 10
            a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
            points.append(((a + b) * start_x + (c + d) * x, a * bend_y + (b + c) * half + d * y))
        points.append((x, float(curve[2])))
    return [
        (x1 + (x2 - x1) * step / 8, y1 + (y2 - y1) * step / 8)
        for (x1, y1), (x2, y2) in pairwise(points)
        for step in range(9)
    ]


def overlap(one: Box, other: Box) -> bool:
    """Whether two boxes share more than an edge."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def holds(box: Box, x: float, y: float) -> bool:
    """Whether a point lies inside a box, not on its edge."""
    return box[0] + 1 < x < box[2] - 1 and box[1] + 1 < y < box[3] - 1


def check_nothing_hides(picture: Picture) -> None:
    """No box or label on another, no line through a box without states inside."""
    leaves = {name: box for name, box in picture.boxes.items() if "group" not in picture.classes[name]}
    for (one, box), (other, second) in combinations(picture.boxes.items(), 2):
        assert not overlap(box, second) or picture.depths[one] != picture.depths[other], (one, other)
    for label, area in picture.labels:
        assert not [name for name, box in leaves.items() if overlap(area, box)], label
    for (label, area), (second_label, second) in combinations(picture.labels, 2):
        assert not overlap(area, second), (label, second_label)
    for line in picture.lines:
        for x, y in line:
            inside = [name for name, box in leaves.items() if holds(box, x, y)]
            assert not inside, (inside, x, y)


def test_every_state_of_the_workflow_is_drawn_once_and_nothing_hides() -> None:
    picture = Picture(WORKFLOW)
    inner = [
        name
        for state in WORKFLOW["States"].values()
        for name in state.get("ItemProcessor", {}).get("States", {})
    ]

    assert set(picture.boxes) == set(WORKFLOW["States"]) | set(inner)
    check_nothing_hides(picture)


def test_the_committed_picture_is_what_the_definition_draws() -> None:
    assert (ROOT / "docs" / "workflow.svg").read_text(encoding="utf-8") == workflow_svg(WORKFLOW)


def test_the_same_definition_draws_the_same_bytes() -> None:
    assert workflow_svg(WORKFLOW) == workflow_svg(yaml.safe_load(yaml.safe_dump(WORKFLOW, sort_keys=False)))


def test_a_picture_is_readable_where_a_readme_shows_it() -> None:
    root = Picture(WORKFLOW).root

    assert float(root.get("width", 0)) <= 1000  # a page shrinks what is wider, its text too


def test_a_picture_names_itself_and_its_states_to_those_who_cannot_see_it() -> None:
    root = ElementTree.fromstring(
        workflow_svg(chain(First={"Type": "Pass", "End": True}), {"First": "FAILED"})
    )
    titles = [title.text for title in root.iter(f"{SVG}title")]

    assert root.get("role") == "img"
    assert root.get("aria-label") == titles[0] == "State machine"
    assert titles[1] == "First (Pass, FAILED)"


def test_a_picture_has_a_light_and_a_dark_look() -> None:
    assert "prefers-color-scheme:dark" in workflow_svg(WORKFLOW)


def test_a_state_shows_how_it_fared() -> None:
    definition = chain(
        A={"Type": "Pass", "Next": "B"}, B={"Type": "Pass", "Next": "C"}, C={"Type": "Succeed"}
    )

    picture = Picture(definition, {"A": "SUCCEEDED", "B": "RUNNING"})

    assert {name: picture.classes[name] & set(STATUSES) for name in "ABC"} == {
        "A": {"SUCCEEDED"},
        "B": {"RUNNING"},
        "C": set(),
    }


def test_a_status_that_has_no_look_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'A' has status 'LOST'"):
        workflow_svg(chain(A={"Type": "Succeed"}), {"A": "LOST"})


def test_a_way_for_errors_is_dashed_and_says_which_errors() -> None:
    catch = [{"ErrorEquals": ["Rekognition.LimitExceededException"], "Next": "Late"}]
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
        "Next": "Late",
        "Catch": catch,
    }

    picture = Picture(chain(Call=task, Late={"Type": "Succeed"}))

    assert [label for label, _ in picture.labels] == ["LimitExceeded"]
    assert 'class="line caught"' in picture.text
    assert "s3:getObject" in picture.text


@pytest.mark.parametrize(
    ("rule", "label"),
    [
        ({"Variable": "$.a", "StringEquals": "RUNNING"}, "RUNNING"),
        ({"Variable": "$.a", "NumericGreaterThanEqualsPath": "$.limits.most"}, "≥ most"),
        ({"Variable": "$.a", "NumericLessThan": 3}, "< 3"),
        ({"Variable": "$.a", "IsPresent": True}, "present"),
        ({"Variable": "$.a", "IsPresent": False}, "not present"),
        ({"Variable": "$.a", "BooleanEquals": True}, "true"),
        ({"Not": {"Variable": "$.a", "StringEquals": ""}}, "not empty"),
        (
            {"Or": [{"Variable": "$.a", "StringEquals": "A"}, {"Variable": "$.a", "StringEquals": "B"}]},
            "A or B",
        ),
        ({"And": [{"Variable": "$.a", "StringEquals": "LONG_STATUS"}] * 3}, "LONG_STATUS and LONG_…"),
        ({"Condition": "{% $x > 1 %}"}, "$x > 1"),
        ({"Variable": "$.a", "IsNull": True, "Comment": "said by hand"}, "said by hand"),
    ],
)
def test_a_choices_way_is_labelled_in_few_words(rule: dict[str, Any], label: str) -> None:
    choice = {"Type": "Choice", "Choices": [rule | {"Next": "Yes"}], "Default": "No"}

    picture = Picture(chain(Which=choice, Yes={"Type": "Succeed"}, No={"Type": "Fail"}))

    assert sorted(text for text, _ in picture.labels) == sorted([label, "else"])


def test_a_state_that_leads_to_itself_says_so() -> None:
    choice = {
        "Type": "Choice",
        "Choices": [{"Variable": "$.a", "IsNull": True, "Next": "End"}],
        "Default": "Ask",
    }

    assert "Choice ↻" in workflow_svg(chain(Ask=choice, End={"Type": "Succeed"}))


def test_branches_stand_side_by_side_inside_their_parallel() -> None:
    branches = [chain(L={"Type": "Pass", "End": True}), chain(R={"Type": "Pass", "End": True})]

    picture = Picture(chain(Both={"Type": "Parallel", "Branches": branches, "End": True}))

    left, top, right, bottom = picture.boxes["Both"]
    assert (
        left
        < picture.boxes["L"][0]
        < picture.boxes["L"][2]
        < picture.boxes["R"][0]
        < picture.boxes["R"][2]
        < right
    )
    assert top < picture.boxes["L"][1] < picture.boxes["L"][3] < bottom


def test_names_cannot_break_out_of_the_drawing() -> None:
    name = "<script>\"&'|"

    picture = Picture({"Comment": name, **chain(**{name: {"Type": "Succeed"}})})

    assert "<script>" not in picture.text
    assert name in picture.boxes


@st.composite
def definitions(draw: st.DrawFn) -> dict[str, Any]:
    """Machines with cycles, waits for oneself, choices and catches, in any order."""
    names = [f"State {number}" for number in range(draw(st.integers(1, 9)))]
    target = st.sampled_from(names)
    states: dict[str, Any] = {}
    for name in names:
        if draw(st.booleans()):
            rules = [
                {"Variable": "$.a", "StringEquals": draw(st.text("XY", max_size=9)), "Next": draw(target)}
                for _ in range(draw(st.integers(1, 3)))
            ]
            states[name] = {"Type": "Choice", "Choices": rules, "Default": draw(target)}
        else:
            catch = [
                {"ErrorEquals": ["States.ALL"], "Next": draw(target)} for _ in range(draw(st.integers(0, 1)))
            ]
            states[name] = {"Type": "Task", "Resource": "a:b:c", "Next": draw(target), "Catch": catch}
    return chain(**states)


@settings(max_examples=60, deadline=None)
@given(definitions())
def test_nothing_hides_whatever_the_machine(definition: dict[str, Any]) -> None:
    picture = Picture(definition)

    assert set(picture.boxes) == set(definition["States"])
    check_nothing_hides(picture)
