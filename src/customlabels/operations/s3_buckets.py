"""Buckets in the words of S3: created ones are folders of the home, registered ones stay where they are."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sqlalchemy import delete, insert, select

from customlabels.errors import ServiceError
from customlabels.operations.access import bucket_folder, owner_of
from customlabels.operations.buckets import BUCKETS_CHANGED, buckets_of
from customlabels.operations.dispatch import Call, Response, operation
from customlabels.operations.pages import page_start, page_token
from customlabels.operations.s3_terms import in_s3_codes, own_bucket, require_offered
from customlabels.storage import Transaction, schema, sync

NAME = re.compile(r"(?!\d+\.\d+\.\d+\.\d+$)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
buckets = schema.buckets


@operation("s3", "CreateBucket")
def create_bucket(call: Call) -> Response:
    """A new folder in the home."""
    require_offered(call, "CreateBucketConfiguration", "ObjectOwnership")
    name = call.params["Bucket"]
    if not NAME.fullmatch(name):
        rule = "3 to 63 lower-case letters, digits, dots and hyphens, a letter or digit at both ends"
        raise ServiceError("InvalidBucketName", f"{name!r} is no bucket's name: {rule}")
    wanted = call.params.get("CreateBucketConfiguration", {}).get("LocationConstraint", call.caller.region)
    if wanted != call.caller.region:
        message = f"{wanted} is not the region {call.caller.region} in which you ask"
        raise ServiceError("IllegalLocationConstraintException", message)
    folder = bucket_folder(call.parts, call.caller.account, name)

    def effect(tx: Transaction) -> Response:
        tx.notify(BUCKETS_CHANGED)
        row = tx.execute(select(buckets.c.folder).where(buckets.c.name == name)).first()
        if row is None:
            tx.execute(insert(buckets), {"name": name, "folder": str(folder), "created_at": call.now})
        elif owner_of(call.parts, Path(row.folder)) not in (None, call.caller.account):
            raise ServiceError("BucketAlreadyExists", f"{name} is another account's")
        elif call.caller.region != "us-east-1":  # where S3 lets one's own bucket be created again
            raise ServiceError("BucketAlreadyOwnedByYou", f"{name} is yours already")
        return {"Location": f"/{name}"}

    # First: a row without a folder would be a bucket that cannot be used; a folder without a row is nothing.
    folder.mkdir(parents=True, exist_ok=True)
    for place in (folder.parent, folder.parent.parent, call.parts.home):
        sync(place)
    return call.write(effect)


@operation("s3", "DeleteBucket")
def delete_bucket(call: Call) -> Response:
    """Forget an empty bucket; a folder that was created for it goes too."""
    name = own_bucket(call)
    with in_s3_codes():
        folder = call.parts.objects.require(name)
        if next(call.parts.objects.list(name), None) is not None:
            raise ServiceError("BucketNotEmpty", f"there are objects in {name}; delete them first")
        if folder is None:
            raise ServiceError("NotImplemented", f"{name} lies behind the S3 endpoint; delete it there")
        for upload in call.parts.uploads.open_of(name):
            call.parts.uploads.end(upload)

    def effect(tx: Transaction) -> Response:
        tx.notify(BUCKETS_CHANGED)
        tx.execute(delete(buckets).where(buckets.c.name == name))
        return {}

    answer = call.write(effect)
    if folder == bucket_folder(call.parts, call.caller.account, name):
        for place, _, _ in os.walk(folder, topdown=False):
            try:
                os.rmdir(place)
            except OSError:  # something came meanwhile, or lies there that is no object: it stays
                break
    return answer


@operation("s3", "HeadBucket")
def head_bucket(call: Call) -> Response:
    """Whether it is there, and the caller's."""
    own_bucket(call)
    return {"BucketRegion": call.caller.region}


@operation("s3", "GetBucketLocation")
def get_bucket_location(call: Call) -> Response:
    """The region in which the caller asks: this machine is in none."""
    own_bucket(call)
    region = call.caller.region
    return {"LocationConstraint": None if region == "us-east-1" else region}


@operation("s3", "GetBucketVersioning")
def get_bucket_versioning(call: Call) -> Response:
    """Never switched on."""
    own_bucket(call)
    return {}


@operation("s3", "ListBuckets")
def list_buckets(call: Call) -> Response:
    """The caller's buckets, by name."""
    require_offered(call, "Prefix", "MaxBuckets", "ContinuationToken", "BucketRegion")
    params, account = call.params, call.caller.account
    after = page_start(call, params.get("ContinuationToken"), "InvalidArgument") or ""
    size = params.get("MaxBuckets", 10_000)
    if not 1 <= size <= 10_000:
        raise ServiceError("InvalidArgument", f"MaxBuckets is 1 to 10000, not {size}")
    own, _ = buckets_of(call.parts, account)
    found = [
        row
        for row in own
        if row.name > after
        and row.name.startswith(params.get("Prefix", ""))
        and params.get("BucketRegion") in (None, call.caller.region)
    ]
    page = found[:size]
    answer: Response = {
        "Buckets": [{"Name": row.name, "CreationDate": row.created_at} for row in page],
        "Owner": {"ID": account},
    }
    if "Prefix" in params:
        answer["Prefix"] = params["Prefix"]
    if len(found) > size:
        answer["ContinuationToken"] = page_token(call, page[-1].name)
    return answer
