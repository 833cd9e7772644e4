"""Whole trainings in their own process: from two manifests to a model, whatever is killed on the way."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.training.shapes import LABELS, VERSION, spec_of_kind, spec_on, trained_once

from customlabels.inference import BOXES, MULTI_LABEL, Predictor, detect
from customlabels.training import (
    Progress,
    TrainingCancelled,
    TrainingFailed,
    TrainingOutcome,
    TrainingSpec,
    train,
)
from customlabels.training.plan import MODEL, Plan, size_for

SOURCES = Path(__file__).parents[2] / "src"
KILLED, ORPHANED = -signal.SIGKILL, 3


def never() -> bool:
    return False


def ignore(_: Progress) -> None:
    """Take no notice of progress."""


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> TrainingSpec:
    return spec_on(tmp_path_factory.mktemp("shapes"), each=12, tested=5, checkpoint_seconds=0.0)


@pytest.fixture(scope="module", params=[MULTI_LABEL, BOXES])
def of_another_kind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainingSpec, TrainingOutcome]:
    """A training of another kind of model."""
    return trained_once(tmp_path_factory, request.param)


@pytest.fixture(scope="module")
def other(of_another_kind: tuple[TrainingSpec, TrainingOutcome]) -> TrainingSpec:
    return of_another_kind[0]


@pytest.fixture(scope="module")
def other_outcome(of_another_kind: tuple[TrainingSpec, TrainingOutcome]) -> TrainingOutcome:
    return of_another_kind[1]


@pytest.fixture(scope="module")
def outcome(spec: TrainingSpec) -> TrainingOutcome:
    """The training that the tests below look at, uninterrupted."""
    return train(spec, ignore, never)


def document(spec: TrainingSpec, key: str) -> Any:
    return json.loads((spec.buckets["output"] / key).read_text())


def planned_alike(spec: TrainingSpec, folder: Path) -> TrainingSpec:
    """The same training in a folder of its own, by the same plan, nothing learned yet."""
    (folder / "state" / "cache").mkdir(parents=True)
    for name in ("state/plan.json", "state/state.json"):
        shutil.copy(spec.work_folder / name, folder / name)
    return replace(spec, work_folder=folder)


def killed_after(spec: TrainingSpec, seconds: float = 0.0, *, once: str = "") -> int:
    """Start a training process, kill it some seconds after its first word; returns its exit status.

    once: a file of its state, for which the seconds wait
    """
    command = [sys.executable, "-P", "-m", "customlabels.training"]
    environment = {**os.environ, "PYTHONPATH": str(SOURCES), "OMP_NUM_THREADS": "1"}
    quiet, pipe = subprocess.DEVNULL, subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=quiet) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(spec.to_json().encode() + b"\n")
        child.stdin.flush()
        child.stdout.readline()
        assert eventually((spec.work_folder / "state" / once).exists, 120, pause=0.005)
        time.sleep(seconds)
        child.kill()
    return int(child.returncode)


def assert_same_model(one: Path, other: Path) -> None:
    """Weights, graph and card of two model folders are the same, bit by bit."""
    expected, found = load_file(one / "weights.safetensors"), load_file(other / "weights.safetensors")
    assert expected.keys() == found.keys()
    assert all(np.array_equal(expected[key], found[key]) for key in expected)
    assert (one / "model.json").read_text() == (other / "model.json").read_text()


def test_a_training_leaves_a_model_that_answers(spec: TrainingSpec, outcome: TrainingOutcome) -> None:
    predictor = Predictor.load(outcome.artefact_folder)
    image = (spec.buckets["images"] / "test" / "circle-0.png").read_bytes()

    everything = detect(predictor, image, min_confidence=0)

    assert predictor.labels == outcome.labels == tuple(sorted(LABELS))
    assert {found.name for found in everything} == set(LABELS)
    assert sum(found.confidence for found in everything) == pytest.approx(100, abs=0.01)


def test_its_figures_agree_wherever_they_stand(spec: TrainingSpec, outcome: TrainingOutcome) -> None:
    summary = document(spec, outcome.summary_key)
    card = json.loads((outcome.artefact_folder / "model.json").read_text())

    low, high = outcome.f1_interval
    assert low <= outcome.f1 <= high
    assert outcome.f1 <= card["metrics"]["test_tuned"]["f1"]
    assert summary["AggregatedEvaluationResults"]["F1Score"] == outcome.f1
    assert summary["EvaluationDetails"]["ProjectVersionArn"] == VERSION
    assert card["metrics"]["test"]["f1"] == outcome.f1
    assert card["card"]["plan"] == json.loads((spec.work_folder / "state/plan.json").read_text())
    assert set(card["card"]["curves"]) == {"fold-1", "fold-2", "fold-3", "model"}


def test_its_documents_lie_under_the_services_names(spec: TrainingSpec, outcome: TrainingOutcome) -> None:
    kinds = {
        "EvaluationResultSummary", "Evidence", "TestingGroundTruth", "TrainingGroundTruth", "ManifestSummary",
        "TrainingManifestWithValidation", "TestingManifestWithValidation", "TrainingRecord",
    }  # fmt: skip
    tested = (spec.buckets["output"] / "runs/TestingGroundTruth-shapes-v1.json").read_text().splitlines()

    assert outcome.output_keys == {kind: f"runs/{kind}-shapes-v1.json" for kind in kinds}
    assert all((spec.buckets["output"] / key).is_file() for key in outcome.output_keys.values())
    assert (len(tested), outcome.training_images) == (15, 36)
    assert json.loads(tested[0])["rekognition-custom-labels-evaluation-0-metadata"]["class-name"] == "circle"


def test_what_was_said_of_images_that_were_not_learned_from_is_kept(
    spec: TrainingSpec, outcome: TrainingOutcome
) -> None:
    told = document(spec, outcome.output_keys["TrainingRecord"])
    card = json.loads((outcome.artefact_folder / "model.json").read_text())

    kept = told["OutOfFold"]["Kept"]
    assert told["LeftOut"]["Kept"] == []  # in folds every image was held out
    assert len({image["Image"] for image in kept}) == len(kept) == outcome.training_images
    names = [image["Image"].rsplit("/", 1)[-1].split("-")[0] for image in kept]
    assert [image["Truth"] for image in kept] == [[told["Labels"].index(name)] for name in names]
    assert told["TrainingImages"] == dict.fromkeys(LABELS, 12)
    assert all(sum(image["Scores"]) == pytest.approx(1, abs=0.001) for image in kept)
    assert told["Training"] == card["card"]
    assert told["Digests"] == card["digests"]


def test_of_another_kind_the_same_is_kept(other: TrainingSpec, other_outcome: TrainingOutcome) -> None:
    told = document(other, other_outcome.output_keys["TrainingRecord"])

    kept, plan = told["OutOfFold"]["Kept"], json.loads((other.work_folder / "state/plan.json").read_text())
    assert told["Kind"] == other_outcome.kind
    assert told["Training"]["plan"] == plan
    assert len(kept) == told["OutOfFold"]["Images"]
    hurried = told["Kind"] == BOXES  # no time for folds within a second, which image labels need all the same
    assert plan["hurried"] == hurried
    assert ("too little time to learn in folds" in "".join(told["Training"]["notes"])) == hurried
    share = 1 / 4 if hurried else 1
    assert len(kept) == pytest.approx(other_outcome.training_images * share, abs=2 * hurried)
    assert (set(told["Training"]["curves"]) == {MODEL}) == hurried
    if told["Kind"] == BOXES:
        boxes = [box for image in kept for box in (*image["Truth"], *image["Found"])]
        assert boxes
        assert all(0 <= side <= 1 for _label, _score, *sides in boxes for side in sides)


def test_a_finished_training_answers_at_once_when_it_is_asked_again(
    spec: TrainingSpec, outcome: TrainingOutcome
) -> None:
    before = (outcome.artefact_folder / "model.json").stat().st_mtime_ns

    again = train(spec, ignore, never)

    assert again == outcome
    assert (outcome.artefact_folder / "model.json").stat().st_mtime_ns == before


def test_a_training_of_another_kind_that_is_killed_ends_with_the_same_bits(
    other: TrainingSpec, other_outcome: TrainingOutcome, tmp_path: Path
) -> None:
    again = replace(planned_alike(other, tmp_path / "killed"), checkpoint_seconds=0.0)

    status = killed_after(again, once="checkpoint.safetensors")
    resumed = train(again, ignore, never)

    assert status == KILLED
    assert_same_model(resumed.artefact_folder, other_outcome.artefact_folder)


def test_a_model_of_another_kind_answers_in_its_own_way(
    other: TrainingSpec, other_outcome: TrainingOutcome
) -> None:
    image = (other.buckets["images"] / "tested" / "0.png").read_bytes()

    everything = detect(Predictor.load(other_outcome.artefact_folder), image, min_confidence=0)

    assert everything
    assert {found.name for found in everything} <= set(LABELS)
    assert all((found.box is not None) is (other_outcome.kind == BOXES) for found in everything)
    if other_outcome.kind == MULTI_LABEL:  # each label has a score of its own
        assert len(everything) == len(LABELS)
        assert sum(found.confidence for found in everything) != pytest.approx(100, abs=0.1)


def test_the_summary_of_another_kind_can_be_counted_again_from_its_lines(
    other: TrainingSpec, other_outcome: TrainingOutcome
) -> None:
    summary = document(other, other_outcome.summary_key)
    text = (other.buckets["output"] / other_outcome.output_keys["TestingGroundTruth"]).read_text()
    counted: dict[str, Counter[str]] = {label: Counter() for label in other_outcome.labels}
    for written_line in map(json.loads, text.splitlines()):
        for label, details in judgements(written_line):
            counted[label].update(name for name, value in details.items() if value is True)

    for label, told in summary["CustomLabels"]["LabelCounts"].items():
        assert counted[label]["is-true-positive"] == told["TruePositives"]
        assert counted[label]["is-false-positive"] == told["FalsePositives"]
        assert counted[label]["is-false-negative"] == told["FalseNegatives"]
    aggregated = summary["AggregatedEvaluationResults"]
    assert ("AveragePrecision" in aggregated) == (other_outcome.kind == BOXES)
    assert ("ConfusionMatrix" in aggregated) == (other_outcome.kind == MULTI_LABEL)
    assert aggregated["F1Score"] == other_outcome.f1


@pytest.fixture(scope="module")
def learned_again(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingSpec, TrainingOutcome]:
    """A training of boxes with a course that holds images out, and one on all of them."""
    spec = spec_of_kind(tmp_path_factory.mktemp("again"), BOXES, count=280)
    size = size_for(BOXES, [(64, 64)], [32.0])
    plan = Plan(0, size, 12, 12, 1, bfloat16=False, mirror=True, step_seconds=0.1, again=True).to_json()
    spec = replace(spec, plan=plan, checkpoint_seconds=0.0)
    return spec, train(spec, ignore, never)


def test_a_training_with_a_second_course_on_all_images_keeps_what_the_first_one_held_out(
    learned_again: tuple[TrainingSpec, TrainingOutcome],
) -> None:
    spec, outcome = learned_again
    told = document(spec, outcome.output_keys["TrainingRecord"])
    card = json.loads((outcome.artefact_folder / "model.json").read_text())

    assert set(card["card"]["curves"]) == {"tried", "model"}
    assert told["OutOfFold"]["Images"] == pytest.approx(0.15 * 280, abs=3)
    assert outcome.training_images == 280


def test_a_second_course_that_is_killed_ends_with_the_same_bits(
    learned_again: tuple[TrainingSpec, TrainingOutcome], tmp_path: Path
) -> None:
    spec, outcome = learned_again
    again = replace(spec, work_folder=tmp_path / "killed")

    status = killed_after(again, 0.2, once="said-tried.safetensors")
    resumed = train(again, ignore, never)

    assert status == KILLED
    assert_same_model(resumed.artefact_folder, outcome.artefact_folder)


def test_boxes_of_images_that_may_be_mirrored_are_looked_for_both_ways(
    learned_again: tuple[TrainingSpec, TrainingOutcome],
) -> None:
    predictor = Predictor.load(learned_again[1].artefact_folder)
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)

    scores, mirrored = (predictor.raw(each)[0].reshape(8, 8, -1) for each in (image, image[:, :, ::-1]))

    assert np.allclose(scores, mirrored[:, ::-1], atol=1e-5)


def judgements(written_line: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The label and the verdict of everything that a line of the testing output judges."""
    job, details = "rekognition-custom-labels-evaluation", "rekognition-custom-labels-evaluation-details"
    if job in written_line:
        metadata = written_line[f"{job}-metadata"]
        for box, told in zip(written_line[job]["annotations"], metadata["objects"], strict=True):
            yield metadata["class-map"][str(box["class_id"])], told[details]
        return
    for key, value in written_line.items():
        if key.startswith(job) and key.endswith("-metadata"):
            yield value["class-name"], value[details]


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_a_training_that_is_killed_at_every_turn_ends_with_the_same_bits(
    spec: TrainingSpec, outcome: TrainingOutcome, tmp_path: Path
) -> None:
    chance = random.Random(1)
    for number in range(10):
        again = planned_alike(spec, tmp_path / str(number))
        for _ in range(4):
            killed_after(again, chance.uniform(0.0, 6.0))
        assert_same_model(train(again, ignore, never).artefact_folder, outcome.artefact_folder)


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_trainings_of_other_kinds_that_are_killed_at_every_turn_end_with_the_same_bits(
    other: TrainingSpec, other_outcome: TrainingOutcome, tmp_path: Path
) -> None:
    chance = random.Random(2)
    for number in range(10):
        again = planned_alike(other, tmp_path / str(number))
        for _ in range(4):
            killed_after(again, chance.uniform(0.0, 8.0))
        assert_same_model(train(again, ignore, never).artefact_folder, other_outcome.artefact_folder)


