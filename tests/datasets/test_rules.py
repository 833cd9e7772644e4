"""The document of labelled images is true: its rules are the code's, its smallest examples are read."""

import re
from pathlib import Path

import pytest
from PIL import Image

from customlabels.datasets import RULES, Box, Entry, Problem, images_of, open_source, read_line

DOCUMENT = (Path(__file__).parents[2] / "docs/data.md").read_text()


def _block(start: str) -> str:
    """The lines of the first block that begins so, without their indentation."""
    found = re.search(rf"^    {re.escape(start)}.*(\n    .*)*", DOCUMENT, re.MULTILINE)
    assert found
    return re.sub("^    ", "", found[0], flags=re.MULTILINE)


def test_the_table_of_rules_is_the_codes() -> None:
    assert dict(re.findall(r"^\| `([^`]+)` \| (.*) \|$", DOCUMENT, re.MULTILINE)) == RULES


def test_a_problem_names_one_of_the_rules() -> None:
    with pytest.raises(ValueError, match="none of the rules"):
        Problem("warning", "x", None, "unheard-of", "", "")


EXAMPLES = {
    "x.manifest": _block('{"source-ref"').replace("\n", ""),
    "x.json": _block('{"images"'),
    "1.xml": _block("<annotation>"),
    "x.csv": _block("image,label,left"),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_smallest_example_is_read(name: str, tmp_path: Path) -> None:
    Image.new("RGB", (640, 480)).save(tmp_path / "1.jpg")
    (tmp_path / name).write_text(EXAMPLES[name])

    images = images_of(open_source(tmp_path if name.endswith("xml") else tmp_path / name))

    assert images.problems == ()
    [item] = images.items
    boxes = () if name == "x.manifest" else (Box("cat", 10, 20, 300, 200),)
    assert (item.labels, item.boxes) == (("cat",) if not boxes else (), boxes)


def test_the_smallest_example_of_yolo_is_read(tmp_path: Path) -> None:
    lines = _block("data.yaml        train").splitlines()
    (tmp_path / "data.yaml").write_text("\n".join(line[17:] for line in lines[:2]))
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    Image.new("RGB", (640, 480)).save(tmp_path / "images/1.jpg")
    (tmp_path / "labels/1.txt").write_text(lines[3].split(maxsplit=1)[1])

    entry = read_line(next(open_source(tmp_path).lines("photos")), 1)

    assert isinstance(entry, Entry)
    assert [box.label for box in entry.boxes] == ["cat"]
