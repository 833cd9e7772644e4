"""Pages of a data set: its images by filter, labels in bulk and one by one, boxes, new images.

Layer: console. Every change is an UpdateDatasetEntries like anyone's; the changes of one data set follow one
another, since it takes one at a time.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from customlabels.console.guarding import form_of
from customlabels.console.lines import entry_of, new_line, relabelled, shown
from customlabels.console.pictures import body_of
from customlabels.console.site import Ask, Site, every, pages
from customlabels.datasets import Entry, split_ref
from customlabels.errors import ServiceError
from customlabels.images import ImageError, decode

PAGE = 60
FEW = 10  # images of a label below which its figures say little
LARGEST_CHANGE = 4 * 2**20  # bytes; an update takes 5 MiB
LOOK_SECONDS, LOOKS = 0.05, 1200  # a minute in all
BUSY = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS")
SHOW: dict[str, dict[str, Any]] = {
    "": {},
    "labelled": {"Labeled": True},
    "unlabelled": {"Labeled": False},
    "errors": {"HasErrors": True},
}
FILTERS = ("show", "label", "text", "page")


async def gallery_page(site: Site, request: Request) -> Response:
    """`/datasets/ARN?show=&label=&text=&page=`."""
    return site.page(request, "gallery.html", **await _values(site, request))


async def desk_page(site: Site, request: Request) -> Response:
    """`/desk/ARN` with the same filters, `at=` the place on the page: one image after the other."""
    ask = site.ask(request)
    values = await _values(site, request)
    units = (await ask("customlabels", "ListUnits", {}))["Versions"]
    entries = orjson.dumps([shown(entry) for entry in values["entries"]]).decode()
    models = [unit["ProjectVersionArn"] for unit in units]
    return site.page(request, "desk.html", **values, desk=entries, models=models)


async def change_entries(site: Site, request: Request) -> Response:
    """Give a label to many images, or take it from them; `all` means every image of the filter."""
    ask, arn, form = site.ask(request), request.path_params["arn"], form_of(request)
    asked = dict(parse_qsl(form.get("filters", "")))
    label, add = form.get("label", "").strip(), form.get("do") != "remove"
    if not label:
        raise ServiceError("ValidationException", "say which label")
    chosen, everything = set(request.state.form.get("ref", [])), "all" in form

    async def lines(ask: Ask) -> list[str]:
        changed = []
        async for entry in _entries(ask, arn, asked, everything):
            if everything or entry.source_ref in chosen:
                labels = [each for each in entry.image_labels if each != label]
                boxes = [_plain(box) for box in entry.boxes if add or box.label != label]
                labels += [label] if add else []
                changed.append(relabelled(entry.line, labels, boxes, entry.frame, _now()))
        return changed

    async with site.turns[arn]:
        await _update(ask, arn, await lines(ask))
    return RedirectResponse(f"/datasets/{quote(arn, safe=':/')}?{urlencode(asked)}", 303)


async def save_entry(site: Site, request: Request) -> Response:
    """Labels and boxes of one image, from the desk."""
    ask, arn, given = site.ask(request), request.path_params["arn"], await _json(request)
    async with site.turns[arn]:
        entry = await _entry(ask, arn, str(given.get("ref", "")))
        try:
            line = relabelled(entry.line, given["labels"], given["boxes"], given.get("size"), _now())
        except (KeyError, TypeError, ValueError) as error:
            text = f"labels, boxes and a size are needed: {error!r}"
            raise ServiceError("ValidationException", text) from error
        await _update(ask, arn, [line])
    return Response(status_code=204)


async def suggest(site: Site, request: Request) -> Response:
    """What a model in service says of an image of the data set."""
    given = await _json(request)
    bucket, key = split_ref(str(given.get("ref", "")))
    place = {"S3Object": {"Bucket": bucket, "Name": key}}
    members = {"ProjectVersionArn": given.get("model", ""), "Image": place}
    answer = await site.ask(request)("rekognition", "DetectCustomLabels", members)
    return Response(orjson.dumps(answer["CustomLabels"]), media_type="application/json")


async def add_images(site: Site, request: Request) -> Response:
    """An image (`?name=`) into the data set's bucket; or, as JSON, the lines of those that are there."""
    ask, arn = site.ask(request), request.path_params["arn"]
    if request.headers.get("content-type") == "application/json":
        given = await _json(request)
        labels = [given["label"]] if given.get("label") else []
        async with site.turns[arn]:
            await _update(ask, arn, [new_line(ref, labels, _now()) for ref in given["refs"]])
        return Response(status_code=204)
    body = await body_of(request)
    try:
        await asyncio.to_thread(decode, body)
    except ImageError as error:
        raise ServiceError("InvalidImageFormatException", str(error)) from error
    place = await _place_for(ask, arn, request.query_params.get("name", ""), body)
    await ask("s3", "PutObject", place | {"Body": body})
    return Response(f"s3://{place['Bucket']}/{place['Key']}", media_type="text/plain")


