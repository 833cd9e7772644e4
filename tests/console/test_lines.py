"""Lines of a data set as the desk writes them."""

import json

import pytest

from customlabels.console.lines import entry_of, new_line, relabelled, shown
from customlabels.errors import ServiceError

REF = "s3://bucket/a.png"
DATE = "2026-01-02T03:04:05.000000"
BOXES = [["cat", 10, 20, 30, 40], ["dog", 0, 0, 5, 5], ["cat", 1, 1, 9, 9]]


def test_labels_and_boxes_are_read_back_as_they_were_given() -> None:
    line = relabelled(new_line(REF, ["old"], DATE), ["cat", "small"], BOXES, [100, 80], DATE)

    assert shown(entry_of(line)) == {
        "ref": REF,
        "labels": ["cat", "small"],
        "boxes": BOXES,
        "size": (100, 80),
        "errors": [],
    }


def test_what_else_a_line_holds_is_kept() -> None:
    line = json.dumps({"source-ref": REF, "taken-by": "camera 7", "place": {"x": 1}})

    changed = json.loads(relabelled(line, ["cat"], [], None, DATE))

    assert (changed["taken-by"], changed["place"]) == ("camera 7", {"x": 1})


def test_an_image_without_any_label_is_unlabelled_again() -> None:
    assert json.loads(relabelled(new_line(REF, ["old"], DATE), [], [], None, DATE)) == {"source-ref": REF}


@pytest.mark.parametrize(
    ("box", "words"), [(["cat", 90, 0, 20, 10], "off frame"), (["x" * 300, 0, 0, 9, 9], "longer than 256")]
)
def test_what_no_line_may_hold_is_refused_in_words(box: list[object], words: str) -> None:
    with pytest.raises(ServiceError, match=words):
        relabelled(new_line(REF, [], DATE), [], [box], [100, 80], DATE)
