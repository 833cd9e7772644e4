"""Buckets: folders by name."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Row, delete, insert, select

from customlabels.operations.access import owner_of, require_operator
from customlabels.operations.dispatch import Call, Response, operation, writing
from customlabels.operations.parts import Parts
from customlabels.operations.refusals import in_use, invalid_parameter, not_found
from customlabels.storage import Reading, Records, StorageError, Transaction, schema

BUCKETS_CHANGED = "buckets"  # notified by each transaction that adds or forgets one

log = logging.getLogger(__name__)

buckets, entries = schema.buckets, schema.entries


def folder_of(records: Records) -> Callable[[str], Path | None]:
    """What `Objects` asks: the folder of a bucket, None where none is registered.

    Folders that were asked for are remembered until a bucket is added or forgotten.
    """
    remembered: dict[str, Path] = {}

    def forget() -> None:
        nonlocal remembered
        remembered = {}

    def folder(bucket: str) -> Path | None:
        known = remembered  # before the look: what is old by then is put where nobody looks any more
        if bucket not in known:
            with records.read() as reading:
                found = reading.execute(select(buckets.c.folder).where(buckets.c.name == bucket)).scalar()
            if found is None:
                return None
            known[bucket] = Path(found)
        return known[bucket]

    records.subscribe(BUCKETS_CHANGED, forget)
    return folder


def buckets_of(parts: Parts, account: str) -> tuple[list[Row[Any]], list[str]]:
    """Every bucket that `account` may use, and the names of those of other accounts; by name."""
    with parts.records.read() as reading:
        rows = reading.execute(select(buckets).order_by(buckets.c.name)).all()
    own = [row for row in rows if owner_of(parts, Path(row.folder)) in (None, account)]
    return own, sorted({row.name for row in rows} - {row.name for row in own})


def sweep_buckets(parts: Parts) -> None:
    """Remove what interrupted writes of an earlier server left in the buckets' folders."""
    with parts.records.read() as reading:
        names = list(reading.execute(select(buckets.c.name)).scalars())
    for name in names:
        try:
            parts.objects.sweep(name)
        except StorageError as error:  # a disk that is not connected today
            log.warning("not swept: %s", error)
    parts.uploads.sweep()


@operation("customlabels", "PutBucket")
def put_bucket(call: Call) -> Response:
    """Register a folder under a name; again with the same folder it changes nothing."""
    require_operator(call)
    name, folder = call.params["Name"], Path(call.params["Folder"])
    if not folder.is_absolute() or not folder.is_dir():
        raise invalid_parameter(f"{folder} is not the absolute path of a folder that is there")

    def effect(tx: Transaction) -> Response:
        tx.notify(BUCKETS_CHANGED)
        row = tx.execute(select(buckets).where(buckets.c.name == name)).first()
        if row is not None and Path(row.folder).resolve() != folder.resolve():
            _require_unused(tx, name, row.folder)
            tx.execute(delete(buckets).where(buckets.c.name == name))
            row = None
        if row is None:
            tx.execute(insert(buckets), {"name": name, "folder": str(folder), "created_at": call.now})
        return {"Bucket": _described(tx.execute(select(buckets).where(buckets.c.name == name)).one())}

    return call.write(effect)


@operation("customlabels", "ListBuckets")
def list_buckets(call: Call) -> Response:
    """The caller's buckets, by name."""
    own, _ = buckets_of(call.parts, call.caller.account)
    return {"Buckets": [_described(row) for row in own]}


@writing("customlabels", "DeleteBucket")
def delete_bucket(tx: Transaction, call: Call) -> None:
    """Forget a bucket; its files stay where they are."""
    name = call.params["Name"]
    tx.notify(BUCKETS_CHANGED)
    row = tx.execute(select(buckets).where(buckets.c.name == name)).first()
    if row is None or owner_of(call.parts, Path(row.folder)) not in (None, call.caller.account):
        raise not_found(f"no bucket {name} is registered")
    _require_unused(tx, name, row.folder)
    tx.execute(delete(buckets).where(buckets.c.name == name))


def _described(row: Row[Any]) -> Response:
    return {"Name": row.name, "Folder": row.folder, "CreationTimestamp": row.created_at}


def _require_unused(reading: Reading, name: str, folder: str) -> None:
    """ResourceInUseException while a dataset names images in the bucket: they would not be found again."""
    # All images of a dataset are in one bucket, so one entry of each tells.
    one_image = (
        select(entries.c.source_ref)
        .where(entries.c.revision_id == schema.datasets.c.revision_id)
        .limit(1)
        .correlate(schema.datasets)
        .scalar_subquery()
    )
    for row in reading.execute(select(schema.datasets.c.arn, one_image.label("image"))):
        arn, image = row.arn, row.image
        if image is not None and image[5:].startswith(f"{name}/"):
            raise in_use(f"{arn} has its images in bucket {name} ({folder}); delete it first")
