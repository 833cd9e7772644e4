"""Objects in folders: exact names, nothing outside the bucket, whole or not at all."""

import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customlabels.storage import (
    BucketNotFound,
    ObjectAccessError,
    ObjectNotFound,
    Objects,
    ObjectTooLarge,
    StorageError,
)

# Names that real folders have, and that libraries which think in addresses get wrong.
REAL_NAMES = [
    "a b%20#c?.jpg",
    "Größe Ünïcode/猫 1.png",
    "a#1",
    "100%.jpg",
    "%2e%2e/still here.jpg",
    "tilde~star*[1]{2}|;'\".jpg",
    "back\\slash.jpg",
    "line\nbreak.jpg",
    ".hidden/.file",
    "-dash",
    "..two dots",
    "ends in.customlabels-empty",
    "🐈.jpeg",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bucket").mkdir()
    return tmp_path / "bucket"


@pytest.fixture
def objects(folder: Path) -> Objects:
    return Objects({"photos": folder}.get)


@pytest.mark.parametrize("name", REAL_NAMES)
def test_the_key_of_a_file_is_its_path_exactly(name: str, objects: Objects, folder: Path) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"pixels")

    assert [info.key for info in objects.list("photos")] == [name]
    assert objects.read("photos", name) == b"pixels"
    assert objects.head("photos", name).size == 6


@pytest.mark.parametrize("name", REAL_NAMES)
def test_what_is_written_under_a_key_is_a_file_of_that_name(
    name: str, objects: Objects, folder: Path
) -> None:
    objects.write("photos", name, b"pixels")

    assert (folder / name).read_bytes() == b"pixels"
    assert objects.path("photos", name) == folder / name


@pytest.mark.parametrize(
    "key", ["../secret", "a/../../secret", "..", ".", "./a", "a/./b", "", "é" * 513, "a\udce9"]
)
def test_a_key_that_is_not_one_is_refused_by_every_call(key: str, objects: Objects, folder: Path) -> None:
    (folder.parent / "secret").write_text("not yours")
    calls: list[Callable[[], object]] = [
        lambda: objects.head("photos", key),
        lambda: objects.read("photos", key),
        lambda: list(objects.lines("photos", key)),
        lambda: objects.write("photos", key, b"x"),
        lambda: objects.delete("photos", key),
        lambda: objects.path("photos", key),
    ]

    for call in calls:
        with pytest.raises(ObjectAccessError, match="s3://photos/"):
            call()

    assert (folder.parent / "secret").read_text() == "not yours"


@pytest.mark.parametrize(
    "key", ["link", "linked/secret", "nul\0l", ".customlabels-part-1", "a/.customlabels-empty"]
)
def test_no_link_and_no_odd_key_leads_out_of_the_folder(key: str, objects: Objects, folder: Path) -> None:
    (folder.parent / "secret").write_text("not yours")
    (folder / "link").symlink_to(folder.parent / "secret")
    (folder / "linked").symlink_to(folder.parent)

    with pytest.raises(ObjectAccessError, match="s3://photos/"):
        objects.read("photos", key)
    with pytest.raises(ObjectAccessError, match="s3://photos/"):
        objects.write("photos", key, b"changed")

    assert list(objects.list("photos")) == []
    assert (folder.parent / "secret").read_text() == "not yours"


@pytest.mark.parametrize("key", ["a//b", "folder/", "/etc/passwd", "//", "a//", "folder/deeper//x/"])
def test_a_key_with_empty_parts_is_an_object_inside_the_folder(
    key: str, objects: Objects, folder: Path
) -> None:
    objects.write("photos", key, b"pixels")
    objects.write("photos", "folder/other", b"")

    assert [info.key for info in objects.list("photos")] == sorted([key, "folder/other"])
    assert [info.key for info in objects.list("photos", after=key)] == [
        name for name in ["folder/other"] if name > key
    ]
    assert objects.read("photos", key) == b"pixels"
    objects.delete("photos", key)
    objects.delete("photos", "folder/other")
    assert os.listdir(folder) == []


def test_an_object_and_a_folder_of_one_name_cannot_be(objects: Objects) -> None:
    objects.write("photos", "a/b", b"")

    with pytest.raises(ObjectAccessError, match="objects below a/"):
        objects.write("photos", "a", b"")

    objects.delete("photos", "a/b")
    objects.write("photos", "a", b"")
    with pytest.raises(ObjectAccessError, match="s3://photos/a/b"):
        objects.write("photos", "a/b", b"")


def test_links_inside_the_folder_work_and_loops_do_no_harm(objects: Objects, folder: Path) -> None:
    (folder / "file").write_bytes(b"x")
    (folder / "alias").symlink_to(folder / "file")
    (folder / "around").symlink_to(folder)
    (folder / "loop").symlink_to(folder / "loop")

    assert [info.key for info in objects.list("photos")] == ["alias", "file"]
    assert objects.read("photos", "alias") == b"x"
    with pytest.raises(ObjectAccessError, match="symbolic links"):
        objects.read("photos", "loop")


def test_a_folder_is_not_an_object(objects: Objects, folder: Path) -> None:
    (folder / "train").mkdir()

    held = os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd") else []
    for look in (objects.head, objects.read):
        with pytest.raises(ObjectNotFound, match="s3://photos/train"):
            look("photos", "train")
    assert not held or os.listdir("/proc/self/fd") == held
    with pytest.raises(ObjectAccessError, match="objects below"):
        objects.write("photos", "train", b"x")
    objects.delete("photos", "train")

    assert (folder / "train").is_dir()


def test_an_unknown_bucket_is_no_call_to_aws(objects: Objects) -> None:
    with pytest.raises(BucketNotFound, match="customlabels bucket add holiday FOLDER"):
        objects.read("holiday", "a.jpg")
    with pytest.raises(BucketNotFound):
        objects.list("holiday")


