"""Sample data to try the whole pipeline with: scikit-learn's handwritten digits as image files.

Layer: training. scikit-learn ships the 1,797 scans, so nothing is downloaded; it is imported only when asked
    for.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from customlabels.errors import InvalidInput

__all__ = ["SampleError", "write_digits"]

CREATED = "2026-01-01T00:00:00.000000"  # fixed: the same call writes the same bytes
SMALLEST_SIZE = 64  # pixels; the service takes no smaller image


class SampleError(InvalidInput):
    """The sample cannot be written; the text says why and what to do."""


def write_digits(
    folder: Path, bucket: str, *, size: int = 64, seed: int = 0, test_share: float = 0.25
) -> Mapping[str, int]:
    """Write folder/train/<label>/*.png, folder/test/<label>/*.png, train.manifest and test.manifest.

    bucket: the name in the manifests' s3:// references; register `folder` under it
    size: pixels a side     test_share: of each label, 0..1; the split depends on seed alone
    Returns the number of images by set ("train", "test"). `folder` must not exist, or be empty: it appears
    whole or not at all. Raises SampleError.
    """
    if size < SMALLEST_SIZE:
        raise SampleError(f"size {size}: an image needs at least {SMALLEST_SIZE} pixels a side")
    if not 0 < test_share < 1:
        raise SampleError(f"test_share {test_share}: a number between 0 and 1")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SampleError(f"{folder} is there already; name a new folder, or remove it first")
    scans, digits = _scans()
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(beside, ignore_errors=True)  # of an earlier process with our number
    try:
        counts = {}
        for name, places in _split(digits, seed, test_share).items():
            lines = [_written(beside, f"{name}/{digits[at]}/{at:04d}.png", scans[at], size) for at in places]
            labelled = zip(lines, digits[places], strict=True)
            manifest = "".join(_line(f"s3://{bucket}/{key}", int(digit)) for key, digit in labelled)
            (beside / f"{name}.manifest").write_text(manifest, encoding="utf-8")
            counts[name] = len(places)
        if folder.exists():
            folder.rmdir()
        beside.rename(folder)
    except OSError as error:
        raise SampleError(f"{folder} cannot be written: {error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return counts


def _scans() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(images, 8, 8) ink 0..16, and which digit each shows."""
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise SampleError("the digits come with scikit-learn: pip install 'customlabels[train]'") from error
    found = load_digits()
    return found.images, found.target


def _split(digits: NDArray[np.int64], seed: int, test_share: float) -> Mapping[str, NDArray[np.int64]]:
    """Indices of the two sets, the same share of every digit in each."""
    random = np.random.default_rng(seed)
    test = np.concatenate(list(_test_part(digits, random, test_share)))
    return {"train": np.setdiff1d(np.arange(len(digits)), test), "test": np.sort(test)}


def _test_part(
    digits: NDArray[np.int64], random: np.random.Generator, share: float
) -> Iterator[NDArray[np.int64]]:
    for digit in np.unique(digits):
        places = random.permutation(np.flatnonzero(digits == digit))
        yield places[: round(share * len(places))]


def _written(root: Path, key: str, scan: NDArray[np.float64], size: int) -> str:
    """Write one scan, dark ink on white, enlarged smoothly; returns its key."""
    path = root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = (255 - scan * (255 / 16)).round().astype(np.uint8)
    Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC).save(path)
    return key


def _line(reference: str, digit: int) -> str:
    """A Ground Truth image-classification line."""
    metadata = {
        "class-name": str(digit),
        "confidence": 1,
        "type": "groundtruth/image-classification",
        "job-name": "labeling-job/digits",
        "human-annotated": "yes",
        "creation-date": CREATED,
    }
    return json.dumps({"source-ref": reference, "digit": digit, "digit-metadata": metadata}) + "\n"
