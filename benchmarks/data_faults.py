"""Faults put into data on purpose, and how many of them are found: near duplicates and leaked test images.

    python benchmarks/data_faults.py [SET...]

Each line is one kind of fault in one data set: how many were put in, the share of these that was found
(recall), and the share of what was told that is one of them (precision). Real data has copies of its own;
what was told before anything was put in is shown first and not counted as false. Data sets that are not
beside this repository are skipped. Wrong labels are not measured here: they need out-of-fold predictions.
"""

import sys
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from customlabels.datasets import near_duplicates
from customlabels.images import decode
from customlabels.training import write_sample

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
REAL = ("clothing", "cards", "cells")
SAMPLES = ("labels", "digits")
COPIED, LEAKED = 0.1, 0.05  # of the images
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
