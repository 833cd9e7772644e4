"""Objects (bytes by bucket and key) and records (rows in transactions).

Records bring the libraries of databases along: they are loaded when they are asked for, which trainings and
most commands never do.
"""

from typing import TYPE_CHECKING

from customlabels.doors import later

if TYPE_CHECKING:
    from customlabels.storage.buckets import (
        Allowed,
        BucketNotFound,
        Draft,
        ObjectAccessError,
        ObjectInfo,
        ObjectNotFound,
        ObjectTooLarge,
        Opened,
        StorageError,
    )
    from customlabels.storage.durable import sync, write_whole
    from customlabels.storage.endpoint import S3Endpoint
    from customlabels.storage.migrations import NewerSchema
    from customlabels.storage.objects import Objects
    from customlabels.storage.records import Reading, Records, RecordsError, Transaction
    from customlabels.storage.uploads import Part, Upload, UploadNotFound, Uploads
else:
    __getattr__ = later(__name__)

__all__ = [
    "Allowed",
    "BucketNotFound",
    "Draft",
    "NewerSchema",
    "ObjectAccessError",
    "ObjectInfo",
    "ObjectNotFound",
    "ObjectTooLarge",
    "Objects",
    "Opened",
    "Part",
    "Reading",
    "Records",
    "RecordsError",
    "S3Endpoint",
    "StorageError",
    "Transaction",
    "Upload",
    "UploadNotFound",
    "Uploads",
    "sync",
    "write_whole",
]
