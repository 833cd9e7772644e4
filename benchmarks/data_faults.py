"""Faults put into data on purpose, and how many of them are found: copies, leaked test images, wrong labels.

    python benchmarks/data_faults.py [SET...]

Each line is one kind of fault in one data set: how many were put in, the share of these that was found
(recall), and the share of what was told that is one of them (precision). Real data has copies of its own;
what was told before anything was put in is shown first and not counted as false. Data sets that are not
beside this repository are skipped.

Wrong labels are looked for, as the report does, by what had not learned from an image: among those that a
short training held out (of a large set 15 %), and among all, by what the handcrafted features say of each
image that is left out. Recall is of all wrong labels; "first" is the precision among the most doubtful ones,
which the report shows.
"""

import json
import sys
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from customlabels.datasets import near_duplicates
from customlabels.images import ImageLimits, decode, fingerprint, leaks
from customlabels.pipeline.report_advice import suspected
from customlabels.training import TrainingSpec, train, write_sample

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
REAL = ("clothing", "cards", "cells")
SAMPLES = ("labels", "digits")
COPIED, LEAKED = 0.1, 0.05  # of the images
FLIPPED, FLIPPED_SETS, FLIPPED_SECONDS = 0.1, ("clothing", "digits"), 40.0
FIRST = 24  # of the suspects
SEED = 7


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
            if name in FLIPPED_SETS:
                measure_wrong_labels(name, place, Path(folder) / f"{name}-wrong")


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
        budget_seconds=FLIPPED_SECONDS,
    )
    train(spec, lambda _: None, lambda: False)
    record = json.loads((folder / f"TrainingRecord-{name}-wrong.json").read_text())
    wrong = {f"s3://images/{files['train'][at].relative_to(place)}" for at in changed}
    for kind, told in (("held out", {**record, "LeftOut": {}}), ("all", record)):
        looked_at, found = suspected(told)
        suspects = {looked_at[suspect.image] for suspect in found}
        both = len(suspects & wrong)
        first = len({looked_at[suspect.image] for suspect in found[:FIRST]} & wrong) / min(FIRST, len(found))
        fault = f"wrong label, {kind} ({len(looked_at)}); first {FIRST}: {first:.2f}"
        recall, precision = both / len(wrong), both / max(1, len(suspects))
        print(f"{name:10} {fault:44} {len(wrong):>7} {recall:>7.3f} {precision:>9.3f}", flush=True)


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
