"""From a learned net to a released model: calibrated, exported, compared, measured once, written down.

Layer: training (torch). The test images are scored here for the first time, by the exported graph: what is
measured is what will be served.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any

import numpy as np
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
from customlabels.training.calibration import probabilities, temperature_for
from customlabels.training.checkpoints import load_weights, save_weights
from customlabels.training.documents import (
    MANIFEST_SUMMARY,
    SUMMARY,
    TESTING_TRUTH,
    TRAINING_TRUTH,
    Documents,
)
from customlabels.training.durable import sync_file, sync_folder, write_json
from customlabels.training.exporting import COMPARED, check_agreement, export_graph
from customlabels.training.material import Material, Part
from customlabels.training.network import Classifier, Served
from customlabels.training.plan import Course, Plan
from customlabels.training.single_label import Examples
from customlabels.training.spec import TrainingOutcome, TrainingSpec
from customlabels.training.workfolder import WorkFolder

__all__ = ["HeldOut", "Learned", "release"]

LIBRARIES = ("torch", "onnx", "onnxscript", "onnxruntime", "numpy", "pillow", "safetensors")
SCORED_AT_ONCE = 256  # test images; bounds memory


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What a course said of the images it did not learn from. logits: (len(course.held_out), labels) float"""

    course: Course
    logits: NDArray[np.float32]
    history: Sequence[dict[str, Any]]


@dataclass(frozen=True, eq=False)
class Learned:
    """A training whose courses are taken; the net's weights lie in the work folder."""

    spec: TrainingSpec
    plan: Plan
    material: Material
    examples: Examples
    courses: Sequence[HeldOut]


@dataclass(frozen=True, eq=False)
class _Cuts:
    """What the held-out images decide. thresholds: (labels,), 0..1     validation: on those images"""

    temperature: float
    thresholds: NDArray[np.floating[Any]]
    validation: Evaluation


def release(
    learned: Learned, folder: WorkFolder, documents: Documents, now: Callable[[], datetime]
) -> TrainingOutcome:
    """Put the artefact and the output documents in place; raises TrainingFailed before either."""
    spec, material, training = learned.spec, learned.material, learned.material.training
    cuts = _cuts(learned)
    predictor, difference = _exported(learned, cuts, folder)
    predictions = _test_predictions(material, predictor)
    honest = evaluate(predictions, cuts.thresholds, OUT_OF_FOLD, spec.seed)
    tuned = evaluate_test_tuned(predictions, spec.seed)
    metrics = {
        "test": _figures(honest),
        "test_tuned": _figures(tuned),
        "validation": _figures(cuts.validation),
        "export_difference": difference,
    }
    write_card(folder.unfinished, _card(learned, cuts, metrics))
    sync_folder(folder.unfinished)
    shutil.rmtree(folder.artefact, ignore_errors=True)  # of a run that was killed before it could answer
    folder.unfinished.rename(folder.artefact)
    sync_folder(folder.path)

    ended = now()
    lines = (
        prediction_line(predictions, row, reference, cuts.thresholds, ended)
        for row, reference in enumerate(material.testing.references)
    )
    documents.write_lines(TESTING_TRUTH, lines)
    documents.write_lines(TRAINING_TRUTH, (entry.line for entry in training.entries))
    documents.write_json(SUMMARY, summary(honest, tuned, spec.version_arn, ended, len(training.entries)))
    outcome = _outcome(learned, folder, documents, honest, tuned)
    write_json(folder.outcome, outcome.to_json())
    return outcome


def _cuts(learned: Learned) -> _Cuts:
    """Temperature, then thresholds, on the held-out predictions of all courses together."""
    logits = np.concatenate([held_out.logits for held_out in learned.courses])
    truth = np.concatenate([learned.examples.truth[held_out.course.held_out] for held_out in learned.courses])
    temperature = temperature_for(logits, truth)
    scores = probabilities(logits, temperature)
    carried = _rows(truth, learned.examples.labels)
    thresholds = best_thresholds(scores, carried)
    seen = Predictions(learned.material.labels, scores, carried, "held-out training images")
    return _Cuts(temperature, thresholds, evaluate(seen, thresholds, OUT_OF_FOLD, learned.spec.seed))


