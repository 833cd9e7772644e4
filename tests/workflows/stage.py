"""A server's workflow parts on one database, a runner of tasks, and short ways to use both."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from tests.workflows.waiting import wait_until

from customlabels.asl import Event, Rules
from customlabels.storage import Records
from customlabels.workflows import (
    Activities,
    Callbacks,
    Engine,
    EnginePace,
    Execution,
    Executions,
    StateMachine,
    StateMachines,
    Submitted,
    TaskFailure,
    TaskRequest,
)

__all__ = ["QUICK", "Answers", "Stage", "chain", "task_arn"]

QUICK = EnginePace(lease_seconds=0.6, poll_seconds=0.05)
ROLE = "arn:aws:iam::123456789012:role/any"


def task_arn(action: str) -> str:
    """The resource that `Answers` answers with `action`."""
    return f"arn:aws:states:::aws-sdk:rekognition:{action}"


def chain(**states: dict[str, Any]) -> dict[str, Any]:
    """A definition of these states, one after the other."""
    names = list(states)
    following = {name: {"Next": after} for name, after in pairwise(names)}
    ends = {
        name: {} if state["Type"] in ("Fail", "Succeed") else {"End": True} for name, state in states.items()
    }
    return {
        "StartAt": names[0],
        "States": {name: {**state, **following.get(name, ends[name])} for name, state in states.items()},
    }


class Answers:
    """A runner: echo, fail (always), flaky (once for each token's execution), block (until `go_on`).

    startExecution starts one of `executions`; what ends in `.sync` or `.waitForTaskToken` goes on elsewhere.
    """

    executions: Executions

    def __init__(self) -> None:
        self.seen: list[TaskRequest] = []
        self.go_on = threading.Event()
        self.failures: Counter[str] = Counter()

    def run(self, task: TaskRequest) -> Any:
        self.seen.append(task)
        name, _, pattern = task.resource_arn.removesuffix(":2").rpartition(":")[2].partition(".")
        action: Callable[[TaskRequest], Any] = getattr(self, name)
        result = action(task)
        if not pattern:
            return result
        return Submitted(result, result["ExecutionArn"] if pattern == "sync" else None)

    def startExecution(self, task: TaskRequest) -> Any:
        given = task.parameters
        run = self.executions.start(given["StateMachineArn"], given["Name"], json.dumps(given["Input"]))
        return {"ExecutionArn": run.arn}

    def echo(self, task: TaskRequest) -> Any:
        return task.parameters

    def fail(self, task: TaskRequest) -> Any:
        raise TaskFailure("Rekognition.LimitExceededException", "too many")

    def crash(self, task: TaskRequest) -> Any:
        raise KeyError("models")

    def unprintable(self, task: TaskRequest) -> Any:
        return {"at": object()}

    def flaky(self, task: TaskRequest) -> Any:
        self.failures["flaky"] += 1
        if self.failures["flaky"] == 1:
            raise TaskFailure("Rekognition.ThrottlingException", "slow down")
        return task.parameters

    def block(self, task: TaskRequest) -> Any:
        self.go_on.wait(10)
        return task.parameters

    startSyncExecution = block


class Stage:
    """The parts around one database. `engine` is not started."""

    def __init__(
        self,
        records: Records,
        pace: EnginePace = QUICK,
        rules: Rules | None = None,
        runner: Answers | None = None,
    ) -> None:
        self.records = records
        self.answers = runner or Answers()
        rules = rules or Rules()
        self.machines = StateMachines(records, time.time, lambda: uuid.uuid4().hex)
        self.executions = Executions(records, rules, time.time)
        self.answers.executions = self.executions
        self.callbacks = Callbacks(records, time.time)
        self.activities = Activities(records, rules, time.time)
        self.engine = Engine(records, self.answers, rules, time.time, uuid.uuid4().hex, pace)

    def machine(self, definition: dict[str, Any], name: str = "m") -> str:
        """A new machine's ARN."""
        arn = f"arn:aws:states:us-east-1:123456789012:stateMachine:{name}"
        text = json.dumps(definition)
        return self.machines.create(StateMachine(arn, "123456789012", "us-east-1", name, text, ROLE)).arn

    def begin(self, definition: dict[str, Any], text: str = "{}", name: str = "e") -> str:
        """A new execution's ARN."""
        return self.executions.start(self.machine(definition), name, text).arn

    def finish(self, arn: str, seconds: float = 20.0) -> Execution:
        """The execution, once it has ended."""
        wait_until(lambda: self.executions.describe(arn).status != "RUNNING", seconds)
        return self.executions.describe(arn)

    def events(self, arn: str) -> list[Event]:
        """The whole history."""
        return self.executions.history(arn, limit=100_000)

    def types(self, arn: str) -> list[str]:
        """The types of all events."""
        return [event.type for event in self.events(arn)]