def children() -> set[int]:
    """Processes that this one started and that are still there."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        found |= {int(number) for number in (task / "children").read_text().split()}
    return found


def kill_new(before: set[int]) -> None:
    for child in children() - before:
        os.kill(child, signal.SIGKILL)


def test_a_process_that_is_killed_again_and_again_becomes_an_error_with_its_reason(tmp_path: Path) -> None:
    before, seen = children(), list[Progress]()
    spec = spec_on(tmp_path)
    spec.work_folder.mkdir()
    (spec.work_folder / "training.log").write_text("some words\nthe last words\n")

    def kill(progress: Progress) -> None:
        seen.append(progress)
        kill_new(before)

    with pytest.raises(TrainingFailed, match=r"signal SIGKILL.*memory.*the last words") as caught:
        train(spec, kill, never)

    assert caught.value.code == "TRAINING_CRASHED"
    assert [progress.stage for progress in seen] == ["waiting"] * 3
    assert children() == before


def test_a_process_that_is_killed_twice_goes_on_to_the_same_bits(
    spec: TrainingSpec, outcome: TrainingOutcome, tmp_path: Path
) -> None:
    other = planned_alike(spec, tmp_path / "killed")
    before, starts, kills = children(), list[Progress](), list[set[int]]()
    awaited = ["checkpoint.safetensors", "said-fold-2.safetensors"]

    def kill_in_the_middle() -> bool:
        if awaited and (other.work_folder / "state" / awaited[0]).exists():
            awaited.pop(0)
            kills.append(children() - before)
            kill_new(before)
        return False

    def count_starts(progress: Progress) -> None:
        if progress.stage == "waiting":
            starts.append(progress)

    resumed = train(other, count_starts, kill_in_the_middle, poll_seconds=0.01)

    assert (len(kills), len(starts)) == (2, 3)
    assert resumed.f1 == outcome.f1
    assert_same_model(resumed.artefact_folder, outcome.artefact_folder)


def test_a_process_that_ends_by_itself_is_not_started_again(tmp_path: Path) -> None:
    spec, seen = spec_on(tmp_path), list[Progress]()
    spec.train_manifest.unlink()

    with pytest.raises(TrainingFailed, match=r"with status 1.*FileNotFoundError") as caught:
        train(spec, seen.append, never)

    assert caught.value.code == "TRAINING_CRASHED"
    assert len(seen) == 1


def test_a_cancelled_training_leaves_no_process(tmp_path: Path) -> None:
    before, seen = children(), list[Progress]()

    with pytest.raises(TrainingCancelled):
        train(spec_on(tmp_path), seen.append, lambda: bool(seen))

    assert seen[0].stage == "waiting"
    assert children() == before


def test_data_that_cannot_be_trained_on_fails_with_its_summary(tmp_path: Path) -> None:
    spec = spec_on(tmp_path)
    spec.train_manifest.write_text("{\n" * 30)

    with pytest.raises(TrainingFailed) as caught:
        train(spec, ignore, never)

    assert caught.value.code == "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST"
    assert document(spec, caught.value.output_keys["ManifestSummary"])["errors"] == []


STARTER = """
import sys
from customlabels.training import TrainingSpec, train
train(TrainingSpec.from_json(sys.argv[1]), lambda progress: print(progress.stage, flush=True), lambda: False)
"""


def test_a_training_ends_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    spec = replace(spec_on(tmp_path), budget_seconds=600.0)
    command = [sys.executable, "-c", STARTER, spec.to_json()]
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}

    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "waiting\n"
        trainer = int(Path(f"/proc/{starter.pid}/task/{starter.pid}/children").read_text())
        starter.kill()

    assert eventually(lambda: not is_running(trainer))


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(condition: Callable[[], bool], seconds: float = 20.0, pause: float = 0.05) -> bool:
    """Whether the condition comes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(pause)
    return False


