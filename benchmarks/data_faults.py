"""Faults put into data on purpose, and how many of them are found: copies, leaked test images, wrong labels.

    python benchmarks/data_faults.py [SET...]

Each line is one kind of fault in one data set: how many were put in, the share of these that was found
(recall), and the share of what was told that is one of them (precision). Real data has copies of its own;
what was told before anything was put in is shown first and not counted as false. Data sets that are not
beside this repository are skipped.

No fault, but told as one before 2026-11-27: pictures of one camera, an image of the set, before which one to
three things (others of its images, small) lie elsewhere each time. All pairs that are told of them are false.
And what people do who have few images: eight of each, seven of them changed, divided only then.

Wrong labels are looked for, as the report does, by what had not learned from an image: among those that a
short training held out (of a large set 15 %), and among all, by what the handcrafted features say of each
image that is left out. Recall is of all wrong labels; "first" is the precision among the most doubtful ones,
which the report shows. Of boxes a tenth is taken away, given another label, or moved by 30 to 60 % of a side;
recall and precision are of those in images that were held out.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance

from customlabels.datasets import near_duplicates
from customlabels.evaluation import LEAST_OVERLAP, NOTHING, Suspect, overlaps
from customlabels.images import ImageLimits, decode, fingerprint, leaks
from customlabels.pipeline.report_advice import suspected
from customlabels.training import TrainingSpec, train, write_sample

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
REAL = ("clothing", "cards", "cells")
SAMPLES = ("labels", "digits")
COPIED, LEAKED = 0.1, 0.05  # of the images
EACH, SOURCES = 8, 200  # of an image, changed; images that are made more
FRAMES, THING = 240, (0.05, 0.35)  # of one camera; side of a thing, of the scene's shorter one
FLIPPED, FLIPPED_SETS, FLIPPED_SECONDS = 0.1, ("clothing", "digits"), 40.0
FIRST = 24  # of the suspects
BOXED, BOXED_SECONDS = {"cells": "{}.manifest", "cards": "{}-boxes.manifest"}, 240.0
SEED = 7

Fault = tuple[str, str, list[list[float]]]  # image, kind, corners before and after


def main() -> None:
    """Print the table."""
    import tempfile

    wanted = sys.argv[1:] or [*REAL, *SAMPLES]
    print(f"{'data':10} {'fault':44} {'put in':>7} {'recall':>7} {'precision':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for name in wanted:
            place = DATA / name
            if name in SAMPLES:
                place = Path(folder) / name
                write_sample(name, place, "samples")
            if not place.exists():
                print(f"{name:10} not beside this repository: skipped")
                continue
            train, test = (_read(place / part) for part in ("train", "test"))
            measure(name, train, test)
            measure_one_camera(name, train)
            measure_divided_late(name, train)
            if name in FLIPPED_SETS:
                measure_wrong_labels(name, place, Path(folder) / f"{name}-wrong")
            if name in BOXED:
                measure_wrong_boxes(name, place, Path(folder) / f"{name}-wrong")


def measure_wrong_labels(name: str, place: Path, folder: Path) -> None:
    """Change a tenth of the training labels to another one, train, and see which are suspected."""
    random = np.random.default_rng(SEED)
    files = {part: sorted(file for file in (place / part).glob("*/*")) for part in ("train", "test")}
    labels = sorted({file.parent.name for file in files["train"]})
    given = {file: file.parent.name for part in files.values() for file in part}
    changed = random.choice(len(files["train"]), round(FLIPPED * len(files["train"])), replace=False)
    for at in changed:
        others = [label for label in labels if label != given[files["train"][at]]]
        given[files["train"][at]] = str(random.choice(others))
    folder.mkdir()
    for part, images in files.items():
        lines = [_line(f"s3://images/{file.relative_to(place)}", given[file]) for file in images]
        (folder / f"{part}.manifest").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    record = _trained(name, place, folder, FLIPPED_SECONDS)
    wrong = {f"s3://images/{files['train'][at].relative_to(place)}" for at in changed}
    for kind, told in (("held out", {**record, "LeftOut": {}}), ("all", record)):
        looked_at, found = suspected(told)
        suspects = {looked_at[suspect.image] for suspect in found}
        both = len(suspects & wrong)
        first = len({looked_at[suspect.image] for suspect in found[:FIRST]} & wrong) / min(FIRST, len(found))
        fault = f"wrong label, {kind} ({len(looked_at)}); first {FIRST}: {first:.2f}"
        recall, precision = both / len(wrong), both / max(1, len(suspects))
        print(f"{name:10} {fault:44} {len(wrong):>7} {recall:>7.3f} {precision:>9.3f}", flush=True)


def measure_wrong_boxes(name: str, place: Path, folder: Path) -> None:
    """Change a tenth of the training set's boxes, train, and see which are suspected."""
    random, faults = np.random.default_rng(SEED), list[Fault]()
    folder.mkdir()
    for part in ("train", "test"):
        text = (place / BOXED[name].format(part)).read_text()
        lines = [json.loads(line) for line in text.splitlines() if line]
        names = dict(pair for line in lines for pair in line["bounding-box-metadata"]["class-map"].items())
        for line in lines:
            line["source-ref"] = f"s3://images/{line['source-ref']}"
            if part == "train":
                faults += _spoiled(line, names, random)
        (folder / f"{part}.manifest").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    record = _trained(name, place, folder, BOXED_SECONDS)
    images, found = suspected(record)
    wanted = [fault for fault in faults if fault[0] in set(images)]

    def caught(suspect: Suspect) -> set[int]:
        return {
            number
            for number, (image, _kind, boxes) in enumerate(wanted)
            if image == images[suspect.image]
            and overlaps(np.array([suspect.corners]), np.array(boxes)).max() >= LEAST_OVERLAP
        }

    told = [caught(suspect) for suspect in found]
    first = np.mean([bool(each) for each in told[:FIRST]]) if told else 0.0
    kinds = {
        "missing box": lambda each: each.given == NOTHING,
        "wrong label": lambda each: NOTHING not in (each.given, each.likely) and each.given != each.likely,
        "misplaced": lambda each: each.given == each.likely,
    }
    for kind, is_it in {"wrong box, of any kind": lambda _: True, **kinds}.items():
        mine = [each for suspect, each in zip(found, told, strict=True) if is_it(suspect)]
        there = {
            number for number, fault in enumerate(wanted) if kind in (fault[1], "wrong box, of any kind")
        }
        recall = len(there & set().union(*mine)) / max(1, len(there))
        precision = sum(map(bool, mine)) / max(1, len(mine))
        fault = f"{kind} ({len(images)} images, {len(mine)} told)"
        fault += f"; first {FIRST}: {first:.2f}" if kind not in kinds else ""
        print(f"{name:10} {fault:44} {len(there):>7} {recall:>7.3f} {precision:>9.3f}", flush=True)


