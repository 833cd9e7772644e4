"""Faults put into data on purpose, and how many of them are found: copies, leaked test images, wrong labels.

    python benchmarks/data_faults.py [SET...]

Each line is one kind of fault in one data set: how many were put in, the share of these that was found
(recall), and the share of what was told that is one of them (precision). Real data has copies of its own;
what was told before anything was put in is shown first and not counted as false. Data sets that are not
beside this repository are skipped.

Wrong labels are looked for, as the report does, among training images that a short training held out: of a
large set 15 %, of a small one all. Recall is of the wrong labels among those, which are told as "put in".
"""

import json
import sys
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from customlabels.datasets import near_duplicates
from customlabels.evaluation import Predictions, suspects
from customlabels.images import decode
from customlabels.training import TrainingSpec, train, write_sample

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
REAL = ("clothing", "cards", "cells")
SAMPLES = ("labels", "digits")
COPIED, LEAKED = 0.1, 0.05  # of the images
FLIPPED, FLIPPED_SETS, FLIPPED_SECONDS = 0.1, ("clothing", "digits"), 40.0
SEED = 7


def main() -> None:
    """Print the table."""
    import tempfile

    wanted = sys.argv[1:] or [*REAL, *SAMPLES]
    print(f"{'data':10} {'fault':34} {'put in':>7} {'recall':>7} {'precision':>9}")
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
    told = json.loads((folder / f"TrainingRecord-{name}-wrong.json").read_text())
    kept, rows = told["OutOfFold"]["Kept"], len(told["OutOfFold"]["Kept"])
    truth = np.zeros((rows, len(labels)), dtype=bool)
    for row, image in enumerate(kept):
        truth[row, image["Truth"]] = True
    found = suspects(Predictions(labels, np.array([each["Scores"] for each in kept]), truth), single=True)
    suspected = {kept[suspect.image]["Image"] for suspect in found}
    wrong = {f"s3://images/{files['train'][at].relative_to(place)}" for at in changed}
    wrong &= {image["Image"] for image in kept}
    both = len(suspected & wrong)
    kind = f"wrong label, among {rows} held out"
    print(
        f"{name:10} {kind:34} {len(wrong):>7} {both / max(1, len(wrong)):>7.2f} "
        f"{both / max(1, len(suspected)):>9.2f}",
        flush=True,
    )


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
    print(f"{name:10} {'(told before anything was put in)':34} {len(before):>7}")
    for kind, change in CHANGES.items():
        random = np.random.default_rng(SEED)
        copies = _copies(everything, COPIED, change, random, "copy")
        _show(name, f"near duplicate: {kind}", _pairs({**everything, **copies}) - before, copies)
    for kind, change in {"same bytes": _same, **CHANGES}.items():
        random = np.random.default_rng(SEED + 1)
        leaked = _copies(train, LEAKED * len(test) / len(train), change, random, "test/leak")
        told = {pair for pair in _pairs({**everything, **leaked}) - before if len(_sides(pair)) == 2}
        _show(name, f"leaked test image: {kind}", told, leaked)


def _pairs(images: dict[str, bytes]) -> set[frozenset[str]]:
    return {frozenset((first, second)) for first, second, _ in near_duplicates(images.items())}


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
    print(f"{name:10} {fault:34} {len(true):>7} {recall:>7.3f} {precision:>9.3f}", flush=True)


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
