"""From a learned net to a released model: calibrated, exported, compared, measured once, written down.

Layer: training (torch). The test images are scored here for the first time, by the exported graph: what is
measured is what will be served.
"""

from __future__ import annotations

import logging
import platform
import shutil
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from customlabels.evaluation import (
    OUT_OF_FOLD,
    BoxPredictions,
    Evaluation,
    Predictions,
    curve,
    evaluate,
    evaluate_test_tuned,
    steady_thresholds,
    summary,
)
from customlabels.images import Preprocessing
from customlabels.inference import BOXES, WEIGHTS, ModelCard, Predictor, write_card
from customlabels.storage import sync
from customlabels.training.checkpoints import read_tensors, write_tensors
from customlabels.training.documents import Documents
from customlabels.training.image_labels import ImageLabels
from customlabels.training.learning import Said, Weights
from customlabels.training.plan import Course
from customlabels.training.planning import Ready
from customlabels.training.record import training_record
from customlabels.training.spec import TrainingFailed, TrainingOutcome
from customlabels.training.workfolder import WorkFolder, write_json

LIBRARIES = ("torch", "onnx", "onnxruntime", "numpy", "pillow", "safetensors")
OPSET = 18
LARGEST_DIFFERENCE = 1e-3  # of a score or a corner, between torch and the graph; measured: about 1e-6
COMPARED = 32  # images
TIMED = 20  # answers


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What a course said of the images it did not learn from."""

    course: Course
    said: Said
    history: Sequence[dict[str, Any]]


@dataclass(frozen=True, eq=False)
class Settled:
    """What the held-out predictions of all courses together decide, and are worth."""

    served: nn.Module
    weights: Weights
    thresholds: NDArray[np.floating[Any]]
    held_out: Predictions | BoxPredictions
    validation: Evaluation


def release(
    ready: Ready,
    scored: Sequence[HeldOut],
    folder: WorkFolder,
    documents: Documents,
    now: Callable[[], datetime],
) -> TrainingOutcome:
    """Put the artefact and the output documents in place; raises TrainingFailed before either."""
    spec, material, lesson = ready.spec, ready.material, ready.lesson
    training, testing = material.training, material.testing
    settled = _settled(ready, scored, folder)
    card = _card(ready, scored, settled)
    predictor, difference = _exported(ready, scored, card, settled, folder)
    tested = lesson.tested(predictor, testing)
    honest = evaluate(tested, settled.thresholds, OUT_OF_FOLD, spec.seed)
    tuned = evaluate_test_tuned(tested, spec.seed)
    figures = {"test": honest, "test_tuned": tuned, "validation": settled.validation}
    metrics = {name: _figures(evaluation) for name, evaluation in figures.items()}
    evidence = _evidence(ready, tested, folder)
    card = _put_in_place(folder, replace(card, metrics={**metrics, "export_difference": difference}))

    ended = now()
    documents.write_lines("TestingGroundTruth", lesson.lines(tested, testing, settled.thresholds, ended))
    documents.write_lines("TrainingGroundTruth", (entry.line for entry in training.entries))
    evaluated = summary(honest, tuned, spec.version_arn, ended, len(training.entries))
    documents.write("Evidence", evidence)
    documents.write("EvaluationResultSummary", evaluated)
    held_out = _held_out(scored)
    left_out = lesson.said_left_out(held_out) if isinstance(lesson, ImageLabels) else None
    documents.write("TrainingRecord", training_record(card, material, (held_out, settled.held_out), left_out))
    outcome = TrainingOutcome(
        artefact_folder=folder.artefact,
        f1=honest.f1,
        f1_interval=(honest.f1_interval.low, honest.f1_interval.high),
        summary_key=documents.keys["EvaluationResultSummary"],
        output_keys=documents.keys,
        seconds=folder.seconds(),
        kind=material.kind,
        labels=material.labels,
        training_images=len(training.entries),
    )
    write_json(folder.outcome, outcome.to_json())
    return outcome


def _settled(ready: Ready, scored: Sequence[HeldOut], folder: WorkFolder) -> Settled:
    """The net calibrated, thresholds, and figures: on the held-out predictions of all courses together."""
    together = {name: np.concatenate([course.said[name] for course in scored]) for name in scored[0].said}
    predictions, weights = ready.lesson.predicted(together, _held_out(scored))
    thresholds = steady_thresholds(predictions.candidates)
    validation = evaluate(predictions, thresholds, OUT_OF_FOLD, ready.spec.seed)
    net, (state, _) = ready.lesson.net(), read_tensors(folder.weights)
    net.load_state_dict(state)
    return Settled(ready.lesson.served(net, weights).eval(), weights, thresholds, predictions, validation)


def _held_out(scored: Sequence[HeldOut]) -> NDArray[np.int64]:
    """Indices of the images in the order of the courses' predictions."""
    return np.concatenate([course.course.held_out for course in scored])


def _card(ready: Ready, scored: Sequence[HeldOut], settled: Settled) -> ModelCard:
    """What the model is and how it was made; without times, so that a training writes one card."""
    spec, material, size = ready.spec, ready.material, ready.plan.size
    libraries = {name: version(name) for name in LIBRARIES}
    height = None if size.height == size.width else size.height
    return ModelCard(
        kind=material.kind,
        labels=material.labels,
        thresholds=tuple(settled.thresholds.tolist()),
        preprocessing=Preprocessing(size.width, height=height),
        environment={"python": platform.python_version(), "machine": platform.machine(), **libraries},
        card={
            "project": spec.project_name,
            "version": spec.version_name,
            "seed": spec.seed,
            "data_digest": material.digest,
            "training_images": len(material.training.entries),
            "testing_images": len(material.testing.entries),
            "weights": {"net": settled.weights[0], "handcrafted": settled.weights[1]},
            "plan": ready.plan.to_json(),
            "curves": {course.course.name: list(course.history) for course in scored},
            "notes": list(material.notes),
            "backbone": ready.backbone,
        },
    )


