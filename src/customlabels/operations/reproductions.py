"""Training a version again, to see whether it comes out the same: the job `reproduce`, and asking for it.

The second training has the first one's data, seed and plan, and leaves nothing behind but its answer, which
stands in the job's row. What a power cut leaves goes on from its checkpoints like any training.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

import orjson

from customlabels import inference
from customlabels.operations.dispatch import Call, Response, operation, writing
from customlabels.operations.parts import Parts
from customlabels.operations.refusals import in_use, not_found
from customlabels.operations.rows import version_row
from customlabels.operations.sweeping import sweep_folders
from customlabels.operations.trainings import Training, reporter
from customlabels.storage import Transaction
from customlabels.training import Progress, TrainingCancelled
from customlabels.workflows import Finish, Job, JobControl

OPEN = ("QUEUED", "RUNNING")
OUTPUT = "reproduction"  # the bucket, in the job's folder, that takes the second training's documents


@writing("customlabels", "StartReproduction")
def start_reproduction(tx: Transaction, call: Call) -> None:
    """Have a version trained once more; one at a time."""
    arn = call.params["ProjectVersionArn"]
    row = version_row(tx, call, arn)
    if row.folder is None:
        raise in_use(f"{arn} is {row.status}; only a trained version can be reproduced")
    if row.train_revision_id is None:
        raise in_use(f"{arn} was trained on manifests that the request named; those are not kept")
    before = call.parts.jobs.progress_of(tx, _subject(arn))
    if before is None or before.status not in OPEN:
        call.parts.jobs.submit(tx, kind="reproduce", subject=_subject(arn), spec={"version": arn})


@operation("customlabels", "DescribeReproduction")
def describe_reproduction(call: Call) -> Response:
    """How far the last reproduction of a version is, and what it found."""
    arn = call.params["ProjectVersionArn"]
    with call.parts.records.read() as reading:
        version_row(reading, call, arn)
        job = call.parts.jobs.progress_of(reading, _subject(arn))
    if job is None:
        raise not_found(f"{arn} was not reproduced here")
    answer: Response = {"ProjectVersionArn": arn, "State": job.status}
    if job.error is not None:
        answer["Message"] = job.error
    if job.status == "SUCCEEDED":
        answer |= {"Identical": not job.report["differences"], "Differences": job.report["differences"]}
    elif job.report.get("seconds_left") is not None:
        answer["SecondsLeft"] = job.report["seconds_left"]
    return answer


class Reproducing:
    """The job."""

    def __init__(self, parts: Parts, training: Training) -> None:
        self._parts, self._training = parts, training

    def run(self, job: Job, control: JobControl) -> Finish:
        """Train again by the first plan, compare, forget."""
        row = self._training.row(job.spec["version"])
        first = inference.read_card(self._parts.home / row.folder)
        spec = self._training.spec(job, row, orjson.loads(row.details))
        output = spec.work_folder / "output"
        output.mkdir(exist_ok=True)
        spec = replace(
            spec,
            plan=first.card.get("plan"),
            buckets={**spec.buckets, OUTPUT: output},
            output_bucket=OUTPUT,
            output_prefix="",
        )
        try:
            outcome = self._parts.train(spec, reporter(control), control.cancelled)
        except TrainingCancelled:
            return self.failed(job, TrainingCancelled())
        found = list(_differences(first, inference.read_card(outcome.artefact_folder)))
        control.report({**asdict(Progress("exporting")), "differences": found, "ended": time.time()})
        return lambda tx: sweep_folders(tx, self._parts.jobs, job.subject, [self._training.work(job)])

    def failed(self, job: Job, _error: Exception) -> Finish:
        """The job's row says why; nothing is kept."""
        return lambda tx: sweep_folders(tx, self._parts.jobs, job.subject, [self._training.work(job)])


def _subject(arn: str) -> str:
    return f"reproduce {arn}"


def _differences(first: inference.ModelCard, again: inference.ModelCard) -> Iterator[str]:
    """Where two cards differ, causes before effects; empty for the same bits."""
    yield from _changed("", first.environment, again.environment)
    yield from _changed("", _decisive(first), _decisive(again))
    yield from _changed("", first.digests, again.digests)
    cards = first, again
    yield from _changed("threshold of ", *map(_thresholds, cards))
    yield from _changed("F1 on ", *map(_scores, cards))


def _decisive(card: inference.ModelCard) -> Mapping[str, Any]:
    """What of a card decides the result."""
    return {name: card.card.get(name) for name in ("data_digest", "seed", "plan", "backbone")}


def _thresholds(card: inference.ModelCard) -> Mapping[str, Any]:
    return dict(zip(card.labels, card.thresholds, strict=True))


def _scores(card: inference.ModelCard) -> Mapping[str, Any]:
    """F1 by the images that it is of."""
    return {split: told["f1"] for split, told in card.metrics.items() if isinstance(told, Mapping)}


def _changed(what: str, first: Mapping[str, Any], again: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*first, *again}):
        if first.get(name) != again.get(name):
            yield f"{what}{name}: {first.get(name)} at first, {again.get(name)} now"
