"""Pages of one model: how it was judged, where it errs, how it compares, what it says of an image."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from customlabels.console.judging import Cells, cells_of, items_of
from customlabels.console.pictures import body_of, object_bytes
from customlabels.console.site import Ask, Site, every, named
from customlabels.drawing import Axis, Line, bare, confusion_chart, line_chart, taken
from customlabels.errors import InvalidInput, ServiceError
from customlabels.evaluation import BoxPredictions, Recorded, read_recorded

CURVES, CELL_IMAGES = 6, 120
LARGEST_DOCUMENT = 256 * 2**20  # bytes of a testing output that a page reads


async def model_page(site: Site, request: Request) -> Response:
    """`/models/ARN`, with `?label=&tab=&threshold=` for the gallery, `?truth=&found=` for a cell's images."""
    ask, arn, asked = site.ask(request), request.path_params["arn"], request.query_params
    version = await _version(ask, arn)
    others = [each for each in await _versions(ask, arn) if each["ProjectVersionArn"] != arn]
    values: dict[str, Any] = {"arn": arn, "version": version, "others": others, "evaluation": None}
    if "EvaluationResult" in version:
        evaluation = await ask("customlabels", "DescribeEvaluation", {"ProjectVersionArn": arn})
        labels = [each["Label"] for each in evaluation["Labels"]]
        tested = await _tested(ask, version)
        boxes = tested is not None and isinstance(tested.predictions, BoxPredictions)
        chosen = asked.get("label", "")
        if chosen not in labels:  # the one that errs most
            chosen = labels[-1] if labels else ""
        cells, noun = cells_of(tested) if tested else {}, "boxes" if boxes else "images"
        cell = (asked.get("truth", ""), asked.get("found", ""))
        values |= {
            "evaluation": evaluation,
            "chosen": chosen,
            "boxes": boxes,
            "curves": Markup(_curves(tested, labels, chosen) if tested else ""),  # noqa: S704 - our own drawing
            "matrix": Markup(_matrix(cells, labels, noun)) if cells else "",  # noqa: S704 - as above
            "cell": cell if "truth" in asked else None,
            "cell_images": list(dict.fromkeys(cells.get(cell, [])))[:CELL_IMAGES],
            "cell_said": taken(noun, len(cells.get(cell, [])), *cell),
        }
    return site.page(request, "model.html", **values)


async def scores(site: Site, request: Request) -> Response:
    """`/scores/ARN?label=`: every item of a label, for the slider."""
    ask, label = site.ask(request), request.query_params.get("label", "")
    tested = await _tested(ask, await _version(ask, request.path_params["arn"]))
    known = tested is not None and label in tested.predictions.labels
    said = items_of(tested, label) if tested and known else {"items": [], "truth": {}}
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


async def _tested(ask: Ask, version: Mapping[str, Any]) -> Recorded | None:
    """What the training wrote of the test images into the output bucket; None where it left nothing."""
    assets = version.get("TestingDataResult", {}).get("Output", {}).get("Assets", [])
    if not assets:
        return None
    places = (version["EvaluationResult"]["Summary"], assets[0]["GroundTruthManifest"])
    objects = [{"Bucket": each["S3Object"]["Bucket"], "Key": each["S3Object"]["Name"]} for each in places]
    summary, lines = [await object_bytes(ask, each, LARGEST_DOCUMENT) for each in objects]

    def read() -> Recorded:
        return read_recorded(orjson.loads(summary), map(orjson.loads, filter(None, lines.split(b"\n"))))

    try:
        return await asyncio.to_thread(read)
    except (InvalidInput, ValueError) as error:
        raise ServiceError("ValidationException", f"the evaluation cannot be read: {error}") from error


def _curves(tested: Recorded, labels: list[str], chosen: str) -> str:
    """Precision over recall of the chosen label, and of those that err most."""
    shown = [chosen, *(label for label in reversed(labels) if label != chosen)][:CURVES]
    axes, lines = (Axis("recall", 0, 1), Axis("precision", 0, 1)), list[Line]()
    by_label = dict(zip(tested.predictions.labels, tested.curves, strict=True))
    for label in (label for label in shown if label in by_label):
        told, mark = by_label[label]
        if points := list(zip(told.recall.tolist(), told.precision.tolist(), strict=True)):
            lines.append(Line(label, [(0.0, points[0][1]), *points], mark))
    return bare(line_chart("Precision over recall", lines, *axes))


def _matrix(cells: Cells, labels: list[str], noun: str) -> str:
    told = "What was taken for what", {pair: len(images) for pair, images in cells.items()}, sorted(labels)
    return bare(
        confusion_chart(*told, noun, lambda pair: f"?{urlencode({'truth': pair[0], 'found': pair[1]})}#cell")
    )
