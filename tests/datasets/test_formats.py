"""Formats: each is read as others write it, with its typical faults, and comes back from an export."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from customlabels.datasets import Box, Entry, Images, check, export, images_of, open_source, read_line
from customlabels.errors import InvalidInput

WIDTH, HEIGHT = 100, 80


def _picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 10, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((WIDTH, HEIGHT)).save(path)


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def _entries(path: Path) -> dict[str, tuple[tuple[str, ...], tuple[Box, ...]]]:
    """Labels and boxes by key, of the lines that have no errors."""
    read = [read_line(line, 1) for line in open_source(path).lines("photos")]
    assert all(isinstance(entry, Entry) and not entry.errors for entry in read), read
    return {
        entry.source_ref.removeprefix("s3://photos/"): (entry.image_labels, entry.boxes)
        for entry in read
        if isinstance(entry, Entry)
    }


CAT = Box("cat", 10, 20, 30, 40)


def _coco(path: Path, **changes: object) -> None:
    document = {
        "images": [
            {"id": 1, "file_name": "a.png", "width": WIDTH, "height": HEIGHT},
            {"id": 2, "file_name": "b.png", "width": WIDTH, "height": HEIGHT},
        ],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "bbox": [10, 20, 30, 40]}],
        "categories": [{"id": 7, "name": "cat"}],
    }
    _text(path, json.dumps(document | changes))


def _coco_beside(root: Path) -> Path:
    _coco(root / "_annotations.coco.json")
    return root


def _coco_apart(root: Path) -> Path:
    (root / "train").mkdir()
    for name in "ab":
        (root / f"{name}.png").rename(root / "train" / f"{name}.png")
    _coco(root / "annotations/instances_train.json")
    return root


def _yolo_yaml(root: Path) -> Path:
    """As exported with a data.yaml, one part."""
    for name in "ab":
        _picture(root / f"train/images/{name}.png")
        (root / f"{name}.png").unlink()
    _text(root / "train/labels/a.txt", "0 0.25 0.5 0.3 0.5\r\n")
    _text(root / "data.yaml", "train: ../train/images\nnames: [cat, dog]\n")
    return root


def _yolo_images_first(root: Path) -> Path:
    for name in "ab":
        _picture(root / f"images/train/{name}.png")
        (root / f"{name}.png").unlink()
    _text(root / "labels/train/a.txt", "\ufeff1 0.1 0.25 0.4 0.25 0.4 0.75 0.1 0.75\n")  # a polygon
    _text(root / "labels/train/b.txt", "")
    _text(root / "classes.txt", "dog\r\ncat\r\n")
    return root / "images/train"


def _voc(root: Path) -> Path:
    box = "<bndbox><xmin>10</xmin><ymin>20</ymin><xmax>40</xmax><ymax>60</ymax></bndbox>"
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"
    thing = f"<object><name>cat</name>{box}</object>"
    _text(root / "a.xml", f"\ufeff<annotation><filename>a.png</filename>{size}{thing}</annotation>")
    _text(root / "b.xml", "<annotation><filename>C:\\photos\\b.png</filename></annotation>")
    return root


def _csv_sides(root: Path) -> Path:
    _text(root / "labels.csv", "\ufeffImage;Label;x;y;w;h\r\na.png;cat;10;20;30;40\r\n\r\nb.png;;;;;\r\n")
    return root


def _csv_corners(root: Path) -> Path:
    """As the object detection tools of TensorFlow write it."""
    row = f"{WIDTH},{HEIGHT},cat,10,20,40,60"
    _text(root / "t.csv", f"filename,width,height,class,xmin,ymin,xmax,ymax\na.png,{row}\nb.png,9,9,,,,,\n")
    return root / "t.csv"


def _csv_bare(root: Path) -> Path:
    _text(root / "t.csv", "a.png,cat,10,20,30,40\nb.png,,,,,")
    return root / "t.csv"


BOXES: dict[str, Callable[[Path], Path]] = {
    each.__name__.strip("_"): each
    for each in (
        _coco_beside,
        _coco_apart,
        _yolo_yaml,
        _yolo_images_first,
        _voc,
        _csv_sides,
        _csv_corners,
        _csv_bare,
    )
}


@pytest.mark.parametrize("layout", BOXES)
def test_boxes_of_every_layout_are_read_alike(layout: str, tmp_path: Path) -> None:
    _picture(tmp_path / "a.png")
    _picture(tmp_path / "b.png", 1)

    path = BOXES[layout](tmp_path)

    assert _entries(path) == {"a.png": ((), (CAT,)), "b.png": ((), ())}
    assert check([path]).errors == ()


def test_coco_without_boxes_labels_whole_images(tmp_path: Path) -> None:
    annotations = [
        {"image_id": 1, "category_id": 7},
        {"image_id": 2, "category_id": 7},
        {"image_id": 2, "category_id": 8},
    ]
    _coco(
        tmp_path / "x.json",
        annotations=annotations,
        categories=[{"id": 7, "name": "cat"}, {"id": 8, "name": "猫"}],
    )

    assert _entries(tmp_path / "x.json") == {"a.png": (("cat",), ()), "b.png": (("cat", "猫"), ())}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("image,label\na.png,cat\nb.png,\n", {"a.png": ("cat",), "b.png": ()}),
        ("label\tfile_name\ncat|dog\ta.png\n", {"a.png": ("cat", "dog")}),
        ("a.png,cat\na.png,dog\na.png,cat\n", {"a.png": ("cat", "dog")}),
        ('image,labels\n"a, b.png","cat; big dog"', {"a, b.png": ("cat", "big dog")}),
    ],
)
def test_tables_label_whole_images(text: str, expected: Mapping[str, object], tmp_path: Path) -> None:
    _text(tmp_path / "t.csv", text)

    assert {key: labels for key, (labels, _boxes) in _entries(tmp_path / "t.csv").items()} == expected


FAULTS: dict[str, tuple[str, str, str]] = {
    "a class without a name": (
        "labels/a.txt",
        "0 .5 .5 .1 .1\n9 .5 .5 .1 .1",
        r"a.txt:2: class 9 has no name",
    ),
    "pixels for shares": ("labels/a.txt", "0 50 50 10 10", r"a.txt:1: the numbers are shares of the image"),
    "words": ("labels/a.txt", "cat .5 .5 .1 .1", r"a.txt:1: 'cat .5 .5 .1 .1' is not numbers alone"),
    "too few numbers": ("labels/a.txt", "0 .5 .5", r"a.txt:1: a line has a class and 4 numbers"),
    "a text without an image": ("labels/c.txt", "0 .5 .5 .1 .1", r"c.txt: there is no image of this name"),
    "an entity": (
        "a.xml",
        '<!DOCTYPE x [<!ENTITY a "b">]><annotation/>',
        r"a.xml: a document type or an entity",
    ),
    "no XML": ("a.xml", "<annotation>\n<oops", r"a.xml:2: it is not XML"),
    "XML of no image": (
        "z.xml",
        "<annotation><filename>gone.jpg</filename></annotation>",
        r"'gone.jpg' is not there",
    ),
    "an object without a name": (
        "a.xml",
        "<annotation><object/></annotation>",
        r"a.xml: object 1 has no name",
    ),
    "a broken box": (
        "a.xml",
        "<annotation><object><name>a</name><bndbox><xmin>x</xmin></bndbox></object></annotation>",
        r"object 1: bndbox needs numbers xmin, ymin, xmax, ymax",
    ),
    "a path that leads out": (
        "t.csv",
        "image,label\n../a.png,cat\nb.png,cat\n",
        r"t.csv:2: '../a.png' is not a path",
    ),
    "a box of words": (
        "t.csv",
        "image,label,x,y,w,h\na.png,cat,1,2,wide,4\n",
        r"t.csv:2: a box needs four numbers",
    ),
    "a box without a label": (
        "t.csv",
        "image,label,x,y,w,h\na.png,,1,2,3,4\n",
        r"t.csv:2: a box needs one label",
    ),
    "an image that is not there": (
        "t.csv",
        "image,label\na.png,cat\nb.png,dog\ngone.png,dog\n",
        r"t.csv:4: .*gone.png",
    ),
    "a box outside": (
        "t.csv",
        "image,label,x,y,w,h\na.png,cat,90,2,30,4\n",
        r"t.csv:2: a.png: .* off frame values",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_told_with_its_place(fault: str, tmp_path: Path) -> None:
    name, text, message = FAULTS[fault]
    yolo = name.startswith("labels")
    for seed, image in enumerate(("a.png", "b.png")):
        _picture(tmp_path / ("images" if yolo else "") / image, seed)
    if yolo:
        _text(tmp_path / "data.yaml", "names: {0: cat}\n")
    if name.endswith("xml"):
        _text(tmp_path / "b.xml", "<annotation><object><name>cat</name></object></annotation>")
    _text(tmp_path / name, text)

    findings = check([tmp_path])

    assert [problem for problem in findings.unusable if re.search(message, str(problem))], findings.problems


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"annotations": [{"image_id": 9, "category_id": 7}]}, "annotations[0]: there is no image 9"),
        ({"annotations": [{"image_id": 1, "category_id": 9}]}, "annotations[0]: there is no category 9"),
        ({"annotations": [{"image_id": 1, "category_id": 7, "bbox": [1, 2, "3", 4]}]}, "is not [left, top"),
        ({"annotations": ["oops"]}, "annotations[0]: it needs image_id and category_id"),
        (
            {"images": [{"id": 1, "file_name": "a.png"}, {"id": 3, "file_name": "/etc/x.png"}]},
            "'/etc/x.png' is not a path",
        ),
        (
            {"images": [{"id": 1, "file_name": "a.png"}, {"id": 3}]},
            "1 images have no id of their own or no file_name",
        ),
    ],
)
def test_each_fault_of_coco_is_told(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    _coco(tmp_path / "x.json", **changes)

    assert any(message in str(problem) for problem in open_source(tmp_path / "x.json").problems)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.json", '{"images": []}', "is not COCO: it needs lists named images"),
        ("x.json", "{", "is not JSON"),
        ("t.csv", "", "is empty"),
        ("t.csv", "colour,size\nred,1\n", "its first row 'colour,size' has no columns `image` and `label`"),
        ("data.yaml", "train: images\n", "it has no `names`"),
        ("data.yaml", "names: [a\n", "is not YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_the_reason(name: str, text: str, message: str, tmp_path: Path) -> None:
    _text(tmp_path / name, text)

    with pytest.raises(InvalidInput, match=re.escape(message)):
        open_source(tmp_path / name)


def test_several_parts_are_named(tmp_path: Path) -> None:
    for part in ("train", "val"):
        _picture(tmp_path / f"images/{part}/a.png")
        _text(tmp_path / f"labels/{part}/a.txt", "0 .5 .5 .1 .1")
    _text(tmp_path / "data.yaml", "train: images/train\nval: images/val\nnames: [cat]\n")

    for path in (tmp_path, tmp_path / "data.yaml"):
        with pytest.raises(
            InvalidInput, match=r"several parts; name each of them alone: .*images/train and .*images/val"
        ):
            open_source(path)


def test_rounding_at_the_border_is_cut_off(tmp_path: Path) -> None:
    _picture(tmp_path / "a.png")
    _text(tmp_path / "t.csv", "image,label,x,y,w,h\na.png,cat,-0.4,70,50,10.6\n")

    assert _entries(tmp_path / "t.csv")["a.png"][1] == (Box("cat", 0, 70, 49.6, 10),)


# ---------------------------------------------------------------- there and back

LABELS = st.sampled_from(["cat", "big dog", "猫", "Größe & <Maß>", "a'b\"c", "0"])


@st.composite
def _drawn_boxes(draw: st.DrawFn) -> Box:
    left, top = draw(st.integers(0, WIDTH - 3)), draw(st.integers(0, HEIGHT - 3))
    width, height = draw(st.integers(2, WIDTH - left)), draw(st.integers(2, HEIGHT - top))
    return Box(draw(LABELS), left, top, width, height)


WHOLE = st.lists(st.lists(LABELS, min_size=1, max_size=3, unique=True), min_size=1, max_size=4)
BOXED = st.lists(st.lists(_drawn_boxes(), max_size=3), min_size=1, max_size=4).filter(any)


def _images(root: Path, name: Callable[[int], str], said: list[dict[str, object]]) -> Images:
    """A manifest of images with these labels or boxes, read."""
    from customlabels.datasets.items import Item, item_lines

    items = [Item(name(at), ("", None), **each) for at, each in enumerate(said)]  # type: ignore[arg-type]
    for seed, item in enumerate(items):
        _picture(root / item.key, seed)
    _text(root / "x.manifest", "".join(f"{line}\n" for line in item_lines(items, "")))
    return images_of(open_source(root / "x.manifest"))


def _said(path: Path) -> list[tuple[str, list[str], list[tuple[object, ...]]]]:
    return sorted(
        (
            Path(key).name,
            sorted(labels),
            sorted((b.label, *(round(x, 2) for x in (b.left, b.top, b.width, b.height))) for b in boxes),
        )
        for key, (labels, boxes) in _entries(path).items()
    )


def _there_and_back(root: Path, images: Images, form: str) -> None:
    assert images.problems == ()
    export(images, form, root / "first")
    again = images_of(open_source(root / "first"))
    assert again.problems == ()
    export(again, form, root / "second")
    assert _said(root / "x.manifest") == _said(root / "first") == _said(root / "second")


NAMES: Callable[[int], str] = "ü/{}#1 %.png".format
PROPERTY = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("form", ["manifest", "coco", "voc", "csv"])
@PROPERTY
@given(said=WHOLE)
def test_labels_come_back_from_every_format(
    form: str, said: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("labels")

    _there_and_back(root, _images(root, NAMES, [{"labels": tuple(labels)} for labels in said]), form)


@pytest.mark.parametrize("form", ["manifest", "coco", "yolo", "voc", "csv"])
@PROPERTY
@given(said=BOXED)
def test_boxes_come_back_from_every_format(
    form: str, said: list[list[Box]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root, frame = tmp_path_factory.mktemp("boxes"), (WIDTH, HEIGHT)

    _there_and_back(
        root, _images(root, NAMES, [{"boxes": tuple(boxes), "frame": frame} for boxes in said]), form
    )


def test_folders_come_back(tmp_path: Path) -> None:
    images = _images(tmp_path, "{}.png".format, [{"labels": ("cat",)}, {"labels": ("big dog",)}])

    export(images, "folders", tmp_path / "first")

    assert _entries(tmp_path / "first") == {"cat/0.png": (("cat",), ()), "big dog/1.png": (("big dog",), ())}


@pytest.mark.parametrize(
    ("form", "said", "message"),
    [
        ("yolo", {"labels": ("cat",)}, "YOLO has boxes only"),
        ("folders", {"labels": ("cat", "dog")}, "folders say one label an image; it has 2"),
        ("folders", {"labels": ("../cat",)}, "cannot be the name of a folder"),
        ("csv", {"labels": ("a;b",)}, "cannot stand in CSV"),
        ("zip", {"labels": ("cat",)}, "'zip' is no format; there are: manifest, coco"),
    ],
)
def test_what_a_format_cannot_say_is_refused_and_nothing_written(
    form: str, said: dict[str, object], message: str, tmp_path: Path
) -> None:
    images = _images(tmp_path, "{}.png".format, [said])

    with pytest.raises(InvalidInput, match=re.escape(message)):
        export(images, form, tmp_path / "out")

    assert not (tmp_path / "out").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.png", "x.manifest"]


def test_two_images_never_share_one_text_file(tmp_path: Path) -> None:
    frame = (WIDTH, HEIGHT)
    images = _images(tmp_path, ["a.png", "a.jpg"].__getitem__, [{"boxes": (CAT,), "frame": frame}] * 2)

    with pytest.raises(InvalidInput, match="would get the same file a; rename one"):
        export(images, "yolo", tmp_path / "out")


def test_an_export_takes_the_place_of_nothing(tmp_path: Path) -> None:
    images = _images(tmp_path, "{}.png".format, [{"labels": ("cat",)}])
    _text(tmp_path / "out/mine.txt", "mine")

    with pytest.raises(InvalidInput, match="is there already; name a new folder"):
        export(images, "csv", tmp_path / "out")

    assert (tmp_path / "out/mine.txt").read_text() == "mine"
