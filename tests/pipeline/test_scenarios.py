"""The definition, executed by the engine against services in memory: every way through, every ending."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from tests.pipeline.driver import CallRefused, Ending, run
from tests.pipeline.fake_aws import BASE, FakeAws, judged

from customlabels import asl
from customlabels.pipeline import (
    RunInput,
    RunResult,
    Waits,
    current_key,
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
DECISION = "results/models/demo/v-run-1/decision.json"


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
NOT_READY = CallRefused("Rekognition.ResourceNotReadyException", "coming up")
NO_TOPIC = CallRefused("SNS.NotFoundException", "no such topic")
BUSY_JUDGE = CallRefused("Lambda.TooManyRequestsException", "busy")
RULE = {"BetterThanDeployed": True}
ASK = {"RequireApproval": True}
TOLD = {"NotificationTopicArn": "arn:aws:sns:eu-west-1:123456789012:endings"}


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
    through: states that it must pass    around: states that it must not
    cause: words of the cause, or of the reasons
    """

    ending: str
    running: tuple[str, ...] = ()
    aws: Callable[[], FakeAws] = FakeAws
    asked: dict[str, Any] = field(default_factory=dict)
    refusals: dict[str, list[CallRefused | None]] = field(default_factory=dict)
    through: tuple[str, ...] = ()
    around: tuple[str, ...] = ()
    cause: str = ""


