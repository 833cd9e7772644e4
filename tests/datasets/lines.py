"""Lines of manifests for tests."""

import json

__all__ = ["image_line", "raw"]


def image_line(key: str, label: str, bucket: str = "photos") -> str:
    """A line with one image-level label."""
    metadata = {
        "class-name": label,
        "confidence": 1,
        "type": "groundtruth/image-classification",
        "human-annotated": "yes",
        "creation-date": "2026-01-01T00:00:00",
    }
    return json.dumps({"source-ref": f"s3://{bucket}/{key}", "label": 0, "label-metadata": metadata})


def raw(*lines: str) -> list[bytes]:
    """Lines as a file has them."""
    return [line.encode() for line in lines]
