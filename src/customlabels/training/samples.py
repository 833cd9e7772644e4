"""Sample data to try the whole pipeline with: scikit-learn's handwritten digits as image files.

Layer: training. scikit-learn ships the 1,797 scans, so nothing is downloaded. It is imported only when
asked for.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from customlabels.errors import InvalidInput
from customlabels.training.plan import held_out_part

__all__ = ["SampleError", "write_digits"]

SIZE = 64  # pixels a side: the service takes no smaller image
TEST_SHARE = 0.25  # of each digit
METADATA = {
    "confidence": 1,
    "type": "groundtruth/image-classification",
    "job-name": "labeling-job/digits",
    "human-annotated": "yes",
    "creation-date": "2026-01-01T00:00:00.000000",  # fixed: the same call writes the same bytes
}


class SampleError(InvalidInput):
    """The sample cannot be written; the text says why and what to do."""


def write_digits(folder: Path, bucket: str, *, seed: int = 0) -> Mapping[str, int]:
    """Write folder/train/<label>/*.png, folder/test/<label>/*.png, train.manifest and test.manifest.

    bucket: the name in the manifests' s3:// references; register `folder` under it     seed: of the split
    Returns the number of images by set ("train", "test"). `folder` must not exist, or be empty: it appears
    whole or not at all. Raises SampleError.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SampleError(f"{folder} is there already; name a new folder, or remove it first")
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise SampleError("the digits come with scikit-learn: pip install 'customlabels[train]'") from error
    found = load_digits()
    test = held_out_part(found.target, TEST_SHARE, seed)
    sets = {"train": np.setdiff1d(np.arange(len(found.target)), test), "test": test}
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(beside, ignore_errors=True)  # of an earlier process with our number
    try:
        for name, places in sets.items():
            lines = []
            for at in places:
                digit = int(found.target[at])
                key = f"{name}/{digit}/{at:04d}.png"
                _write_scan(beside / key, found.images[at])
                metadata = {"class-name": str(digit), **METADATA}
                line = {"source-ref": f"s3://{bucket}/{key}", "digit": digit, "digit-metadata": metadata}
                lines.append(json.dumps(line) + "\n")
            (beside / f"{name}.manifest").write_text("".join(lines), encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        beside.rename(folder)
    except OSError as error:
        raise SampleError(f"{folder} cannot be written: {error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return {name: len(places) for name, places in sets.items()}


def _write_scan(path: Path, scan: NDArray[np.float64]) -> None:
    """Dark ink on white, enlarged smoothly. scan: (8, 8) ink, 0..16"""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = (255 - scan * (255 / 16)).round().astype(np.uint8)
    Image.fromarray(pixels).resize((SIZE, SIZE), Image.Resampling.BICUBIC).save(path)
