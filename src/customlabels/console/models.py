"""Pages of one model: how it was judged, where it errs, how it compares, what it says of an image."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import orjson
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from customlabels.console.judging import Cells, Judged, confusions, curve
from customlabels.console.pictures import body_of
from customlabels.console.site import Ask, Site, every, named
from customlabels.drawing import Axis, Cell, Line, bare, line_chart, matrix_chart
from customlabels.errors import ServiceError

MATRIX_LABELS, CURVES, CELL_IMAGES = 30, 6, 120
LARGEST_DOCUMENT = 256 * 2**20  # bytes of a testing output that a page reads


async def model_page(site: Site, request: Request) -> Response:
    """`/models/ARN`, with `?label=&tab=&threshold=` for the gallery, `?truth=&found=` for a cell's images."""
    ask, arn, asked = site.ask(request), request.path_params["arn"], request.query_params
    version = await _version(ask, arn)
    others = [each for each in await _versions(ask, arn) if each["ProjectVersionArn"] != arn]
    values: dict[str, Any] = {"arn": arn, "version": version, "others": others, "evaluation": None}
    if "EvaluationResult" in version:
        evaluation = await ask("customlabels", "DescribeEvaluation", {"ProjectVersionArn": arn})
        thresholds = {each["Label"]: each["Threshold"] for each in evaluation["Labels"]}
        judged = await _judged(ask, version)
        chosen = asked.get("label", "")
        if chosen not in thresholds:  # the one that errs most
            chosen = evaluation["Labels"][-1]["Label"] if thresholds else ""
        cells, noun = confusions(judged, thresholds), "boxes" if judged.finds_boxes else "images"
        cell = (asked.get("truth", ""), asked.get("found", ""))
        values |= {
            "evaluation": evaluation,
            "chosen": chosen,
            "boxes": judged.finds_boxes,
            "curves": Markup(_curves(judged, thresholds, chosen)),  # noqa: S704 - our own drawing
            "matrix": Markup(_matrix(cells, list(thresholds), noun)) if cells else "",  # noqa: S704 - as above
            "cell": cell if "truth" in asked else None,
            "cell_images": list(dict.fromkeys(cells.get(cell, [])))[:CELL_IMAGES],
            "cell_said": _said(cells, noun, *cell),
        }
    return site.page(request, "model.html", **values)


async def scores(site: Site, request: Request) -> Response:
    """`/scores/ARN?label=`: every item of a label, for the slider."""
    ask, label = site.ask(request), request.query_params.get("label", "")
    judged = await _judged(ask, await _version(ask, request.path_params["arn"]))
    items = [item for item in judged.items if item.label == label]
    images = {item.image for item in items}
    said = {
        "items": [[item.image, round(item.score, 4), int(item.present), item.box] for item in items],
        "truth": {image: judged.truth[image] for image in images},
        "frames": {image: judged.frames[image] for image in images if image in judged.frames},
    }
    return Response(orjson.dumps(said), media_type="application/json")


async def compare_page(site: Site, request: Request) -> Response:
    """`/compare?a=&b=`: two versions side by side."""
    ask, asked = site.ask(request), request.query_params
    pair = [asked.get("a", ""), asked.get("b", "")]
    figures = await asyncio.gather(
        *(ask("customlabels", "DescribeEvaluation", {"ProjectVersionArn": arn}) for arn in pair)
    )
    by_label = [{each["Label"]: each for each in one["Labels"]} for one in figures]
    labels = sorted({*by_label[0], *by_label[1]})
    rows = [(label, by_label[0].get(label), by_label[1].get(label)) for label in labels]
    return site.page(request, "compare.html", pair=pair, figures=figures, rows=rows)


async def try_page(site: Site, request: Request) -> Response:
    """`/try/ARN`: an image of one's own."""
    arn = request.path_params["arn"]
    version = await _version(site.ask(request), arn)
    return site.page(request, "try.html", arn=arn, version=version, url=str(request.base_url).rstrip("/"))


async def detect(site: Site, request: Request) -> Response:
    """What the model says of the image that was sent."""
    image = {"Bytes": await body_of(request)}
    members: dict[str, Any] = {"ProjectVersionArn": request.path_params["arn"], "Image": image}
    if "confidence" in request.query_params:
        members["MinConfidence"] = _number(request.query_params["confidence"])
    began = time.perf_counter()
    answer = await site.ask(request)("rekognition", "DetectCustomLabels", members)
    said = {"labels": answer["CustomLabels"], "milliseconds": round(1000 * (time.perf_counter() - began), 1)}
    return Response(orjson.dumps(said), media_type="application/json")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ServiceError("ValidationException", f"{text!r} is not a number") from None