NEW, OLD, BOTH = ("v-run-1",), ("old",), ("old", "v-run-1")
SCENARIOS = {
    # good endings
    "first run": Scenario("DEPLOYED", NEW, through=("Create project", "Wait for copy", "Start")),
    "first run with a maximum": Scenario(
        "DEPLOYED", NEW, asked={"MaxInferenceUnits": 3}, through=("Start with maximum",)
    ),
    "rejected": Scenario("REJECTED", aws=lambda: FakeAws(f1_score=0.5), cause="0.5 is not above"),
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
    # the judge
    "a further rule holds": Scenario(
        "DEPLOYED",
        NEW,
        old_in_service,
        RULE,
        through=("Read deployed", "Judge", "Stop replaced"),
        cause="As said.",
    ),
    "a further rule without one in service": Scenario("DEPLOYED", NEW, asked=RULE, through=("Judge",)),
    "a further rule does not hold": Scenario(
        "REJECTED", OLD, lambda: judging(old_in_service(), judged("REJECTED", "Worse.")), RULE, cause="Worse."
    ),
    "a further rule is undecided": Scenario(
        "UNDECIDED", OLD, lambda: judging(old_in_service(), judged("UNDECIDED")), {"F1LowerBound": 0.8}
    ),
    "below the threshold the judge is not asked": Scenario(
        "REJECTED", aws=lambda: FakeAws(f1_score=0.5), asked=RULE, around=("Judge",)
    ),
    "the judge fails": Scenario(
        "SummaryMissing",
        OLD,
        old_in_service,
        RULE,
        {"Judge": [CallRefused("SummaryMissing", "no summary")]},
        cause="no summary",
    ),
    "the judge is busy for a while": Scenario(
        "DEPLOYED", NEW, asked=RULE, refusals={"Judge": [BUSY_JUDGE] * 6}
    ),
    "the judge is busy": Scenario(BUSY_JUDGE.error, asked=RULE, refusals={"Judge": [BUSY_JUDGE] * 7}),
    "the judge decides what nobody knows": Scenario(
        "JudgeFailed", aws=lambda: judging(FakeAws(), judged("PERHAPS")), asked=RULE, cause="PERHAPS"
    ),
    "the judge says nothing": Scenario(
        "JudgeFailed", OLD, lambda: judging(old_in_service(), None), RULE, cause="it said: null"
    ),
    "current.json cannot be read by the judge's rules": Scenario(
        NO_BUCKET.error, asked=RULE, refusals={"Read deployed": [NO_BUCKET]}
    ),
    # a person
    "approved": Scenario("DEPLOYED", NEW, old_in_service, ASK, through=("Ask for approval", "Stop replaced")),
    "approved after the judge": Scenario(
        "DEPLOYED", NEW, asked=ASK | RULE, through=("Judge", "Ask for approval")
    ),
    "refused": Scenario(
        "REJECTED",
        OLD,
        lambda: answering(old_in_service(), CallRefused("ApprovalRefused", "cats look like dogs")),
        ASK,
        cause="refused it: cats look like dogs",
    ),
    "not approved in time": Scenario(
        "REJECTED",
        OLD,
        lambda: answering(old_in_service(), None),
        ASK | {"MaxApprovalSeconds": 60},
        cause="within 60 seconds. Run again with VersionName v-run-1",
    ),
    "answered by another error": Scenario(
        "Whatever", OLD, lambda: answering(old_in_service(), CallRefused("Whatever")), ASK
    ),
    "nobody can be asked": Scenario(
        NO_TOPIC.error, OLD, old_in_service, ASK, {"Ask for approval": [NO_TOPIC]}, around=("Start",)
    ),
    "rejected ones are not asked about": Scenario(
        "REJECTED", aws=lambda: FakeAws(f1_score=0.5), asked=ASK, around=("Ask for approval",)
    ),
    # the smoke test
    "it cannot look at an image": Scenario(
        "Rekognition.InvalidS3ObjectException",
        OLD,
        old_in_service,
        refusals={"Smoke test": [CallRefused("Rekognition.InvalidS3ObjectException", "no access")]},
        through=("Stop new version",),
        around=("Name in service",),
        cause="no access",
    ),
    "it is not ready for a while": Scenario("DEPLOYED", NEW, refusals={"Smoke test": [NOT_READY] * 6}),
    "it is never ready": Scenario(
        NOT_READY.error, OLD, old_in_service, refusals={"Smoke test": [NOT_READY] * 7}
    ),
    "there is no test image": Scenario(
        "NoTestImage", OLD, lambda: with_entries(old_in_service()), cause="SmokeTest false"
    ),
    "an entry of another form": Scenario(
        "States.QueryEvaluationError", OLD, lambda: with_entries(old_in_service(), "no JSON")
    ),
    "the test dataset is gone": Scenario(
        DENIED.error, OLD, old_in_service, refusals={"Find test image": [DENIED]}
    ),
    "no smoke test": Scenario(
        "DEPLOYED", NEW, asked={"SmokeTest": False}, around=("Find test image", "Smoke test")
    ),
    # messages
    "a deployment is told": Scenario("DEPLOYED", NEW, asked=TOLD, through=("Tell",)),
    "a rejection is told": Scenario("REJECTED", asked=TOLD | {"F1Threshold": 0.95}, through=("Tell",)),
    "a failure is told": Scenario(
        "TrainingFailed",
        aws=lambda: FakeAws(training=["TRAINING_FAILED"]),
        asked=TOLD,
        through=("Tell failure",),
    ),
    "a bad input is told": Scenario(
        "InvalidInput", asked=TOLD | {"F1Threshold": 2}, through=("Tell failure",)
    ),
    "a deployment cannot be told": Scenario("DEPLOYED", NEW, asked=TOLD, refusals={"Tell": [NO_TOPIC]}),
    "a failure cannot be told": Scenario(
        "ProjectBusy",
        aws=lambda: FakeAws().with_version("other", "TRAINING_IN_PROGRESS"),
        asked=TOLD,
        refusals={"Tell failure": [NO_TOPIC]},
    ),
    "neither recorded nor told": Scenario(
        "TrainingFailed",
        aws=lambda: FakeAws(training=["TRAINING_FAILED"]),
        asked=TOLD,
        refusals={"Record failure": [NO_BUCKET], "Tell failure": [NO_TOPIC]},
    ),
    # statuses
    "a copy of another version": Scenario("DEPLOYED", NEW, mine("COPYING_IN_PROGRESS", "COPYING_COMPLETED")),
    "a copy of another version fails": Scenario("TrainingFailed", aws=mine("COPYING_FAILED")),
    "a version without a message": Scenario(
        "TrainingFailed", aws=lambda: silent(mine("TRAINING_FAILED")()), cause="TRAINING_FAILED: no message"
    ),
    "a training status of tomorrow": Scenario("UnknownStatus", aws=mine("PAUSED"), cause="PAUSED"),
    "a hosting status of tomorrow": Scenario(
        "UnknownStatus", OLD, lambda: with_hosting(old_in_service(), ["FROZEN"]), cause="FROZEN"
    ),
    "a dataset status of tomorrow": Scenario("UnknownStatus", aws=lambda: FakeAws(copying=["IMPORTED"])),
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
    "the training is deleted": Scenario("TrainingFailed", aws=lambda: FakeAws(training=["DELETING"])),
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
    "a name that is a number": Scenario(
        "InvalidInput", asked={"ProjectName": 7}, through=("No place for results",)
    ),
    "approval without anybody to ask": Scenario("InvalidInput", asked=ASK | {"ApprovalTopicArn": ""}),
    "a source in the project itself": Scenario(
        "InvalidInput", OLD, old_in_service, {"TrainingDatasetArn": f"{BASE}demo/dataset/train/1"}
    ),
}


