"""From a learned net to a released model: calibrated, exported, compared, measured once, written down.

Layer: training (torch). The test images are scored here for the first time, by the exported graph: what is
measured is what will be served.
"""

from __future__ import annotations

import json
import logging
import platform
import shutil
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

from customlabels.evaluation import (
    OUT_OF_FOLD,
    Evaluation,
    Predictions,
    best_thresholds,
    evaluate,
    evaluate_test_tuned,
    prediction_line,
    summary,
)
from customlabels.images import Preprocessing
from customlabels.inference import ModelCard, Predictor, write_card
from customlabels.storage import sync
from customlabels.training.calibration import probabilities, temperature_for
from customlabels.training.checkpoints import read_tensors, write_tensors
from customlabels.training.documents import Documents
from customlabels.training.material import Part
from customlabels.training.network import Classifier, Served
from customlabels.training.plan import Course
from customlabels.training.planning import Ready
from customlabels.training.spec import TrainingFailed, TrainingOutcome
from customlabels.training.workfolder import WorkFolder, write_json

__all__ = ["HeldOut", "release"]

LIBRARIES = ("torch", "onnx", "onnxscript", "onnxruntime", "numpy", "pillow", "safetensors")
OPSET = 18
LARGEST_DIFFERENCE = 1e-3  # of a score, between torch and the graph; measured: about 1e-7
COMPARED = 32  # images
SCORED_AT_ONCE = 256  # test images; bounds memory


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What a course said of the images it did not learn from. logits: (len(course.held_out), labels) float"""

    course: Course
    logits: NDArray[np.float32]
    history: Sequence[dict[str, Any]]


def release(
    ready: Ready,
    scored: Sequence[HeldOut],
    folder: WorkFolder,
    documents: Documents,
    now: Callable[[], datetime],
) -> TrainingOutcome:
    """Put the artefact and the output documents in place; raises TrainingFailed before either."""
    spec, material = ready.spec, ready.material
    training, testing = material.training, material.testing
    temperature, validation = _calibrated(ready, scored)
    thresholds = np.array(validation.thresholds)
    card = _card(ready, scored, temperature, thresholds)
    predictor, difference = _exported(ready, scored, card, temperature, folder)
    predictions = Predictions(material.labels, _scores(testing, predictor), _rows(testing, material.labels))
    honest = evaluate(predictions, thresholds, OUT_OF_FOLD, spec.seed)
    tuned = evaluate_test_tuned(predictions, spec.seed)
    figures = {"test": honest, "test_tuned": tuned, "validation": validation}
    metrics = {name: _figures(evaluation) for name, evaluation in figures.items()}
    _put_in_place(folder, replace(card, metrics={**metrics, "export_difference": difference}))

    ended = now()
    lines = (
        json.dumps(prediction_line(predictions, row, entry.source_ref, thresholds, ended))
        for row, entry in enumerate(testing.entries)
    )
    documents.write_lines("TestingGroundTruth", lines)
    documents.write_lines("TrainingGroundTruth", (entry.line for entry in training.entries))
    evaluated = summary(honest, tuned, spec.version_arn, ended, len(training.entries))
    documents.write("EvaluationResultSummary", evaluated)
    outcome = TrainingOutcome(
        artefact_folder=folder.artefact,
        f1=honest.f1,
        f1_interval=(honest.f1_interval.low, honest.f1_interval.high),
        test_tuned_f1=tuned.f1,
        summary_key=documents.keys["EvaluationResultSummary"],
        manifest_summary_key=documents.keys["ManifestSummary"],
        output_keys=documents.keys,
        seconds=folder.seconds(),
        labels=material.labels,
        training_images=len(training.entries),
        testing_images=len(testing.entries),
        unusable_training_lines=training.invalid_lines,
        unusable_testing_lines=testing.invalid_lines,
    )
    write_json(folder.outcome, outcome.to_json())
    return outcome


def _calibrated(ready: Ready, scored: Sequence[HeldOut]) -> tuple[float, Evaluation]:
    """The temperature, then thresholds and figures, on the held-out predictions of all courses together."""
    logits = np.concatenate([course.logits for course in scored])
    truth = ready.examples.truth[_held_out(scored)]
    temperature = temperature_for(logits, truth)
    scores, carried = probabilities(logits, temperature), np.eye(ready.examples.labels, dtype=bool)[truth]
    seen = Predictions(ready.material.labels, scores, carried, "held-out training images")
    return temperature, evaluate(seen, best_thresholds(scores, carried), OUT_OF_FOLD, ready.spec.seed)


def _held_out(scored: Sequence[HeldOut]) -> NDArray[np.int64]:
    """Indices of the images in the order of the courses' logits."""
    return np.concatenate([course.course.held_out for course in scored])