def _project(arn: str) -> str:
    """The name of a version's project."""
    return arn.split("/")[1] if arn.count("/") == 4 else ""


async def _versions(ask: Ask, arn: str) -> list[dict[str, Any]]:
    """Every version of a version's project, the newest first."""
    found = await ask("rekognition", "DescribeProjects", {"ProjectNames": [_project(arn) or "-"]})
    for project in found["ProjectDescriptions"]:
        call = "rekognition", "DescribeProjectVersions", "ProjectVersionDescriptions"
        return await every(ask, *call, ProjectArn=project["ProjectArn"])
    return []


async def _version(ask: Ask, arn: str) -> dict[str, Any]:
    for version in await _versions(ask, arn):
        if version["ProjectVersionArn"] == arn:
            return dict(version)
    raise ServiceError("ResourceNotFoundException", f"there is no model {named(arn)}")


async def _judged(ask: Ask, version: Mapping[str, Any]) -> Judged:
    """What the training wrote of the test images into the output bucket."""
    assets = version.get("TestingDataResult", {}).get("Output", {}).get("Assets", [])
    if not assets:
        return Judged()
    place = assets[0]["GroundTruthManifest"]["S3Object"]
    answer = await ask("s3", "GetObject", {"Bucket": place["Bucket"], "Key": place["Name"]})
    if answer["ContentLength"] > LARGEST_DOCUMENT:
        raise ServiceError("ValidationException", f"{place['Name']} is too large for a page")
    body = answer["Body"]

    def read() -> Judged:
        return Judged.of((body if isinstance(body, bytes) else b"".join(body)).split(b"\n"))

    return await asyncio.to_thread(read)


def _curves(judged: Judged, thresholds: Mapping[str, float], chosen: str) -> str:
    """Precision over recall of the chosen label, and of those that err most."""
    shown = [chosen, *(label for label in reversed(list(thresholds)) if label != chosen)][:CURVES]
    axes, lines = (Axis("recall", 0, 1), Axis("precision", 0, 1)), list(_lines(judged, thresholds, shown))
    return bare(line_chart("Precision over recall", lines, *axes))


def _lines(judged: Judged, thresholds: Mapping[str, float], shown: list[str]) -> Iterator[Line]:
    for label in shown:
        items = [item for item in judged.items if item.label == label]
        kept = [item for item in items if item.is_found(thresholds.get(label, 1.0))]
        there, hits = sum(item.present for item in items), sum(item.present for item in kept)
        mark = (hits / there, hits / len(kept)) if there and kept else None
        # Of boxes, those below the threshold that find nothing were not kept: the curve ends there.
        if points := curve(kept if judged.finds_boxes else items, there):
            yield Line(label, [(0.0, points[0][1]), *points], mark)


def _said(cells: Cells, noun: str, truth: str, found: str) -> str:
    """A cell of the matrix in words."""
    count = len(cells.get((truth, found), []))
    return f"{count} {noun} of {truth or 'nothing'}, found as {found or 'nothing'}"


def _matrix(cells: Cells, labels: list[str], noun: str) -> str:
    """Truth in rows, answers in columns; of many labels those that are confused most."""
    errors = dict.fromkeys(labels, 0)
    for (truth, found), images in cells.items():
        for label in {truth, found} & errors.keys() if truth != found else ():
            errors[label] += len(images)
    shown = sorted(sorted(labels, key=lambda label: -errors[label])[:MATRIX_LABELS])
    columns = [*shown, ""]
    rows = columns if any(truth == "" for truth, _ in cells) else shown
    totals = {truth: sum(len(images) for (row, _), images in cells.items() if row == truth) for truth in rows}

    def cell(truth: str, found: str) -> Cell:
        count = len(cells.get((truth, found), []))
        href = f"?{urlencode({'truth': truth, 'found': found})}#cell" if count else ""
        return Cell(count / max(totals[truth], 1), str(count or ""), _said(cells, noun, truth, found), href)

    drawn = [[cell(truth, found) for found in columns] for truth in rows]
    names = [*shown, "false"][: len(rows)]
    return bare(matrix_chart("What was taken for what", names, [*shown, "missed"], drawn))
