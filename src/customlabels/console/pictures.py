"""Images of buckets for pages: small ones made when they are first seen, and kept in memory for a while.

Layer: console. What is sent was read as PNG or JPEG by the images room, within its limits.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from customlabels.errors import ServiceError
from customlabels.images import ImageError, ImageLimits, check_header, thumbnail

LARGEST = 15 * 2**20  # bytes of an image
SIZES = (240, 480)  # pixels of the longer side
KEPT_BYTES = 64 * 2**20  # about 10,000 of the smaller ones
AT_ONCE = 2  # decoded, each in a thread
FRESH_SECONDS = 600  # that a browser shows what it has without asking
ANY_SIDE = ImageLimits(min_side=1, max_aspect=4096)  # to look at an image that cannot be trained on


async def body_of(request: Request) -> bytes:
    """What was sent, at most LARGEST bytes; raises ServiceError."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST:
            raise ServiceError("ImageTooLargeException", f"at most {LARGEST:,} bytes")
    return body


async def object_bytes(
    ask: Callable[..., Awaitable[Mapping[str, Any]]], place: dict[str, str], most: int = LARGEST
) -> bytes:
    """An object, an image if nothing else is said, of at most so many bytes; raises ServiceError."""
    answer = await ask("s3", "GetObject", place | {"Range": f"bytes=0-{most}"})
    body = answer["Body"]
    data: bytes = body if isinstance(body, bytes) else await asyncio.to_thread(b"".join, body)
    if len(data) > most:
        raise ServiceError("ValidationException", f"{place['Key']} has more than {most:,} bytes")
    return data


class Thumbnails:
    """Makes and keeps small images, the least recently seen forgotten first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, ...], bytes] = OrderedDict()
        self._bytes = 0
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def answer(self, request: Request, ask: Callable[..., Awaitable[Mapping[str, Any]]]) -> Response:
        """The image of `/images/BUCKET/KEY`, small with `?size=`."""
        place = {"Bucket": request.path_params["bucket"], "Key": request.path_params["key"]}
        size = next((each for each in SIZES if str(each) == request.query_params.get("size")), 0)
        headers = {"Cache-Control": f"private, max-age={FRESH_SECONDS}"}
        try:
            etag = (await ask("s3", "HeadObject", place))["ETag"]
            headers["ETag"] = f'"{etag.strip(chr(34))}-{size}"'
            if request.headers.get("if-none-match") == headers["ETag"]:
                return Response(status_code=304, headers=headers)
            if not size:
                data = await object_bytes(ask, place)
                kind = check_header(data, ANY_SIDE).format.lower()
                return Response(data, media_type=f"image/{kind}", headers=headers)
            key = (*place.values(), etag, str(size))
            small = self._kept.get(key) or await self._make(ask, place, size)
        except ImageError as error:
            return PlainTextResponse(str(error), 415)
        self._keep(key, small)
        return Response(small, media_type="image/jpeg", headers=headers)

    async def _make(self, ask: Any, place: dict[str, str], size: int) -> bytes:
        async with self._turns:
            data = await object_bytes(ask, place)
            return await asyncio.to_thread(thumbnail, data, size)

    def _keep(self, key: tuple[str, ...], small: bytes) -> None:
        self._bytes += len(small) - len(self._kept.pop(key, b""))
        self._kept[key] = small
        while self._bytes > KEPT_BYTES:
            self._bytes -= len(self._kept.popitem(last=False)[1])