def _spoiled(line: dict[str, Any], names: dict[str, str], random: np.random.Generator) -> Iterator[Fault]:
    """Change some boxes of a line; of each the image, the kind, and where it was and is."""
    value, metadata = line["bounding-box"], line["bounding-box-metadata"]
    size, kept = value["image_size"][0], []
    for box in value["annotations"]:
        before = dict(box)
        kind = (
            str(random.choice(["missing box", "wrong label", "misplaced"])) if random.random() < 0.1 else ""
        )
        if kind == "wrong label":
            box["class_id"] = int(random.choice(sorted(set(names) - {str(box["class_id"])})))
            metadata["class-map"][str(box["class_id"])] = names[str(box["class_id"])]
        if kind == "misplaced":
            angle, far = random.uniform(0, 2 * np.pi), random.uniform(0.3, 0.6)
            for side, length, by in (("left", "width", np.cos(angle)), ("top", "height", np.sin(angle))):
                moved = box[side] + far * by * box[length]
                box[side] = int(np.clip(moved, 0, size[length] - box[length]))
        if kind:
            yield line["source-ref"], kind, [_corners(each, size) for each in (before, box)]
        kept += [box] if kind != "missing box" else []
    value["annotations"], metadata["objects"] = kept, [{"confidence": 1}] * len(kept)