def with_hosting(aws: FakeAws, statuses: list[str]) -> FakeAws:
    """The account where a version that is started shows those statuses."""
    aws.hosting = statuses
    return aws


def judging(aws: FakeAws, judgement: Any) -> FakeAws:
    """The account whose judge says that."""
    aws.judgement = judgement
    return aws


def answering(aws: FakeAws, answer: Any) -> FakeAws:
    """The account where the person who is asked says that; None: nothing."""
    aws.answer = answer
    return aws


def with_entries(aws: FakeAws, *entries: str) -> FakeAws:
    """The account whose test dataset has those entries."""
    aws.entries = entries
    return aws


def silent(aws: FakeAws) -> FakeAws:
    """The account whose versions have no status message."""
    for version in aws.versions:
        version.message = None
    return aws


UNUSUAL_INPUT: dict[str, dict[str, Any]] = {
    "Start with maximum": {"MaxInferenceUnits": 2},
    "Read deployed": RULE,
    "Judge": RULE,
    "Ask for approval": ASK,
    "Tell": TOLD,
    "Tell failure": TOLD,
}
UNUSUAL_WAYS: dict[str, Callable[[], FakeAws]] = {
    "Create project": FakeAws,
    "Stop new version": lambda: with_hosting(old_in_service(), ["FAILED"]),
    "Record failure": lambda: with_hosting(old_in_service(), ["FAILED"]),
    "Tell failure": lambda: with_hosting(old_in_service(), ["FAILED"]),
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
    assert set(ending.states).isdisjoint(scenario.around)
    assert scenario.cause in (ending.cause or " ".join((ending.output or {}).get("Reasons", [])))


UNRECORDED = {"a name that is a number", "neither recorded nor told"}


@pytest.mark.parametrize("name", sorted(SCENARIOS.keys() - UNRECORDED))
def test_every_ending_is_on_record(name: str) -> None:
    ending, aws = played(name)

    record = aws.objects[DECISION]

    assert record["Decision"] == (ending.output or {}).get("Decision", "FAILED")
    assert (record.get("Error"), record.get("Cause")) == (ending.error, ending.cause)


@pytest.mark.parametrize(
    "name", [name for name in SCENARIOS if SCENARIOS[name].ending in ("DEPLOYED", "REJECTED", "UNDECIDED")]
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
    assert result.report == f"s3://{DECISION}".replace("decision.json", "report.html")


@pytest.mark.parametrize("name", SCENARIOS)
def test_current_json_names_a_version_only_once_it_is_deployed(name: str) -> None:
    before = SCENARIOS[name].aws().objects.get(CURRENT)

    ending, aws = played(name)

    deployed = SCENARIOS[name].ending == "DEPLOYED"
    named = {"ProjectVersionArn": (ending.output or {}).get("ProjectVersionArn")} if deployed else before
    assert (aws.objects.get(CURRENT) or {}) | (named or {}) == (aws.objects.get(CURRENT) or {})


def test_the_old_version_is_stopped_after_the_new_one_serves_and_is_named() -> None:
    _, aws = played("second run replaces the first")

    last = [operation for operation, _ in aws.calls][-5:]

    assert last == ["detectCustomLabels", "getObject", "putObject", "putObject", "stopProjectVersion"]


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

    assert (ending.error, [operation for operation, _ in aws.calls]) == ("InvalidInput", ["putObject"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"F1LowerBound": 1.1},
        {"MinLabelF1": -0.1},
        {"MinLabelPrecision": "0.5"},
        {"MinLabelRecall": True},
        {"DeployedMargin": 2},
        {"MinTestImagesPerLabel": -1},
        {"MaxLatencyMilliseconds": None},
        {"MaxModelMegabytes": [1]},
        {"ForbidLeakage": 1},
        {"BetterThanDeployed": "yes"},
        {"SmokeTest": 0},
        {"RequireApproval": "true"},
        {"NotificationTopicArn": 5},
        {"MaxApprovalSeconds": 0},
    ],
    ids=str,
)
def test_a_field_that_no_rule_can_use_is_refused_before_anything_costs_money(wrong: dict[str, Any]) -> None:
    aws = FakeAws()

    ending = run(MACHINE, aws, INPUT | wrong)

    assert ending.error == "InvalidInput"
    assert next(iter(wrong)) in (ending.cause or "") or "maximum of seconds" in (ending.cause or "")
    assert [operation for operation, _ in aws.calls] == ["putObject"]


@pytest.mark.parametrize(
    "rule",
    [
        {"F1LowerBound": 0.1},
        {"MinLabelF1": 0.1},
        {"MinLabelPrecision": 0.1},
        {"MinLabelRecall": 1},
        {"MinTestImagesPerLabel": 1},
        {"MaxLatencyMilliseconds": 0.5},
        {"MaxModelMegabytes": 10},
        {"ForbidLeakage": True},
        {"BetterThanDeployed": True},
    ],
    ids=str,
)
def test_each_further_rule_by_itself_is_the_judges(rule: dict[str, Any]) -> None:
    ending = run(MACHINE, FakeAws(), INPUT | rule)

    assert "Judge" in ending.states


def test_the_judge_is_told_the_input_the_version_and_the_one_in_service() -> None:
    ending, aws = played("a further rule holds")
    (event,) = [params["Payload"] for operation, params in aws.calls if operation == "invoke"]

    assert event["Config"]["BetterThanDeployed"] is True
    assert event["Version"]["ProjectVersionArn"] == ending.output["ProjectVersionArn"]
    assert event["Version"]["EvaluationResult"] == {"F1Score": 0.9}
    assert event["Current"]["ProjectVersionArn"] == aws.versions[1].arn
    assert event["ExecutionArn"].endswith(":run-1")
    assert event["Judgement"] == {"Bucket": "results", "Key": "models/demo/v-run-1/judgement.json"}
    assert aws.objects[DECISION]["Judgement"] == "s3://results/j.json"


def test_a_person_is_asked_with_the_verdict_and_the_commands_that_answer() -> None:
    _, aws = played("approved")
    (message,) = [params["Message"] for operation, params in aws.calls if operation == "publish"]

    assert "version v-run-1 of project demo" in message["Question"]
    assert message["Verdict"]["F1Score"] == 0.9
    assert message["Approve"].startswith("customlabels approve arn:")
    assert message["TaskToken"]
    assert aws.objects[DECISION]["Approval"] == {"Approved": True}


def test_nothing_runs_while_a_person_thinks() -> None:
    _, aws = played("approved")
    calls = [operation for operation, _ in aws.calls]

    assert calls.index("publish") < calls.index("startProjectVersion")


def test_the_smoke_test_looks_at_an_image_of_the_test_dataset() -> None:
    _, aws = played("first run")
    asked = dict(aws.calls)

    assert asked["listDatasetEntries"]["DatasetArn"] == INPUT["TestDatasetArn"]
    assert asked["detectCustomLabels"]["Image"] == {
        "S3Object": {"Bucket": "images", "Name": "test/a b/1.png"}
    }


@pytest.mark.parametrize("name", ["a deployment is told", "a rejection is told", "a failure is told"])
def test_a_message_tells_what_is_on_record(name: str) -> None:
    ending, aws = played(name)
    (sent,) = [params for operation, params in aws.calls if operation == "publish"]

    assert sent["Subject"].endswith((ending.output or {}).get("Decision", "FAILED"))
    assert sent["Message"].get("Verdict") == ending.output
    assert sent["Message"].get("Failure", {}).get("Error") == ending.error


@pytest.mark.parametrize("state", TASKS)
def test_a_fault_in_any_call_keeps_its_name_and_leaves_no_new_version_running(state: str) -> None:
    fault = CallRefused("Made.UpException", "a fault of the test")
    aws = UNUSUAL_WAYS.get(state, old_in_service)()
    expected = {
        **dict.fromkeys(("Stop replaced", "Tell")),
        **dict.fromkeys(("Stop new version", "Record failure", "Tell failure"), "HostingFailed"),
    }

    ending = run(MACHINE, aws, INPUT | UNUSUAL_INPUT.get(state, {}), {state: [fault]})

    assert state in ending.states
    assert ending.error == expected.get(state, "Made.UpException")
    assert ("v-run-1" in aws.running()) is (state in ("Stop replaced", "Tell"))


@pytest.mark.parametrize("state", TASKS)
def test_a_call_that_is_made_twice_has_one_effect(state: str) -> None:
    aws = UNUSUAL_WAYS.get(state, old_in_service)()
    plain = run(MACHINE, UNUSUAL_WAYS.get(state, old_in_service)(), INPUT | UNUSUAL_INPUT.get(state, {}))
    # What may be another run's is not taken for one's own; a timeout asks neither judge nor person again.
    expected = {
        "Copy dataset": "Rekognition.ResourceAlreadyExistsException",
        "Judge": "States.Timeout",
        "Ask for approval": "REJECTED",
    }

    again = run(MACHINE, aws, INPUT | UNUSUAL_INPUT.get(state, {}), {state: [LOST_ANSWER]})

    usual = (plain.output or {}).get("Decision", plain.error)
    assert state in again.states
    assert (again.output or {}).get("Decision", again.error) == expected.get(state, usual), again.cause
    assert len([version for version in aws.versions if version.name == "v-run-1"]) <= 1


def signposted(workflow: dict[str, Any]) -> dict[str, Any]:
    """The workflow with a state of its own on every way out of a choice and on every catch."""
    posts: dict[str, Any] = {}
    for name, state in workflow["States"].items():
        ways = [*state.get("Choices", []), *state.get("Catch", [])]
        for number, way in enumerate(ways):
            posts[f"{name} {number} to {way['Next']}"] = way["Next"]
            way["Next"] = f"{name} {number} to {way['Next']}"
        if "Default" in state:
            posts[f"{name} default"] = state["Default"]
            state["Default"] = f"{name} default"
        if "ItemProcessor" in state:
            signposted(state["ItemProcessor"])
    workflow["States"] |= {name: {"Type": "Pass", "Next": after} for name, after in posts.items()}
    return workflow


def test_the_scenarios_pass_every_state_every_way_out_of_a_choice_and_every_catch() -> None:
    marked = signposted(copy.deepcopy(DEFINITION))
    machine, seen = asl.parse(marked), set()
    for scenario in SCENARIOS.values():
        seen |= set(run(machine, scenario.aws(), INPUT | scenario.asked, scenario.refusals).states)
    # A fault in any call is each task's last catch; the scenarios take the others.
    for state in TASKS:
        fault: dict[str, list[CallRefused | None]] = {state: [CallRefused("Made.UpException")]}
        aws = UNUSUAL_WAYS.get(state, old_in_service)()
        seen |= set(run(machine, aws, INPUT | UNUSUAL_INPUT.get(state, {}), fault).states)

    everything = {name for name, _ in states_of(marked)}
    kinds = Counter("ways" if name not in dict(states_of(DEFINITION)) else "states" for name in everything)
    print(f"covered: {len(seen & everything)} of {dict(kinds)}, by {len(SCENARIOS)} scenarios")

    assert everything - seen == set()


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
