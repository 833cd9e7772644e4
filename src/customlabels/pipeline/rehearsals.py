"""A rehearsal: the definition run to its good ending in memory, against answers that are always yes.

Layer: pipeline. Nothing is called and no time passes: what comes out is what a run would do, counted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from customlabels import asl
from customlabels.errors import InvalidInput

ARN = "arn:aws:rekognition:us-east-1:123456789012:project/rehearsal"
EXECUTION = "arn:aws:states:us-east-1:123456789012:{}:rehearsal"
SOURCES = {
    "TrainingDatasetArn": f"{ARN}-source/dataset/train/1",
    "TestDatasetArn": f"{ARN}-source/dataset/test/1",
}
# The states of the turns in which a run looks and waits.
POLLS = (
    *("Look at", "Wait for", "Count", "Take version", "Take hosting"),
    *("Version there?", "Still there?", "Copied?", "Trained?", "Serving?"),
)
# Of a call by its own name; those that change with time are in `_answer`.
ANSWERS: Mapping[str, dict[str, Any]] = {
    "describeProjects": {"ProjectDescriptions": []},
    "createProject": {"ProjectArn": f"{ARN}/1"},
    "createDataset": {"DatasetArn": f"{ARN}/dataset/train/1"},
    "describeDataset": {"DatasetDescription": {"Status": "CREATE_COMPLETE"}},
    "createProjectVersion": {"ProjectVersionArn": f"{ARN}/version/v/1"},
    "listDatasetEntries": {"DatasetEntries": ['{"source-ref": "s3://images/one.png"}']},
    "getObject": {"Body": json.dumps({"ProjectVersionArn": f"{ARN}/version/earlier/1"})},
    "invoke": {"Payload": {"Decision": "DEPLOYED", "Reasons": ["rehearsed"], "Judgement": "s3://rehearsed"}},
}
# Needed though no state calls it: the service reads and writes the buckets with its caller's rights.
READ_SET = ("GetBucketAcl", "GetBucketLocation", "GetObjectAcl", "GetObjectTagging", "GetObjectVersion")
BESIDES = {"s3:ListBucket", *(f"s3:{action}" for action in READ_SET)}


@dataclass(frozen=True)
class Rehearsal:
    """What one run does. events: of 25,000    seconds: of virtual time    calls: by `service:operation`"""

    states: tuple[str, ...]
    transitions: int
    events: int
    poll_events: int
    seconds: float
    calls: Mapping[str, int]


@dataclass
class _Service:
    """The services of the rehearsal at one time."""

    training_seconds: float
    hosting_seconds: float
    began: dict[str, float] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)

    def answer(self, resource: str, now: float) -> dict[str, Any]:
        operation = resource.rpartition(":")[2]
        self.calls[_action(resource)] += 1
        self.began.setdefault(operation, now)
        if operation == "describeProjectVersions":
            return {"ProjectVersionDescriptions": [self._version(now)]}
        return ANSWERS.get(operation, {})

    def _version(self, now: float) -> dict[str, Any]:
        version = {"ProjectVersionArn": f"{ARN}/version/v/1", "EvaluationResult": {"F1Score": 1}}
        if (started := self.began.get("startProjectVersion")) is not None:
            return version | {"Status": "RUNNING" if now - started >= self.hosting_seconds else "STARTING"}
        trained = now - self.began["createProjectVersion"] >= self.training_seconds
        return version | {"Status": "TRAINING_COMPLETED" if trained else "TRAINING_IN_PROGRESS"}


def rehearse(
    definition: Mapping[str, Any], given: Mapping[str, Any], training_seconds: float, hosting_seconds: float
) -> Rehearsal:
    """A first run of a project with this input, as it goes when all is well.

    Raises InvalidInput where the run would not end well, as with an input that the workflow refuses.
    """
    machine = asl.parse(dict(definition))
    service = _Service(training_seconds, hosting_seconds)
    happening: asl.Happening = asl.ExecutionStarted(
        input=json.dumps({**SOURCES, **given}),
        execution_arn=EXECUTION.format("execution:m"),
        execution_name="rehearsal",
        role_arn="",
        machine_arn=EXECUTION.format("stateMachine"),
        machine_name="m",
        start_time=0.0,
    )
    state, now, events, coming = None, 0.0, list[asl.Event](), list[asl.Happening]()
    while True:
        decision = asl.decide(machine, state, happening, now, str(len(events)), asl.Rules())
        state = decision.state
        events += decision.events
        for command in decision.commands:
            if isinstance(command, asl.ScheduleTask):
                answer = json.dumps(service.answer(command.resource, now))
                coming += [asl.TaskStarted(command.task_id), asl.TaskSucceeded(command.task_id, answer)]
            elif isinstance(command, asl.Finish):
                if command.status != "SUCCEEDED":
                    raise InvalidInput(f"the run would end as {command.error}: {command.cause}")
                return _counted(events, now, service.calls)
        if decision.ready:
            happening = asl.Continue()
        elif coming:
            happening = coming.pop(0)
        else:
            now, happening = max(now, asl.next_wakeup(state) or now), asl.TimerDue()


def _action(resource: str) -> str:
    """`service:Operation` of a Task state."""
    service, operation = resource.removesuffix(".waitForTaskToken").split(":")[-2:]
    return f"{service}:{operation[:1].upper()}{operation[1:]}"


def _counted(events: Sequence[Any], now: float, calls: Mapping[str, int]) -> Rehearsal:
    entered = [event.details["name"] for event in events if event.type.endswith("StateEntered")]
    polls, inside = 0, False
    for event in events:
        if event.type.endswith("StateEntered"):
            inside = event.details["name"].startswith(POLLS)
        polls += inside
    return Rehearsal(tuple(dict.fromkeys(entered)), len(entered), len(events), polls, now, dict(calls))


def iam_actions(definition: Mapping[str, Any]) -> list[str]:
    """The actions that the role of a definition's machine needs, those of all its ways."""
    used = set(BESIDES)
    for state in definition["States"].values():
        if "ItemProcessor" in state:
            used |= set(iam_actions(state["ItemProcessor"]))
        if state["Type"] == "Task":
            used.add(_action(state["Resource"]).replace("lambda:Invoke", "lambda:InvokeFunction"))
    return sorted(used)