def _corners(box: dict[str, float], size: dict[str, float]) -> list[float]:
    sides = (box["left"], box["top"], box["left"] + box["width"], box["top"] + box["height"])
    return [side / size[length] for side, length in zip(sides, ("width", "height") * 2, strict=True)]


def _trained(name: str, place: Path, folder: Path, seconds: float) -> dict[str, Any]:
    """The record of a training on the manifests in the folder."""
    spec = TrainingSpec(
        work_folder=folder / "work",
        train_manifest=folder / "train.manifest",
        test_manifest=folder / "test.manifest",
        buckets={"images": place, "output": folder},
        output_bucket="output",
        output_prefix="",
        project_name=name,
        version_name="wrong",
        version_arn=f"arn:aws:rekognition:us-east-1:123456789012:project/{name}/version/wrong/1",
        budget_seconds=seconds,
    )
    train(spec, lambda _: None, lambda: False)
    told: dict[str, Any] = json.loads((folder / f"TrainingRecord-{name}-wrong.json").read_text())
    return told


def _line(reference: str, label: str) -> dict[str, object]:
    metadata = {"class-name": label, "confidence": 1, "type": "groundtruth/image-classification"}
    metadata |= {"human-annotated": "yes", "creation-date": "2026-01-01T00:00:00"}
    return {"source-ref": reference, "label": 0, "label-metadata": metadata}


def _read(folder: Path) -> dict[str, bytes]:
    files = sorted(file for file in folder.rglob("*") if file.suffix in (".jpg", ".png"))
    return {str(file.relative_to(folder.parent)): file.read_bytes() for file in files}


def measure(name: str, train: dict[str, bytes], test: dict[str, bytes]) -> None:
    """Put in one kind of fault after the other."""
    everything = {**train, **test}
    before = _pairs(everything)
    print(f"{name:10} {'(told before anything was put in)':44} {len(before):>7}")
    print(f"{name:10} {'(leaks told before, as the gate)':44} {len(_leaks(train, test)):>7}")
    for kind, change in CHANGES.items():
        random = np.random.default_rng(SEED)
        copies = _copies(everything, COPIED, change, random, "copy")
        _show(name, f"near duplicate: {kind}", _pairs({**everything, **copies}) - before, copies)
    for kind, change in {"same bytes": _same, **CHANGES}.items():
        random = np.random.default_rng(SEED + 1)
        leaked = _copies(train, LEAKED * len(test) / len(train), change, random, "test/leak")
        told = {pair for pair in _pairs({**everything, **leaked}) - before if len(_sides(pair)) == 2}
        _show(name, f"leaked test image, as `check` tells: {kind}", told, leaked)
        if change is not _same:
            _show(name, f"leaked test image, as the gate: {kind}", _leaks(train, {**test, **leaked}), leaked)


def measure_one_camera(name: str, images: dict[str, bytes]) -> None:
    """Tell how many pairs of pictures of one scene are called copies."""
    random, (scene, *others) = np.random.default_rng(SEED), [decode(data) for data in images.values()]
    frames = {}
    for number in range(FRAMES):
        shot = ImageEnhance.Brightness(scene).enhance(random.uniform(0.92, 1.08))
        for _ in range(int(random.integers(1, 4))):
            side = round(random.uniform(*THING) * min(scene.size))
            thing = others[random.integers(len(others))].resize((side, side))
            shot.paste(thing, tuple(random.integers(0, np.subtract(scene.size, side) + 1).tolist()))
        frames[str(number)] = _stored(shot, 85)
    print(f"{name:10} {'one camera, things moved (pairs told)':44} {len(_pairs(frames)):>7}", flush=True)


