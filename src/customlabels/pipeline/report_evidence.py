"""What the objects of a run say, read from its bucket: the same on AWS and here, bounded in size.

What is not there is a note, never an error: of a run that failed early there is little, and AWS does not tell
how it trained.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from customlabels.datasets import Entry, read_line
from customlabels.errors import CustomLabelsError, InvalidInput
from customlabels.evaluation import Recorded, read_recorded
from customlabels.pipeline.judge_objects import Reader
from customlabels.pipeline.judge_wear import versions_judged
from customlabels.pipeline.report_places import Place

MOST_BYTES = 32 * 2**20  # of a document
MOST_SCORED = 5_000_000  # scores of the test images that are read: images x labels
MOST_LINES = 250_000
MOST_EVALUATIONS = 50  # of other versions, which no judge has noted yet
KEPT = ("rekognition-custom-labels-evaluation", "rekognition-custom-labels-training")  # of a line
LOCAL_ONLY = (
    "training curves, the seed, the environment and the digests of the model",
    "what was said of training images that were not learned from, and so probable label errors",
    "images that are copies of others",
    "the F1 score with thresholds that never saw the test images",
)


@dataclass
class Evidence:
    """Everything known of a run.

    versions_judged: by this test set, as far as was looked     notes: what is missing, in sentences
    """

    place: Place
    decision: Mapping[str, Any] = field(default_factory=dict)
    judgement: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    measured: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    manifests: Mapping[str, Any] = field(default_factory=dict)
    tested: Recorded | None = None
    training_images: Mapping[str, int] = field(default_factory=dict)
    versions_judged: int | None = None
    notes: list[str] = field(default_factory=list)


def gathered(place: Place, reader: Reader) -> Evidence:
    """Read what there is. Raises InvalidInput where there is nothing at all."""
    found = Evidence(place)

    def document(bucket: str, key: str) -> Mapping[str, Any]:
        try:
            told = json.loads(reader.read(bucket, key, limit=MOST_BYTES) or b"{}")
        except (CustomLabelsError, ValueError):
            return {}
        return told if isinstance(told, dict) else {}

    found.decision = document(*place.beside("decision.json"))
    if (told := str(found.decision.get("Judgement", ""))).startswith("s3://"):
        bucket, _, key = told.removeprefix("s3://").partition("/")
        found.judgement = document(bucket, key)
    found.summary = document(*place.document("EvaluationResultSummary"))
    found.manifests = document(*place.document("ManifestSummary"))
    found.measured = document(*place.document("Evidence"))
    found.training = document(*place.document("TrainingRecord"))
    if not (found.decision or found.summary):
        where = "s3://{}/{}".format(*place.beside("decision.json"))
        raise InvalidInput(
            f"there is nothing to report: neither {where} nor an evaluation summary can be read"
        )
    if found.summary:
        _read_tested(found, reader)
        _count_training(found, reader)
        _count_versions(found, reader)
        if not found.training:
            found.notes.append(f"Local only, so not in this report: {'; '.join(LOCAL_ONLY)}.")
    return found


def _read_tested(found: Evidence, reader: Reader) -> None:
    most = MOST_SCORED // max(1, len(found.summary.get("EvaluationDetails", {}).get("Labels", [])))
    bucket, key = found.place.document("TestingGroundTruth")
    read = Counter[str]()

    def lines() -> Iterator[Mapping[str, Any]]:
        for line in reader.lines(bucket, key):
            if read["lines"] == most:
                read["cut"] = 1
                return
            read["lines"] += 1
            told = json.loads(line)
            yield {
                name: value for name, value in told.items() if name == "source-ref" or name.startswith(KEPT)
            }

    try:
        found.tested = read_recorded(found.summary, lines())
    except CustomLabelsError as error:
        found.notes.append(f"The predictions for the test images cannot be read: {error}")
    if read["cut"]:
        found.notes.append(f"Curves, confusions and pictures are of the first {most} test images.")


def _count_training(found: Evidence, reader: Reader) -> None:
    """Training images by label: as the training counted them, else from the lines that it trained on."""
    if found.training:
        found.training_images = found.training["TrainingImages"]
        return
    counted = Counter[str]()
    try:
        for number, line in enumerate(reader.lines(*found.place.document("TrainingGroundTruth"))):
            if number == MOST_LINES:
                return
            told = read_line(line.decode(), number + 1)
            counted.update(told.labels if isinstance(told, Entry) else ())
    except (CustomLabelsError, ValueError) as error:
        found.notes.append(f"The lines that were trained on cannot be read: {error}")
        return
    found.training_images = counted


def _count_versions(found: Evidence, reader: Reader) -> None:
    """What the judge counted, or where none was asked, what it would count now."""
    place, told = found.place, found.judgement.get("TestSet", {})
    own = (place.project, place.version)
    prefix, beside, _ = place.prefix.rpartition(f"/{'/'.join(own)}")
    if "Versions" in told:
        found.versions_judged = told["Versions"]
    elif found.tested is not None and beside:
        try:
            found.versions_judged = versions_judged(
                reader, (place.bucket, prefix), own, found.tested.digest, most=MOST_EVALUATIONS
            )
        except CustomLabelsError as error:
            found.notes.append(f"How many versions this test set has judged cannot be told: {error}")
