"""Small pictures of images, read one by one from their bucket; bounded in number and in bytes.

An image that is wanted twice is kept once: the page shows it again by its id.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field

from customlabels.errors import CustomLabelsError
from customlabels.images import ImageLimits, check_header, thumbnail
from customlabels.pipeline.judge_objects import Reader

LIMITS = ImageLimits()
SMALL = ImageLimits(min_side=1, max_aspect=LIMITS.max_aspect * 2)  # of what was made small here
MOST, LONGEST = 84, 200  # pictures; pixels of the longer side


@dataclass(frozen=True)
class Picture:
    """One small picture: how the page calls it, its sides in pixels, and its bytes as an address."""

    id: str
    width: int
    height: int
    data: str


@dataclass
class Album:
    """The pictures of one page. room: bytes that they may take together, as the page holds them"""

    reader: Reader
    room: int
    pictures: dict[str, Picture | None] = field(default_factory=dict)
    left_out: int = 0

    def picture(self, reference: str) -> Picture | None:
        """The picture of an s3:// reference; None where it cannot be read, or where there is no room."""
        if reference not in self.pictures:
            if len(self.pictures) >= MOST or self.room <= 0:
                self.left_out += 1
                return None
            self.pictures[reference] = self._made(reference)
        return self.pictures[reference]

    def _made(self, reference: str) -> Picture | None:
        bucket, _, key = reference.removeprefix("s3://").partition("/")
        try:
            small = thumbnail(self.reader.read(bucket, key, limit=LIMITS.max_bytes) or b"", LONGEST)
            header = check_header(small, SMALL)
        except CustomLabelsError:
            return None
        data = f"data:image/jpeg;base64,{b64encode(small).decode()}"
        if len(data) > self.room:
            self.room = 0
            self.left_out += 1
            return None
        self.room -= len(data)
        return Picture(f"p{len(self.pictures)}", header.width, header.height, data)