async def _values(site: Site, request: Request) -> dict[str, Any]:
    ask, arn = site.ask(request), request.path_params["arn"]
    asked = {name: request.query_params[name] for name in FILTERS if request.query_params.get(name)}
    described, labels, page, siblings = await asyncio.gather(
        ask("rekognition", "DescribeDataset", {"DatasetArn": arn}),
        every(ask, "rekognition", "ListDatasetLabels", "DatasetLabelDescriptions", DatasetArn=arn),
        ask("rekognition", "ListDatasetEntries", _wanted(arn, asked)),
        ask("rekognition", "DescribeProjects", {"ProjectNames": arn.split("/")[1:2] or ["-"]}),
    )
    token = page.get("NextToken")
    return {
        "arn": arn,
        "asked": asked,
        "filters": urlencode(asked),
        "dataset": described["DatasetDescription"],
        "labels": [(each["LabelName"], each.get("LabelStats", {})) for each in labels],
        "entries": [entry_of(line) for line in page["DatasetEntries"]],
        "following": urlencode(asked | {"page": token}) if token else "",
        "siblings": siblings["ProjectDescriptions"][0].get("Datasets", []),
        "few": FEW,
        "cli": _cli(arn, asked, str(request.base_url).rstrip("/")),
    }


def _wanted(arn: str, asked: dict[str, str]) -> dict[str, Any]:
    """The members of ListDatasetEntries for the filters of a page."""
    wanted: dict[str, Any] = {"DatasetArn": arn, "MaxResults": PAGE, **SHOW.get(asked.get("show", ""), {})}
    wanted |= {"ContainsLabels": [asked["label"]]} if asked.get("label") else {}
    wanted |= {"SourceRefContains": asked["text"]} if asked.get("text") else {}
    return wanted | ({"NextToken": asked["page"]} if asked.get("page") else {})


async def _entries(ask: Ask, arn: str, asked: dict[str, str], everything: bool) -> AsyncIterator[Entry]:
    """The entries of a page; or of all pages of the filter."""
    wanted = _wanted(arn, {name: value for name, value in asked.items() if name != "page" or not everything})
    async for page in pages(ask, "rekognition", "ListDatasetEntries", wanted):
        for line in page["DatasetEntries"]:
            yield entry_of(line)
        if not everything:
            return


async def _entry(ask: Ask, arn: str, ref: str) -> Entry:
    async for entry in _entries(ask, arn, {"text": ref}, everything=True):
        if entry.source_ref == ref:
            return entry
    raise ServiceError("ResourceNotFoundException", f"{ref} is not in this data set any more")


async def _update(ask: Ask, arn: str, lines: Sequence[str]) -> None:
    """Put the lines into the data set, and return once they are there. Raises ServiceError."""
    for piece in _pieces(lines):
        await _settled(ask, arn)  # after what somebody else is changing
        changes = {"GroundTruth": "\n".join(piece).encode()}
        await ask("rekognition", "UpdateDatasetEntries", {"DatasetArn": arn, "Changes": changes})
        dataset = await _settled(ask, arn)
        if dataset["Status"] == "UPDATE_FAILED":
            raise ServiceError("ValidationException", dataset["StatusMessage"])


def _pieces(lines: Sequence[str]) -> Iterable[list[str]]:
    piece: list[str] = []
    size = 0
    for line in lines:
        if piece and size + len(line) > LARGEST_CHANGE:
            yield piece
            piece, size = [], 0
        piece.append(line)
        size += len(line) + 1
    if piece:
        yield piece


async def _settled(ask: Ask, arn: str) -> dict[str, Any]:
    """The data set, once nothing changes it."""
    for _ in range(LOOKS):
        answer = await ask("rekognition", "DescribeDataset", {"DatasetArn": arn})
        dataset: dict[str, Any] = answer["DatasetDescription"]
        if dataset["Status"] not in BUSY:
            return dataset
        await asyncio.sleep(LOOK_SECONDS)
    raise ServiceError("ResourceInUseException", "the data set is being changed for long; try again later")


async def _place_for(ask: Ask, arn: str, name: str, body: bytes) -> dict[str, str]:
    """Where a new image goes: beside the others, for a data set has one bucket."""
    page = await ask("rekognition", "ListDatasetEntries", {"DatasetArn": arn, "MaxResults": 1})
    clean = re.sub(r"[^\w.\-]+", "-", name)[-80:] or "image"
    key = f"added/{hashlib.sha256(body).hexdigest()[:12]}-{clean}"
    if page["DatasetEntries"]:
        return {"Bucket": split_ref(entry_of(page["DatasetEntries"][0]).source_ref)[0], "Key": key}
    bucket = f"{arn.split('/')[1].lower().replace('_', '-')[:40]}-images"
    await ask("s3", "CreateBucket", {"Bucket": bucket})
    return {"Bucket": bucket, "Key": key}


async def _json(request: Request) -> dict[str, Any]:
    try:
        given = json.loads(await body_of(request))
    except ValueError as error:
        raise ServiceError("ValidationException", f"this is no JSON: {error}") from error
    if not isinstance(given, dict):
        raise ServiceError("ValidationException", "a JSON object is needed")
    return given


def _plain(box: Any) -> list[Any]:
    return [box.label, box.left, box.top, box.width, box.height]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def _cli(arn: str, asked: dict[str, str], url: str) -> list[str]:
    """The same list with the AWS CLI."""
    options = {"labelled": " --labeled", "unlabelled": " --no-labeled", "errors": " --has-errors"}
    command = f"aws rekognition list-dataset-entries --endpoint-url {url} --dataset-arn {arn}"
    command += options.get(asked.get("show", ""), "")
    command += f" --contains-labels '{asked['label']}'" if asked.get("label") else ""
    command += f" --source-ref-contains '{asked['text']}'" if asked.get("text") else ""
    return [command]