def _exported(learned: Learned, cuts: _Cuts, folder: WorkFolder) -> tuple[Predictor, float]:
    """The model folder, not yet in place, loaded as a server will load it; and how far it is from the net."""
    net = Classifier(learned.examples.labels)
    load_weights(folder.weights, net)
    shutil.rmtree(folder.unfinished, ignore_errors=True)
    folder.unfinished.mkdir()
    told = {"labels": learned.material.labels, "temperature": cuts.temperature}
    save_weights(folder.unfinished / "weights.safetensors", net, told)
    served = Served(net, cuts.temperature)
    export_graph(served, learned.plan.side, folder.unfinished / "model.onnx")
    sync_file(folder.unfinished / "model.onnx")
    write_card(folder.unfinished, _card(learned, cuts, {}))
    predictor = Predictor.load(folder.unfinished, learned.plan.threads)
    held_out = np.concatenate([course.course.held_out for course in learned.courses])
    images = learned.examples.as_served(held_out[:COMPARED])
    return predictor, check_agreement(served, predictor, images)


def _test_predictions(material: Material, predictor: Predictor) -> Predictions:
    testing: Part = material.testing
    places = np.arange(len(testing.truth))
    scores = [np.zeros((0, len(material.labels)), dtype=np.float32)]
    for start in range(0, len(places), SCORED_AT_ONCE):
        scores.append(predictor.scores_of(testing.images(places[start : start + SCORED_AT_ONCE])))
    return Predictions(material.labels, np.concatenate(scores), _rows(testing.truth, len(material.labels)))


def _rows(truth: NDArray[np.int64], labels: int) -> NDArray[np.bool_]:
    """(n,) indices to (n, labels) bool."""
    return np.eye(labels, dtype=bool)[truth]


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    kept = ("images", "protocol", "precision", "recall", "f1", "pooled_f1")
    return {
        **{name: getattr(evaluation, name) for name in kept},
        "f1_interval": asdict(evaluation.f1_interval),
    }


def _card(learned: Learned, cuts: _Cuts, metrics: dict[str, Any]) -> ModelCard:
    """What the model is and how it was made; without times, so that a training writes one card."""
    spec, material = learned.spec, learned.material
    return ModelCard(
        labels=material.labels,
        thresholds=tuple(float(threshold) for threshold in cuts.thresholds),
        preprocessing=Preprocessing(learned.plan.side),
        metrics=metrics,
        environment={
            "python": platform.python_version(),
            "machine": platform.machine(),
            **{name: version(name) for name in LIBRARIES},
        },
        card={
            "project": spec.project_name,
            "version": spec.version_name,
            "seed": spec.seed,
            "data_digest": material.digest,
            "training_images": len(material.training.entries),
            "testing_images": len(material.testing.entries),
            "temperature": cuts.temperature,
            "plan": learned.plan.to_json(),
            "curves": {held_out.course.name: list(held_out.history) for held_out in learned.courses},
            "notes": list(material.notes),
        },
    )


def _outcome(
    learned: Learned, folder: WorkFolder, documents: Documents, honest: Evaluation, tuned: Evaluation
) -> TrainingOutcome:
    material = learned.material
    return TrainingOutcome(
        artefact_folder=folder.artefact,
        f1=honest.f1,
        f1_interval=(honest.f1_interval.low, honest.f1_interval.high),
        test_tuned_f1=tuned.f1,
        summary_key=documents.keys[SUMMARY],
        manifest_summary_key=documents.keys[MANIFEST_SUMMARY],
        output_keys=documents.keys,
        seconds=folder.seconds(),
        labels=material.labels,
        training_images=len(material.training.entries),
        testing_images=len(material.testing.entries),
        unusable_training_lines=material.training.invalid_lines,
        unusable_testing_lines=material.testing.invalid_lines,
        excluded_test_labels=material.excluded_labels,
        notes=material.notes,
    )
