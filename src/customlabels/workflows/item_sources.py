"""Where the items of a distributed Map come from: objects, and lists of objects.

Layer: workflows. Objects are read piece by piece; only a JSON document is held as a whole.
"""

import gzip
import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from customlabels.asl import inventory, items_of, reader_failed
from customlabels.storage import ObjectInfo, Objects, StorageError

LARGEST_DOCUMENT = 256 * 2**20  # bytes of a JSON document or a part of an inventory, which are held in memory
TAKEN = {
    "getObject": {"Bucket", "Key", "ExpectedBucketOwner"},
    "listObjectsV2": {"Bucket", "Prefix", "ExpectedBucketOwner"},
}


def read(objects: Objects, plan: dict[str, Any]) -> Iterator[Any]:
    """The items of a plan's Reader. Raises Failure of the name States.ItemReaderFailed."""
    said = plan["Reader"]
    action = said["Resource"].rpartition(":")[2]
    parameters = said["Parameters"]
    unknown = set(parameters) - TAKEN[action]
    if unknown or "Bucket" not in parameters or (action == "getObject" and "Key" not in parameters):
        known = ", ".join(sorted(TAKEN[action]))
        raise reader_failed(f"The parameters of the ItemReader are {sorted(parameters)}; it takes {known}")
    try:
        if action == "listObjectsV2":
            listed = objects.list(parameters["Bucket"], parameters.get("Prefix", ""))
            found: Iterator[Any] = map(_listed, listed)
        elif said["Config"]["InputType"] == "MANIFEST":
            found = _inventoried(objects, parameters)
        else:
            found = items_of(_lines(objects, parameters, said["Config"]), said["Config"], said["MaxItems"])
        yield from islice(found, said["MaxItems"] or None)
    except StorageError as error:
        raise reader_failed(str(error)) from error


def _lines(objects: Objects, parameters: dict[str, str], config: dict[str, Any]) -> Iterator[bytes]:
    bucket, key = parameters["Bucket"], parameters["Key"]
    if config["InputType"] == "JSON":
        yield objects.read(bucket, key, limit=LARGEST_DOCUMENT)
    else:
        yield from (line.removesuffix(b"\r") for line in objects.lines(bucket, key))


def _listed(info: ObjectInfo) -> dict[str, Any]:
    return {
        "Etag": f'"{info.etag}"',
        "Key": info.key,
        "LastModified": int(info.modified),
        "Size": info.size,
        "StorageClass": "STANDARD",
    }


def _inventoried(objects: Objects, parameters: dict[str, str]) -> Iterator[Any]:
    bucket = parameters["Bucket"]
    try:
        manifest = json.loads(objects.read(bucket, parameters["Key"], limit=LARGEST_DOCUMENT))
    except ValueError as error:
        raise reader_failed(f"The manifest is not valid JSON: {error}") from None
    keys, config = inventory(manifest)
    for key in keys:
        try:
            content = gzip.decompress(objects.read(bucket, key, limit=LARGEST_DOCUMENT))
        except (OSError, EOFError) as error:
            raise reader_failed(f"s3://{bucket}/{key}: not compressed with gzip: {error}") from None
        yield from items_of(content.splitlines(), config, None)
