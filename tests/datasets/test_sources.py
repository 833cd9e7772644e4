"""Sources: folders and manifests become the same lines at each reading."""

import json
import os
import re
from pathlib import Path

import pytest
from tests.datasets.lines import image_line

from customlabels.datasets import Entry, bucket_name, open_source, read_folder, read_line
from customlabels.errors import InvalidInput
from customlabels.storage import Objects


def _files(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"pixels")


def test_a_folder_gives_each_image_its_first_level_as_label(tmp_path: Path) -> None:
    _files(tmp_path, "dog/1.PNG", "cat/b%20 #1?.jpg", "cat/garden/ü.jpeg", ".git/x.jpg", "cat/.thumb.jpg")

    images, problems = read_folder(tmp_path)

    assert images == (("cat/b%20 #1?.jpg", "cat"), ("cat/garden/ü.jpeg", "cat"), ("dog/1.PNG", "dog"))
    assert problems == ()


def test_what_is_left_out_of_a_folder_is_said(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    _files(photos, "cat/1.jpg", "cat/notes.txt", "loose.jpg")
    (photos / "empty").mkdir()
    _files(tmp_path, "elsewhere/secret.jpg")
    (photos / "cat/link.jpg").symlink_to(tmp_path / "elsewhere/secret.jpg")
    (photos / "cat/broken.jpg").symlink_to(tmp_path / "nothing")
    (photos / "linked").symlink_to(tmp_path / "elsewhere")
    os.close(os.open(os.fsencode(photos / "cat") + b"/caf\xe9.jpg", os.O_CREAT))

    images, problems = read_folder(photos)

    assert images == (("cat/1.jpg", "cat"),)
    assert {(Path(problem.file).name, problem.message) for problem in problems} == {
        ("broken.jpg", "a link that leads out of the folder or to nothing"),
        ("link.jpg", "a link that leads out of the folder or to nothing"),
        ("caf\\xe9.jpg", "not named in UTF-8"),
        ("notes.txt", "not an image by its name"),
        ("linked", "a linked folder"),
        ("loose.jpg", "in no label's folder"),
        ("empty", "a label without images"),
        ("linked", "a label without images"),
    }


def test_a_folders_lines_name_objects_that_are_there(tmp_path: Path) -> None:
    _files(tmp_path, "dog/1.png", "cat/b%20 #1?.jpg")
    source = open_source(tmp_path)
    objects = Objects({"photos": source.root}.get)

    read = [read_line(line, 1) for line in source.lines("photos")]

    assert [entry.labels for entry in read if isinstance(entry, Entry) and not entry.errors] == [
        ("cat",),
        ("dog",),
    ]
    refs = [json.loads(line)["source-ref"] for line in source.lines("photos")]
    assert refs == [f"s3://photos/{info.key}" for info in objects.list("photos")]


def test_the_lines_tell_names_and_labels_and_not_their_place(tmp_path: Path) -> None:
    _files(tmp_path, "one/cat/1.jpg", "one/dog/1.jpg", "two/cat/1.jpg", "two/dog/1.jpg")
    first, second = (list(open_source(tmp_path / name).lines("photos")) for name in ("one", "two"))
    _files(tmp_path, "two/cat/2.jpg")

    assert first == second != list(open_source(tmp_path / "two").lines("photos"))


def test_a_manifests_addresses_are_made_whole(tmp_path: Path) -> None:
    refs = ["train/a b#1.jpg", "./b.jpg", "x/../c.jpg", "s3://other/d.jpg", "../e.jpg", "/f.jpg", "", 7]
    text = "\ufeff" + "".join(json.dumps({"n": 1, "source-ref": ref}) + "\r\n" for ref in refs) + "oops"
    (tmp_path / "train.manifest").write_text(text, newline="")

    source = open_source(tmp_path / "train.manifest")

    *lines, last = source.lines("photos")
    whole = ["s3://photos/train/a b#1.jpg", "s3://photos/b.jpg", "s3://photos/c.jpg", "s3://other/d.jpg"]
    assert [json.loads(line)["source-ref"] for line in lines] == [*whole, "../e.jpg", "/f.jpg", "", 7]
    assert list(json.loads(lines[0])) == ["n", "source-ref"]
    assert last == "oops"
    assert (source.kind, source.root) == ("manifest", tmp_path.resolve())


@pytest.mark.parametrize(
    ("files", "name", "message"),
    [
        ([], "absent", "absent does not exist"),
        (
            ["notes.txt"],
            "",
            "has no images in folders named for their labels; looked for: a folder of images",
        ),
        (["data.yaml"], "", "has no `names`"),
        (["1.jpg", "1.xml"], "", "was read as Pascal VOC and has no images; the first problem"),
        (
            ["images/1.jpg", "labels/1.txt"],
            "",
            "the classes have no names; looked for data.yaml and classes.txt",
        ),
        (["labels.csv"], "labels.csv", "its first row 'pixels' has no columns `image` and `label`"),
        (["instances.json"], "instances.json", "is not JSON"),
        (["a.xml"], "a.xml", "name its folder"),
        (["a.zip"], "a.zip", "unpack it"),
        (["1.jpg"], "1.jpg", "is one image"),
        (["1.jpg"], "", "has no images in folders named for their labels"),
        (["Train/cat/1.jpg", "test/cat/1.jpg"], "", "holds parts of the data, not labels"),
    ],
)
def test_what_is_not_read_is_named_with_what_is(
    files: list[str], name: str, message: str, tmp_path: Path
) -> None:
    _files(tmp_path, *files)

    with pytest.raises(InvalidInput, match=re.escape(message)):
        open_source(tmp_path / name)


def test_a_manifest_is_known_by_its_first_line_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "lines.json").write_text(image_line("a.jpg", "cat"))

    assert open_source(tmp_path / "lines.json").kind == "manifest"


@pytest.mark.parametrize("name", ["photos", "Größe & Maß", "猫", "x" * 200, "-a-", "a..b"])
def test_a_buckets_name_is_valid_and_tells_folders_apart(name: str, tmp_path: Path) -> None:
    here, there = tmp_path / "here" / name, tmp_path / "there" / name

    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", bucket_name(here))
    assert bucket_name(here) == bucket_name(here / ".." / name) != bucket_name(there)