def test_a_folder_that_went_away_is_named(folder: Path) -> None:
    objects = Objects({"usb": folder / "gone"}.get)

    with pytest.raises(ObjectAccessError, match="gone of bucket 'usb' is not there"):
        objects.write("usb", "a.jpg", b"x")

    assert not (folder / "gone").exists()


def test_a_missing_object_is_not_found_but_may_be_deleted(objects: Objects, folder: Path) -> None:
    (folder / "file").write_bytes(b"x")

    for key in ("none.jpg", "none/deeper.jpg", "file/below"):
        with pytest.raises(ObjectNotFound, match=f"s3://photos/{key}"):
            objects.read("photos", key)
        objects.delete("photos", key)


def test_a_read_stops_at_its_limit(objects: Objects) -> None:
    objects.write("photos", "a", b"12345")

    assert objects.read("photos", "a", limit=5) == b"12345"
    with pytest.raises(ObjectTooLarge, match="s3://photos/a has 5 bytes; at most 4"):
        objects.read("photos", "a", limit=4)


def test_the_etag_changes_with_the_object(objects: Objects) -> None:
    objects.write("photos", "a", b"one")
    before = objects.head("photos", "a")
    objects.write("photos", "a", b"two")

    assert objects.head("photos", "a").etag != before.etag
    assert next(iter(objects.list("photos"))) == objects.head("photos", "a")


def test_keys_are_listed_in_their_order_by_prefix(objects: Objects) -> None:
    for key in ("a/b", "a-b", "a.b", "b/c/d", "b/cc", "é", "z"):
        objects.write("photos", key, b"")

    assert [info.key for info in objects.list("photos")] == ["a-b", "a.b", "a/b", "b/c/d", "b/cc", "z", "é"]
    assert [info.key for info in objects.list("photos", "b/c")] == ["b/c/d", "b/cc"]
    assert [info.key for info in objects.list("photos", "../")] == []


def test_a_failed_write_leaves_the_old_object_and_nothing_else(
    objects: Objects, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects.write("photos", "a", b"old")

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="s3://photos/a: No space left on device"):
        objects.write("photos", "a", b"new and long")

    assert os.listdir(folder) == ["a"]
    assert objects.read("photos", "a") == b"old"


def test_an_unfinished_file_of_a_power_cut_is_not_listed_and_swept_later(
    objects: Objects, folder: Path
) -> None:
    parts = [folder / ".customlabels-part-0123", folder / ".customlabels-part-4567"]
    for part in parts:
        part.write_bytes(b"hal")
    os.utime(parts[0], (0, 0))
    os.close(os.open(os.fsencode(folder) + b"/caf\xe9.jpg", os.O_CREAT))

    assert list(objects.list("photos")) == []
    objects.sweep("photos")
    assert [part.exists() for part in parts] == [False, True]


def test_what_is_said_of_an_object_goes_with_it(tmp_path: Path, folder: Path) -> None:
    objects = Objects({"photos": folder}.get, attributes=tmp_path / "attributes")

    def said() -> object:
        opened = objects.open("photos", "a/b")
        opened.close()
        return opened.attributes

    draft = objects.draft("photos", "a/b", {"content-type": "text/x"})
    draft.write(b"one")
    draft.place()
    first = said()
    objects.write("photos", "a/b", b"two")
    second = said()
    objects.delete("photos", "a/b")

    assert (first, second) == ({"content-type": "text/x"}, {})
    assert [file for file in (tmp_path / "attributes").rglob("*") if file.is_file()] == []
    assert os.listdir(folder) == []


def test_an_object_is_not_put_in_place_where_that_is_not_allowed(objects: Objects, folder: Path) -> None:
    objects.write("photos", "a", b"old")

    def refuse(earlier: object) -> None:
        raise StorageError(f"{earlier}")

    draft = objects.draft("photos", "a")
    draft.write(b"new")
    with pytest.raises(StorageError, match="key='a'"):
        draft.place(refuse)

    assert objects.read("photos", "a") == b"old"
    assert os.listdir(folder) == ["a"]


def test_what_is_open_stays_as_it_was(objects: Objects) -> None:
    objects.write("photos", "a", b"old and long")
    opened = objects.open("photos", "a")
    objects.write("photos", "a", b"new")

    assert b"".join(opened.pieces(4, 3)) == b"and"


@settings(max_examples=50)
@given(st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line)), st.integers(1, 7))
def test_lines_come_back_however_the_chunks_are_cut(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], size: int
) -> None:
    folder = tmp_path_factory.mktemp("lines")
    objects = Objects({"b": folder}.get)
    objects.write("b", "k", b"".join(line + b"\n" for line in lines))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("customlabels.storage.buckets.CHUNK", size)
        assert list(objects.lines("b", "k")) == lines


def test_a_line_without_end_is_cut_and_the_next_one_is_whole(objects: Objects) -> None:
    objects.write("photos", "k", b"x" * 3_000_000 + b"\nlast")

    long, last = objects.lines("photos", "k")

    assert (len(long), last) == (1 << 20, b"last")


def test_whoever_deletes_or_lists_while_others_delete_the_last_objects_beside_is_told_nothing(
    objects: Objects,
) -> None:
    with ThreadPoolExecutor(4) as pool:
        for _ in range(40):
            keys = [f"deep/down/{number}" for number in range(4)]
            for key in keys:
                objects.write("photos", key, b"pixels")
            listed = pool.submit(lambda: list(objects.list("photos")))
            list(pool.map(partial(objects.delete, "photos"), keys))

            assert {info.key for info in listed.result()} <= set(keys)
            assert list(objects.list("photos")) == []
