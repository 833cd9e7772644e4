"""The definition, executed by the engine against services in memory: every way through, every ending."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from tests.pipeline.driver import CallRefused, Ending, run
from tests.pipeline.fake_aws import BASE, FakeAws

from customlabels import asl
from customlabels.pipeline import (
    RunInput,
    RunResult,
    Waits,
    current_key,
    decision_key,
    definition,
    local_substitutions,
)

DEFINITION = definition(local_substitutions())
MACHINE = asl.parse(DEFINITION)
INPUT = RunInput(
    training_dataset_arn=f"{BASE}source/dataset/train/1",
    test_dataset_arn=f"{BASE}source/dataset/test/1",
    output_bucket="results",
    output_prefix="models",
    project_name="demo",
    waits=Waits(1, 10, 5, 10, 50, 20),
).to_json()
CURRENT = "results/" + current_key("models", "demo")
DECISION = "results/" + decision_key("models", "demo", "v-run-1")


def states_of(workflow: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """All states of a workflow, those of its Maps too."""
    for name, state in workflow["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from states_of(state["ItemProcessor"])


TASKS = {name: state for name, state in states_of(DEFINITION) if state["Type"] == "Task"}
ON_REKOGNITION = [name for name, state in TASKS.items() if ":rekognition:" in state["Resource"]]

DENIED = CallRefused("Rekognition.AccessDeniedException", "not allowed")
LIMIT = CallRefused("Rekognition.LimitExceededException", "too many at once")
IN_USE = CallRefused("Rekognition.ResourceInUseException", "in use")
THROTTLED = CallRefused("Rekognition.ThrottlingException", "slow down")
TIMEOUT = CallRefused("States.Timeout")
LOST_ANSWER = CallRefused("States.Timeout", heard=True)
NO_BUCKET = CallRefused("S3.NoSuchBucketException", "no such bucket")


def old_in_service() -> FakeAws:
    """A project whose version `old` serves and is named in current.json."""
    aws = FakeAws().with_version("old", "RUNNING").with_datasets()
    return with_current(aws, {"ProjectVersionArn": aws.versions[0].arn, "Replaces": ""})


def old_stopped() -> FakeAws:
    """current.json names a version that someone stopped."""
    aws = old_in_service()
    aws.versions[0].status = "STOPPED"
    return aws


def served_before() -> FakeAws:
    """A run of this name got as far as current.json and ended before it stopped the version it replaced."""
    aws = old_in_service()
    old = aws.versions[0].arn
    aws.with_version("v-run-1", "RUNNING")
    return with_current(aws, {"ProjectVersionArn": aws.versions[0].arn, "Replaces": old})


def with_current(aws: FakeAws, content: Any) -> FakeAws:
    """The account with that content of current.json."""
    aws.objects[CURRENT] = content
    return aws


def mine(status: str, *then: str) -> Callable[[], FakeAws]:
    """The run's own version is there already, in that status; later looks find `then`."""
    return lambda: FakeAws().with_version("v-run-1", status, next=list(then))


def shown(first_looks: int, projects: FakeAws, hidden: FakeAws) -> FakeAws:
    """The account `hidden`, whose first looks for projects see those of another one."""
    looks = iter(range(first_looks))
    see = hidden.describe_projects

    def describe_projects(params: dict[str, Any]) -> dict[str, Any]:
        return projects.describe_projects(params) if next(looks, None) is not None else see(params)

    hidden.patches["describe_projects"] = describe_projects
    return hidden