def _exported(
    ready: Ready, scored: Sequence[HeldOut], card: ModelCard, settled: Settled, folder: WorkFolder
) -> tuple[Predictor, float]:
    """The model folder, not yet in place, loaded as a server will load it; and how far it is from the net."""
    shutil.rmtree(folder.unfinished, ignore_errors=True)
    folder.unfinished.mkdir()
    told = {"labels": card.labels, "weights": settled.weights}
    write_tensors(folder.unfinished / WEIGHTS, read_tensors(folder.weights)[0], told)
    _export(settled.served, card, folder.unfinished / "model.onnx")
    write_card(folder.unfinished, card)
    predictor = Predictor.load(folder.unfinished, ready.plan.threads)

    images = ready.lesson.as_served(_held_out(scored)[:COMPARED])
    with torch.inference_mode():
        expected = settled.served(torch.from_numpy(images))
    pairs = zip(predictor.raw(images), _arrays(expected), strict=True)
    difference = max(float(np.abs(found - wanted.numpy()).max(initial=0.0)) for found, wanted in pairs)
    if difference > LARGEST_DIFFERENCE:
        text = f"the exported model differs from the trained one by {difference:.2g} in a score; at most "
        raise TrainingFailed(
            "TRAINING_EXPORT", f"{text}{LARGEST_DIFFERENCE:g} is allowed. Nothing was released"
        )
    return predictor, difference


def _export(served: nn.Module, card: ModelCard, path: Path) -> None:
    """Write model.onnx: uint8 (n, height, width, 3) in, any n. Raises TrainingFailed.

    By torch's older exporter, which records one run of the net: half a second, where the newer one takes four
    of what may be a budget of ten. Our nets have no branches that a record could miss, and the comparison
    with the net holds it.
    """
    import onnx

    shape = (2, card.preprocessing.rows, card.preprocessing.size, 3)
    outputs = ["scores", "corners"] if card.kind == BOXES else ["scores"]
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter being the older one
            torch.onnx.export(
                served,
                (torch.zeros(shape, dtype=torch.uint8),),
                str(path),
                dynamo=False,
                opset_version=OPSET,
                input_names=["images"],
                output_names=outputs,
                dynamic_axes={name: {0: "batch"} for name in ["images", *outputs]},
            )
        graph = onnx.load(path)
        arrays = _arrays(served(torch.zeros(shape, dtype=torch.uint8)))
        for output, array in zip(graph.graph.output, arrays, strict=True):
            for place, side in enumerate(array.shape[1:], start=1):  # which the exporter leaves open
                output.type.tensor_type.shape.dim[place].dim_value = side
        for node in graph.graph.node:
            node.ClearField("doc_string")  # stack traces, with the names of this machine's folders
        onnx.save(graph, path)
    except Exception as error:  # the exporter's errors share no family; whatever it is, there is no model
        raise TrainingFailed(
            "TRAINING_EXPORT", f"the trained model could not be exported: {error}"
        ) from error
    sync(path)


def _arrays(outputs: Any) -> Sequence[torch.Tensor]:
    """What a net gives: one array or several."""
    return outputs if isinstance(outputs, tuple) else (outputs,)


def _evidence(ready: Ready, tested: Predictions | BoxPredictions, folder: WorkFolder) -> dict[str, Any]:
    """What the judge and the report may want, and the service's documents do not tell."""
    predictor, size, seconds = Predictor.load(folder.unfinished, 1), ready.plan.size, []
    images = np.zeros((1, size.height, size.width, 3), dtype=np.uint8)
    for _ in range(TIMED + 1):
        began = time.perf_counter()
        predictor.raw(images)
        seconds.append(time.perf_counter() - began)
    evidence: dict[str, Any] = {
        "Leaked": [each["Image"] for each in ready.material.copies.leaked],
        "LatencyMilliseconds": 1000 * float(np.median(seconds[1:])),  # the first one warms up
        "ModelMegabytes": (folder.unfinished / "model.onnx").stat().st_size / 1e6,
    }
    if isinstance(tested, BoxPredictions):  # below their thresholds, too, which the output leaves out
        curves = {label: curve(each) for label, each in zip(tested.labels, tested.candidates, strict=True)}
        evidence["Curves"] = {
            label: {name.capitalize(): array.tolist() for name, array in vars(each).items()}
            for label, each in curves.items()
        }
    return evidence


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    kept = ("images", "protocol", "precision", "recall", "f1", "pooled_f1")
    figures = {name: getattr(evaluation, name) for name in kept}
    further = ("average_precision", "average_recall")
    figures |= {name: value for name in further if (value := getattr(evaluation, name)) is not None}
    return {**figures, "f1_interval": asdict(evaluation.f1_interval)}


def _put_in_place(folder: WorkFolder, card: ModelCard) -> ModelCard:
    """Complete the model folder and give it its name; a power cut leaves it as it was or complete."""
    card = write_card(folder.unfinished, card)
    sync(folder.unfinished)
    shutil.rmtree(folder.artefact, ignore_errors=True)  # of a run that was killed before it could answer
    folder.unfinished.rename(folder.artefact)
    sync(folder.path)
    return card