def measure_divided_late(name: str, images: dict[str, bytes]) -> None:
    """Make more of each image, test with a fifth of all, and tell which share of it is found as leaked."""
    random, changes = np.random.default_rng(SEED), [*CHANGES.values()]
    sources = [images[key] for key in sorted(images)[:: max(1, len(images) // SOURCES)]]
    more = {
        f"{number}/{turn}": changes[turn % len(changes)](data, random) if turn else data
        for number, data in enumerate(sources)
        for turn in range(EACH)
    }
    tested = set(random.permutation(list(more))[: len(more) // 5].tolist())
    train, test = ({key: more[key] for key in more if (key in tested) == side} for side in (False, True))
    told = _leaks(train, test)
    right = [pair for pair in told if len(_sides(pair)) == 1]  # of one image
    found = {key for pair in right for key in pair & tested}
    shown = f"{len(tested):>7} {len(found) / len(tested):>7.3f} {len(right) / max(1, len(told)):>9.3f}"
    print(f"{name:10} {'leaked: made eight of each, then divided':44} {shown}", flush=True)


def _pairs(images: dict[str, bytes]) -> set[frozenset[str]]:
    return {frozenset((first, second)) for first, second, _ in near_duplicates(images.items())}


def _leaks(train: dict[str, bytes], test: dict[str, bytes]) -> set[frozenset[str]]:
    """As ForbidLeakage tells, apart from equal bytes."""
    cut = ImageLimits(min_side=1)  # of small images a crop is less than a training takes
    prints = [
        np.stack([fingerprint(decode(data, cut, at_least=64)) for data in part.values()])
        for part in (train, test)
    ]
    names = list(train), list(test)
    return {frozenset((names[0][pair.first], names[1][pair.second])) for pair in leaks(*prints)}


def _sides(pair: Iterable[str]) -> set[str]:
    return {place.partition("/")[0] for place in pair}


def _copies(
    images: dict[str, bytes],
    share: float,
    change: Callable[[bytes, np.random.Generator], bytes],
    random: np.random.Generator,
    prefix: str,
) -> dict[str, bytes]:
    chosen = random.choice(sorted(images), max(1, round(share * len(images))), replace=False)
    return {f"{prefix}:{key}": change(images[key], random) for key in chosen.tolist()}


def _show(name: str, fault: str, told: set[frozenset[str]], copies: dict[str, bytes]) -> None:
    true = {frozenset((copy, copy.partition(":")[2])) for copy in copies}
    # Its original's own copies in the real data are copies of it as well.
    right = {pair for pair in told if pair in true}
    recall, precision = len(right) / len(true), len(right) / max(1, len(told))
    print(f"{name:10} {fault:44} {len(true):>7} {recall:>7.3f} {precision:>9.3f}", flush=True)


# ---------------------------------------------------------------- what is done to a copy


def _stored(image: Image.Image, quality: int = 90) -> bytes:
    out = BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _same(data: bytes, _random: np.random.Generator) -> bytes:
    return data


def _cropped(data: bytes, random: np.random.Generator) -> bytes:
    """80 to 98 % of each side, anywhere."""
    image = decode(data)
    shares, (width, height) = random.uniform(0.8, 0.98, 2), image.size
    left, top = random.uniform(0, 1 - shares)
    box = (left * width, top * height, (left + shares[0]) * width, (top + shares[1]) * height)
    return _stored(image.crop(tuple(map(round, box))))


def _brightened(data: bytes, random: np.random.Generator) -> bytes:
    """Brightness 0.6 to 1.5 times, contrast 0.7 to 1.3 times."""
    image = ImageEnhance.Brightness(decode(data)).enhance(random.uniform(0.6, 1.5))
    return _stored(ImageEnhance.Contrast(image).enhance(random.uniform(0.7, 1.3)))


def _reencoded(data: bytes, random: np.random.Generator) -> bytes:
    """0.5 to 1.2 times as large, JPEG quality 20 to 70."""
    image, scale = decode(data), random.uniform(0.5, 1.2)
    size = max(64, round(image.width * scale)), max(64, round(image.height * scale))
    return _stored(image.resize(size), int(random.integers(20, 71)))


CHANGES: dict[str, Callable[[bytes, np.random.Generator], bytes]] = {
    "crop": _cropped,
    "brightness and contrast": _brightened,
    "smaller, stored anew": _reencoded,
}

if __name__ == "__main__":
    main()