def vanishing(after: str) -> FakeAws:
    """The versions are deleted by someone after that call."""
    aws = FakeAws()
    call = getattr(aws, after)

    def call_and_delete(params: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = call(params)
        aws.versions.clear()
        return answer

    aws.patches[after] = call_and_delete
    return aws


@dataclass(frozen=True)
class Scenario:
    """What is there, what is asked, what states' calls are answered with; and how it ends.

    ending: DEPLOYED, REJECTED or the error's name    running: the versions that run afterwards
    through: states that it must pass    cause: words of the cause
    """

    ending: str
    running: tuple[str, ...] = ()
    aws: Callable[[], FakeAws] = FakeAws
    asked: dict[str, Any] = field(default_factory=dict)
    refusals: dict[str, list[CallRefused | None]] = field(default_factory=dict)
    through: tuple[str, ...] = ()
    cause: str = ""


NEW, OLD, BOTH = ("v-run-1",), ("old",), ("old", "v-run-1")
SCENARIOS = {
    # good endings
    "first run": Scenario("DEPLOYED", NEW, through=("Create project", "Wait for copy", "Start")),
    "first run with a maximum": Scenario(
        "DEPLOYED", NEW, asked={"MaxInferenceUnits": 3}, through=("Start with maximum",)
    ),
    "rejected": Scenario("REJECTED", aws=lambda: FakeAws(f1_score=0.5)),
    "exactly the threshold": Scenario("REJECTED", aws=lambda: FakeAws(f1_score=0.85)),
    "just above the threshold": Scenario("DEPLOYED", NEW, lambda: FakeAws(f1_score=0.8500001)),
    "a lower threshold": Scenario("DEPLOYED", NEW, lambda: FakeAws(f1_score=0.2), {"F1Threshold": 0}),
    "no F1 score": Scenario(
        "REJECTED", aws=lambda: FakeAws(f1_score=None), through=("Reject without score",)
    ),
    "an F1 score that is no number": Scenario("REJECTED", aws=lambda: FakeAws(f1_score="NaN")),
    "rejected beside the one in service": Scenario("REJECTED", OLD, old_in_service, {"F1Threshold": 0.95}),
    # an earlier version is in service
    "second run replaces the first": Scenario(
        "DEPLOYED", NEW, old_in_service, through=("Delete datasets", "Wait for deletion", "Stop replaced")
    ),
    "the one to replace is stopped already": Scenario(
        "DEPLOYED", NEW, old_stopped, through=("Stop replaced",)
    ),
    "the one to replace cannot be stopped": Scenario(
        "DEPLOYED", BOTH, old_in_service, refusals={"Stop replaced": [DENIED]}, through=("Replaced still up",)
    ),
    "current.json without a version": Scenario(
        "DEPLOYED", NEW, lambda: with_current(FakeAws(), {"Since": "?"})
    ),
    "current.json that is no object": Scenario("DEPLOYED", NEW, lambda: with_current(FakeAws(), ["?"])),
    # run again
    "training already finished": Scenario("DEPLOYED", NEW, mine("TRAINING_COMPLETED")),
    "training since an earlier run": Scenario(
        "DEPLOYED", NEW, mine("TRAINING_IN_PROGRESS", "TRAINING_IN_PROGRESS", "TRAINING_COMPLETED")
    ),
    "an earlier run is stopping it": Scenario("DEPLOYED", NEW, mine("STOPPING", "STOPPING", "STOPPED")),
    "hosting failed in an earlier run": Scenario("DEPLOYED", NEW, mine("FAILED")),
    "started by an earlier run": Scenario("DEPLOYED", NEW, mine("STARTING", "STARTING", "RUNNING")),
    "served since an earlier run": Scenario(
        "DEPLOYED", NEW, served_before, through=("Replace the one before", "Stop replaced")
    ),
    "serving already, then a fault": Scenario(
        "S3.NoSuchBucketException", NEW, mine("RUNNING"), refusals={"Read current": [NO_BUCKET]}
    ),
    "training failed in an earlier run": Scenario("TrainingFailed", aws=mine("TRAINING_FAILED")),
    # races and lost answers
    "another run creates the project": Scenario(
        "DEPLOYED",
        NEW,
        lambda: shown(1, FakeAws(), FakeAws().with_datasets()),
        through=("Count project look",),
    ),
    "a project that is never shown": Scenario(
        "ProjectOutOfReach", aws=lambda: shown(99, FakeAws(), FakeAws().with_datasets()), cause="Run again"
    ),
    "datasets that are gone already": Scenario(
        "DEPLOYED", NEW, lambda: shown(1, FakeAws().with_datasets(), FakeAws(project=f"{BASE}demo/1"))
    ),
    "another run copies first": Scenario(
        "Rekognition.ResourceAlreadyExistsException",
        aws=lambda: shown(1, FakeAws(project=f"{BASE}demo/1"), FakeAws().with_datasets()),
    ),
    "the project's answer is lost": Scenario("DEPLOYED", NEW, refusals={"Create project": [LOST_ANSWER]}),
    "the training's answer is lost": Scenario("DEPLOYED", NEW, refusals={"Train": [LOST_ANSWER]}),
    "the start's answer is lost": Scenario("DEPLOYED", NEW, refusals={"Start": [LOST_ANSWER]}),
    "the start's answer is lost, with a maximum": Scenario(
        "DEPLOYED", NEW, asked={"MaxInferenceUnits": 2}, refusals={"Start with maximum": [LOST_ANSWER]}
    ),
    "throttled everywhere": Scenario(
        "DEPLOYED", NEW, old_in_service, refusals={name: [THROTTLED] * 3 for name in ON_REKOGNITION}
    ),
    "throttled for too long": Scenario(THROTTLED.error, refusals={"Find project": [THROTTLED] * 7}),
    "unanswered for too long": Scenario("States.Timeout", refusals={"Train": [TIMEOUT] * 7}),
    "an old dataset is busy for a while": Scenario(
        "DEPLOYED", NEW, old_in_service, refusals={"Delete dataset": [IN_USE] * 5}
    ),
    "too many trainings for a while": Scenario("DEPLOYED", NEW, refusals={"Train": [LIMIT] * 12}),
    "too many trainings": Scenario(LIMIT.error, refusals={"Train": [LIMIT] * 13}, cause="too many at once"),
    "too many running versions": Scenario(LIMIT.error, OLD, old_in_service, refusals={"Start": [LIMIT]}),
    # faults
    "another training is in progress": Scenario(
        "ProjectBusy",
        aws=lambda: FakeAws().with_version("other", "TRAINING_IN_PROGRESS"),
        cause="version/other/",
    ),
    "a copy fails": Scenario(
        "DatasetFailed", aws=lambda: FakeAws(copying=["CREATE_FAILED"]), cause="The manifest file is empty."
    ),
    "a copy takes too long": Scenario("DatasetTimeout", aws=lambda: FakeAws(copying=["CREATE_IN_PROGRESS"])),
    "a deletion takes too long": Scenario(
        "DatasetTimeout", aws=lambda: FakeAws(deleting=99).with_datasets(), cause="within 10 seconds"
    ),
    "a source does not exist": Scenario(
        "Rekognition.ResourceNotFoundException",
        refusals={"Copy dataset": [CallRefused("Rekognition.ResourceNotFoundException", "no such dataset")]},
        cause="no such dataset",
    ),
    "the training fails": Scenario(
        "TrainingFailed",
        aws=lambda: FakeAws(training=["TRAINING_FAILED"]),
        cause="TRAINING_FAILED: The model is",
    ),
    "a status nobody expects": Scenario("TrainingFailed", aws=lambda: FakeAws(training=["EXPIRED"])),
    "the training takes too long": Scenario(
        "TrainingTimeout", aws=lambda: FakeAws(training=[]), cause="after 50 seconds"
    ),
    "the version vanishes": Scenario("VersionMissing", aws=lambda: vanishing("create_project_version")),
    "the version vanishes while it starts": Scenario(
        "VersionMissing", aws=lambda: vanishing("start_project_version")
    ),
    "hosting fails": Scenario(
        "HostingFailed", aws=lambda: FakeAws(hosting=["FAILED"]), cause="FAILED: The model"
    ),
    "hosting takes too long": Scenario("HostingTimeout", aws=lambda: FakeAws(hosting=["STARTING"])),
    "hosting fails beside the old one": Scenario(
        "HostingTimeout", OLD, lambda: with_hosting(old_in_service(), ["STARTING"])
    ),
    "a threshold above 1": Scenario("InvalidInput", asked={"F1Threshold": 1.5}),
    "a threshold as text": Scenario("InvalidInput", asked={"F1Threshold": "0.9"}),
    "fewer units at most than at least": Scenario(
        "InvalidInput", asked={"MinInferenceUnits": 3, "MaxInferenceUnits": 2}
    ),
    "a dataset that is none": Scenario("InvalidInput", asked={"TestDatasetArn": "arn:aws:s3:::images"}),
    "a name that is a number": Scenario("InvalidInput", asked={"ProjectName": 7}),
    "a source in the project itself": Scenario(
        "InvalidInput", OLD, old_in_service, {"TrainingDatasetArn": f"{BASE}demo/dataset/train/1"}
    ),
}


def with_hosting(aws: FakeAws, statuses: list[str]) -> FakeAws:
    """The account where a version that is started shows those statuses."""
    aws.hosting = statuses
    return aws


UNUSUAL_WAYS: dict[str, Callable[[], FakeAws]] = {
    "Create project": FakeAws,
    "Stop new version": lambda: with_hosting(old_in_service(), ["FAILED"]),
    "Record failure": lambda: with_hosting(old_in_service(), ["FAILED"]),
}


@cache
def played(name: str) -> tuple[Ending, FakeAws]:
    """The scenario, played once for all tests."""
    scenario = SCENARIOS[name]
    aws = scenario.aws()
    return run(MACHINE, aws, INPUT | scenario.asked, scenario.refusals), aws


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_ends_as_the_table_says(name: str) -> None:
    scenario = SCENARIOS[name]

    ending, aws = played(name)

    assert (ending.output or {}).get("Decision", ending.error) == scenario.ending, ending.cause
    assert aws.running() == sorted(scenario.running)
    assert set(scenario.through) <= set(ending.states)
    assert scenario.cause in (ending.cause or "")


@pytest.mark.parametrize("name", [name for name in SCENARIOS if SCENARIOS[name].ending != "InvalidInput"])
def test_every_ending_after_the_first_call_is_on_record(name: str) -> None:
    ending, aws = played(name)

    record = aws.objects[DECISION]

    assert record["Decision"] == (ending.output or {}).get("Decision", "FAILED")
    assert (record.get("Error"), record.get("Cause")) == (ending.error, ending.cause)


@pytest.mark.parametrize(
    "name", [name for name in SCENARIOS if SCENARIOS[name].ending in ("DEPLOYED", "REJECTED")]
)
def test_a_good_ending_puts_out_the_contract_and_nothing_else(name: str) -> None:
    ending, aws = played(name)
    arn = next(version.arn for version in aws.versions if version.name == "v-run-1")

    result = RunResult.from_output(ending.text)

    assert list(ending.output) == [
        "Decision",
        "ProjectVersionArn",
        "F1Score",
        "F1Threshold",
        "Reasons",
        "Report",
    ]
    assert result.project_version_arn == arn
    assert result.reasons
    assert result.report == f"s3://{DECISION}"


@pytest.mark.parametrize("name", SCENARIOS)
def test_current_json_names_a_version_only_once_it_is_deployed(name: str) -> None:
    before = SCENARIOS[name].aws().objects.get(CURRENT)

    ending, aws = played(name)

    deployed = SCENARIOS[name].ending == "DEPLOYED"
    named = {"ProjectVersionArn": (ending.output or {}).get("ProjectVersionArn")} if deployed else before
    assert (aws.objects.get(CURRENT) or {}) | (named or {}) == (aws.objects.get(CURRENT) or {})


def test_the_old_version_is_stopped_after_the_new_one_serves_and_is_named() -> None:
    _, aws = played("second run replaces the first")

    last = [operation for operation, _ in aws.calls][-4:]

    assert last == ["getObject", "putObject", "putObject", "stopProjectVersion"]


def test_a_rollback_finds_the_version_that_was_replaced() -> None:
    _, aws = played("second run replaces the first")

    assert aws.objects[CURRENT]["Replaces"] == aws.versions[1].arn
    assert aws.versions[1].name == "old"


def test_both_datasets_are_copied_anew() -> None:
    _, aws = played("second run replaces the first")

    copies = [params for operation, params in aws.calls if operation == "createDataset"]

    assert [(copy["DatasetType"], copy["DatasetSource"]["DatasetArn"]) for copy in copies] == [
        ("TRAIN", INPUT["TrainingDatasetArn"]),
        ("TEST", INPUT["TestDatasetArn"]),
    ]
    assert len(aws.datasets) == 2
    assert f"{BASE}demo/dataset/train/1" not in aws.datasets


def test_a_run_again_neither_copies_nor_trains() -> None:
    _, aws = played("training already finished")

    assert {operation for operation, _ in aws.calls}.isdisjoint(
        {"createDataset", "deleteDataset", "createProjectVersion"}
    )


def test_no_maximum_is_sent_where_none_is_given() -> None:
    _, plain = played("first run")
    _, bounded = played("first run with a maximum")

    sent = [
        params for aws in (plain, bounded) for operation, params in aws.calls if operation.startswith("start")
    ]

    assert [params.get("MaxInferenceUnits") for params in sent] == [None, 3]


def test_an_empty_input_takes_the_stacks_parameters() -> None:
    stack = local_substitutions() | {
        "TrainingDatasetArnToCopyFrom": INPUT["TrainingDatasetArn"],
        "TestDatasetArnToCopyFrom": INPUT["TestDatasetArn"],
        "OutputBucketName": "results",
        "OutputPrefix": "models",
        "ProjectName": "demo",
        "F1Threshold": "0.95",
    }
    aws = FakeAws()

    ending = run(asl.parse(definition(stack)), aws, {})

    assert (ending.output["Decision"], ending.output["F1Threshold"]) == ("REJECTED", 0.95)
    assert DECISION in aws.objects


def test_an_empty_input_on_a_machine_without_datasets_is_refused() -> None:
    aws = FakeAws()

    ending = run(MACHINE, aws, {})

    assert (ending.error, aws.calls) == ("InvalidInput", [])


@pytest.mark.parametrize("state", TASKS)
def test_a_fault_in_any_call_keeps_its_name_and_leaves_no_new_version_running(state: str) -> None:
    fault = CallRefused("Made.UpException", "a fault of the test")
    aws = UNUSUAL_WAYS.get(state, old_in_service)()
    asked = {"MaxInferenceUnits": 2} if state == "Start with maximum" else {}
    expected = {"Stop replaced": None, "Stop new version": "HostingFailed", "Record failure": "HostingFailed"}

    ending = run(MACHINE, aws, INPUT | asked, {state: [fault]})

    assert state in ending.states
    assert ending.error == expected.get(state, "Made.UpException")
    assert ("v-run-1" in aws.running()) is (state == "Stop replaced")


def test_the_scenarios_pass_every_state_and_every_way_out_of_a_choice() -> None:
    endings = [played(name)[0] for name in SCENARIOS]
    seen = {state for ending in endings for state in ending.states}
    taken = {way for ending in endings for way in ending.ways}
    ways = {
        (name, target)
        for name, state in states_of(DEFINITION)
        if state["Type"] == "Choice"
        for target in [*(rule["Next"] for rule in state["Choices"]), state["Default"]]
    }

    states = {name for name, _ in states_of(DEFINITION)}
    print(f"states {len(seen & states)}/{len(states)}, ways out of choices {len(ways & taken)}/{len(ways)}")

    assert states - seen == set()
    assert ways - taken == set()


def test_the_longest_wait_of_the_defaults_fits_into_a_history() -> None:
    aws = FakeAws(
        copying=["CREATE_IN_PROGRESS"] * 270 + ["CREATE_COMPLETE"],
        deleting=269,
        training=["TRAINING_IN_PROGRESS"] * 575 + ["TRAINING_COMPLETED"],
        hosting=["STARTING"] * 119 + ["RUNNING"],
    ).with_datasets()
    patient = {name: value for name, value in INPUT.items() if not name.endswith("Seconds")}

    ending = run(MACHINE, aws, patient)

    assert (ending.output or {}).get("Decision") == "DEPLOYED", ending.cause
    assert Waits().history_events() - 100 < ending.events < 25_000
    assert ending.seconds < DEFINITION["TimeoutSeconds"]