def _card(
    ready: Ready, scored: Sequence[HeldOut], temperature: float, thresholds: NDArray[np.float64]
) -> ModelCard:
    """What the model is and how it was made; without times, so that a training writes one card."""
    spec, material = ready.spec, ready.material
    libraries = {name: version(name) for name in LIBRARIES}
    return ModelCard(
        labels=material.labels,
        thresholds=tuple(thresholds.tolist()),
        preprocessing=Preprocessing(ready.plan.side),
        environment={"python": platform.python_version(), "machine": platform.machine(), **libraries},
        card={
            "project": spec.project_name,
            "version": spec.version_name,
            "seed": spec.seed,
            "data_digest": material.digest,
            "training_images": len(material.training.entries),
            "testing_images": len(material.testing.entries),
            "temperature": temperature,
            "plan": asdict(ready.plan),
            "curves": {course.course.name: list(course.history) for course in scored},
            "notes": list(material.notes),
        },
    )


def _exported(
    ready: Ready, scored: Sequence[HeldOut], card: ModelCard, temperature: float, folder: WorkFolder
) -> tuple[Predictor, float]:
    """The model folder, not yet in place, loaded as a server will load it; and how far it is from the net."""
    net, (weights, _) = Classifier(ready.examples.labels), read_tensors(folder.weights)
    net.load_state_dict(weights)
    shutil.rmtree(folder.unfinished, ignore_errors=True)
    folder.unfinished.mkdir()
    told = {"labels": card.labels, "temperature": temperature}
    write_tensors(folder.unfinished / "weights.safetensors", weights, told)
    served = Served(net, temperature).eval()
    _export(served, ready.plan.side, folder.unfinished / "model.onnx")
    write_card(folder.unfinished, card)
    predictor = Predictor.load(folder.unfinished, ready.plan.threads)

    images = ready.examples.as_served(_held_out(scored)[:COMPARED])
    with torch.inference_mode():
        expected = served(torch.from_numpy(images)).numpy()
    difference = float(np.abs(predictor.scores_of(images) - expected).max(initial=0.0))
    if difference > LARGEST_DIFFERENCE:
        text = f"the exported model differs from the trained one by {difference:.2g} in a score; at most "
        raise TrainingFailed(
            "TRAINING_EXPORT", f"{text}{LARGEST_DIFFERENCE:g} is allowed. Nothing was released"
        )
    return predictor, difference


def _export(served: Served, side: int, path: Path) -> None:
    """Write model.onnx: uint8 (n, side, side, 3) in, float (n, labels) out, any n. Raises TrainingFailed."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter's own use of deprecated names
            program = torch.onnx.export(
                served,
                (torch.zeros((2, side, side, 3), dtype=torch.uint8),),
                dynamo=True,
                opset_version=OPSET,
                input_names=["images"],
                output_names=["scores"],
                dynamic_shapes={"images": {0: torch.export.Dim("batch", min=1)}},
                verbose=False,
            )
        assert program is not None
        for node in program.model.graph.all_nodes():
            node.metadata_props.clear()  # stack traces, with the names of this machine's folders
        program.save(path, external_data=False)
    except Exception as error:  # the exporter's errors share no family; whatever it is, there is no model
        raise TrainingFailed(
            "TRAINING_EXPORT", f"the trained model could not be exported: {error}"
        ) from error
    sync(path)


def _scores(testing: Part, predictor: Predictor) -> NDArray[np.float32]:
    """(images, labels) float, 0..1, of the test images."""
    scores = [np.zeros((0, len(predictor.labels)), dtype=np.float32)]
    for start in range(0, len(testing.truth), SCORED_AT_ONCE):
        scores.append(predictor.scores_of(testing.images(slice(start, start + SCORED_AT_ONCE))))
    return np.concatenate(scores)


def _rows(testing: Part, labels: Sequence[str]) -> NDArray[np.bool_]:
    """(images, labels) bool: what each test image carries."""
    return np.eye(len(labels), dtype=bool)[testing.truth]


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    kept = ("images", "protocol", "precision", "recall", "f1", "pooled_f1")
    figures = {name: getattr(evaluation, name) for name in kept}
    return {**figures, "f1_interval": asdict(evaluation.f1_interval)}


def _put_in_place(folder: WorkFolder, card: ModelCard) -> None:
    """Complete the model folder and give it its name; a power cut leaves it as it was or complete."""
    write_card(folder.unfinished, card)
    sync(folder.unfinished)
    shutil.rmtree(folder.artefact, ignore_errors=True)  # of a run that was killed before it could answer
    folder.unfinished.rename(folder.artefact)
    sync(folder.path)