def test_the_door_does_not_bring_torch_along() -> None:
    program = "import sys, customlabels.training; print('torch' in sys.modules, 'sklearn' in sys.modules)"

    said = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert said.stdout.split() == ["False", "False"]


def test_a_training_starts_from_the_weights_of_an_earlier_model(
    spec: TrainingSpec, outcome: TrainingOutcome, tmp_path: Path
) -> None:
    anew = replace(spec, work_folder=tmp_path, backbone_folder=outcome.artefact_folder)

    told = train(anew, ignore, never)

    before, after = (load_file(each.artefact_folder / "weights.safetensors") for each in (outcome, told))
    assert before.keys() == after.keys()
    assert not np.array_equal(before["stem.0.weight"], after["stem.0.weight"])
    assert told.f1 >= outcome.f1 - 0.2


def test_a_folder_without_weights_of_ours_is_no_start(spec: TrainingSpec, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()

    with pytest.raises(TrainingFailed, match=r"backbone.*other"):
        train(replace(spec, work_folder=tmp_path / "work", backbone_folder=tmp_path / "other"), ignore, never)


def begun(outcome: TrainingOutcome) -> Any:
    """What a model's card says of the weights that its net began with."""
    return json.loads((outcome.artefact_folder / "model.json").read_text())["card"]["backbone"]


def test_a_net_begins_with_weights_of_drawn_images(outcome: TrainingOutcome) -> None:
    assert begun(outcome)["name"] == "drawn images"
    assert len(begun(outcome)["digest"]) == 64


def test_a_net_of_another_kind_begins_with_weights_of_drawn_images(
    outcome: TrainingOutcome, other_outcome: TrainingOutcome
) -> None:
    assert begun(other_outcome)["name"] == "drawn images"
    assert (begun(other_outcome)["digest"] == begun(outcome)["digest"]) is (other_outcome.kind != BOXES)


def test_a_net_begins_from_scratch_where_that_is_asked_for(spec: TrainingSpec, tmp_path: Path) -> None:
    assert begun(train(replace(spec, work_folder=tmp_path, from_scratch=True), ignore, never)) is None


def test_another_start_is_another_training(spec: TrainingSpec) -> None:
    assert replace(spec, from_scratch=True).digest() != spec.digest()
