"""Objects (bytes by bucket and key) and records (rows in transactions)."""

from customlabels.storage.buckets import (
    BucketNotFound,
    ObjectAccessError,
    ObjectInfo,
    ObjectNotFound,
    ObjectTooLarge,
    S3Endpoint,
    StorageError,
)
from customlabels.storage.durable import sync, write_whole
from customlabels.storage.migrations import NewerSchema
from customlabels.storage.objects import Objects
from customlabels.storage.records import Reading, Records, RecordsError, Transaction

__all__ = [
    "BucketNotFound",
    "NewerSchema",
    "ObjectAccessError",
    "ObjectInfo",
    "ObjectNotFound",
    "ObjectTooLarge",
    "Objects",
    "Reading",
    "Records",
    "RecordsError",
    "S3Endpoint",
    "StorageError",
    "Transaction",
    "sync",
    "write_whole",
]
