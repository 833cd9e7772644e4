"""Several processes that learn one model together, by gloo on the processor."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.training.shapes import spec_on
from tests.training.test_trainings import assert_same_model, children, ignore, never

from customlabels.training import Progress, TrainingFailed, TrainingOutcome, TrainingSpec, train
from customlabels.training.plan import GPU, SMALL_PICTURES, Plan

TWO = Plan(
    0, SMALL_PICTURES, 4, steps=8, threads=1, bfloat16=False, mirror=False, step_seconds=0.01, processes=2
)


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> TrainingSpec:
    plan = TWO.to_json()
    return spec_on(tmp_path_factory.mktemp("shapes"), each=12, tested=5, plan=plan, checkpoint_seconds=0.1)


def below(process: int) -> set[int]:
    """A process and all that it started, however far down."""
    try:
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        started = {int(child) for task in tasks for child in (task / "children").read_text().split()}
    except FileNotFoundError:
        return set()
    return {process}.union(*map(below, started))


def rank_of(process: int) -> str | None:
    """Of a process in its team; None for another."""
    try:
        told = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return next((one.removeprefix(b"RANK=").decode() for one in told if one.startswith(b"RANK=")), None)


@pytest.fixture(scope="module")
def ranks() -> set[str]:
    """Of all processes that were seen while the two learned."""
    return set()


@pytest.fixture(scope="module")
def outcome(spec: TrainingSpec, ranks: set[str]) -> TrainingOutcome:
    def look(_: Progress) -> None:
        ranks.update(rank for process in below(os.getpid()) if (rank := rank_of(process)) is not None)

    return train(spec, look, never)


def test_two_processes_learn_a_model_together(outcome: TrainingOutcome, ranks: set[str]) -> None:
    assert ranks == {"0", "1"}
    assert outcome.f1 > 0.5


@pytest.mark.parametrize(
    "victims", [["1"], pytest.param(["0", None, "1"], marks=pytest.mark.torture)], ids=["once", "thrice"]
)
def test_a_team_of_which_one_is_killed_ends_with_the_same_bits(
    victims: list[str | None], spec: TrainingSpec, outcome: TrainingOutcome, tmp_path: Path
) -> None:
    """victims: ranks, one after the other; None for what started the team"""
    other = replace(spec, work_folder=tmp_path / "killed")
    wanted, before, started = list(victims), below(os.getpid()), children()
    left = ["checkpoint.safetensors", "said-fold-1.safetensors", "said-fold-2.safetensors"]

    def kill_in_the_middle() -> bool:
        team = {rank_of(process): process for process in below(os.getpid()) - before}
        if wanted and {"0", wanted[0]} <= team.keys() and (other.work_folder / "state" / left[0]).exists():
            os.kill(team[wanted.pop(0)], signal.SIGKILL)
            left.pop(0)
        return False

    resumed = train(other, ignore, kill_in_the_middle, poll_seconds=0.05)

    assert not wanted
    assert_same_model(resumed.artefact_folder, outcome.artefact_folder)
    assert children() == started  # not all that is below: a server of other tests starts and loses some


def test_data_that_cannot_be_learned_from_ends_a_team_like_one(spec: TrainingSpec, tmp_path: Path) -> None:
    empty = tmp_path / "empty.manifest"
    empty.write_text("")

    with pytest.raises(TrainingFailed) as caught:
        train(replace(spec, work_folder=tmp_path / "work", train_manifest=empty), ignore, never)

    assert caught.value.code.startswith("ERROR_")


def test_a_plan_for_a_gpu_is_refused_where_there_is_none(spec: TrainingSpec, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    plan = replace(TWO, processes=1, device=GPU).to_json()

    with pytest.raises(TrainingFailed, match="plan was made for a GPU") as caught:
        train(replace(spec, work_folder=tmp_path / "work", plan=plan), ignore, never)

    assert caught.value.code == "TRAINING_SETUP"


def test_a_gpu_learns_what_a_processor_learns(tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    plan = replace(TWO, processes=1, device=GPU, steps=200).to_json()
    one, two = (spec_on(tmp_path / name, each=12, tested=5, plan=plan) for name in "ab")

    outcomes = [train(spec, ignore, never) for spec in (one, two)]

    assert outcomes[0].f1 > 0.9
    assert_same_model(*(outcome.artefact_folder for outcome in outcomes))
