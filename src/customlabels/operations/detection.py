"""DetectCustomLabels: an image to a running version, its labels back."""

from __future__ import annotations

import asyncio
from typing import Any

from customlabels.errors import ServiceError
from customlabels.images import ImageTooLarge, InvalidImage, InvalidImageFormat
from customlabels.inference import Found
from customlabels.operations.access import readable
from customlabels.operations.dispatch import Call, Response, operation
from customlabels.operations.refusals import invalid_parameter, invalid_s3_object, not_ready
from customlabels.operations.rows import require_own, version_row
from customlabels.serving import DetectionFailed, NotServing, Overloaded
from customlabels.storage import ObjectTooLarge, StorageError


@operation("rekognition", "DetectCustomLabels")
async def detect_custom_labels(call: Call) -> Response:
    """Labels by confidence, highest first; of their own thresholds, or all from MinConfidence on."""
    params = call.params
    arn = params["ProjectVersionArn"]
    require_own(call, arn)
    if not call.parts.units.answers(arn):
        await asyncio.to_thread(_require_running, call, arn)
    image = await _image(call)
    try:
        found = await call.parts.units.detect(
            arn, image, params.get("MinConfidence"), params.get("MaxResults")
        )
    except NotServing as error:
        raise not_ready(str(error)) from error
    except Overloaded as error:
        raise ServiceError("ProvisionedThroughputExceededException", str(error)) from error
    except DetectionFailed as error:
        raise ServiceError("InternalServerError", str(error)) from error
    except ImageTooLarge as error:
        raise ServiceError("ImageTooLargeException", str(error)) from error
    except (InvalidImageFormat, InvalidImage) as error:
        raise ServiceError("InvalidImageFormatException", str(error)) from error
    return {"CustomLabels": list(map(described, found))}


def described(found: Found) -> dict[str, Any]:
    """A label; with Geometry where it stands on a box, as clients tell the kinds apart by that."""
    label = {"Name": found.name, "Confidence": found.confidence}
    if found.box is None:
        return label
    left, top, width, height = found.box
    box = {"Width": width, "Height": height, "Left": left, "Top": top}
    return label | {"Geometry": {"BoundingBox": box}}


def _require_running(call: Call, arn: str) -> None:
    """The records know why a version has no units: it was never made, is stopped, or comes up again."""
    with call.parts.records.read() as reading:
        status = version_row(reading, call, arn).status
    if status != "RUNNING":
        raise not_ready(f"{arn} is {status}; start it, and wait until it is RUNNING")


async def _image(call: Call) -> bytes:
    """The request's image, from the request or from a bucket."""
    image = call.params["Image"]
    if ("Bytes" in image) == ("S3Object" in image):
        raise invalid_parameter("Image has either Bytes or S3Object")
    if "S3Object" in image:
        return await asyncio.to_thread(_object, call, image["S3Object"])
    data: bytes = image["Bytes"]
    most = call.parts.limits.image_bytes
    if len(data) > most:
        raise ServiceError("ImageTooLargeException", f"{len(data)} bytes; {most} is the most in a request")
    return data


def _object(call: Call, place: dict[str, Any]) -> bytes:
    if not {"Bucket", "Name"} <= place.keys():
        raise invalid_s3_object("S3Object needs Bucket and Name")
    bucket, key = readable(call, place)
    try:
        return call.parts.objects.read(bucket, key, limit=call.parts.limits.object_image_bytes)
    except ObjectTooLarge as error:
        raise ServiceError("ImageTooLargeException", str(error)) from error
    except StorageError as error:
        raise invalid_s3_object(str(error)) from error
