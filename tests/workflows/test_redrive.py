"""Redrive: an execution that failed goes on from where it failed, in the same history."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from tests.workflows.stage import Answers, Stage, chain, task_arn
from tests.workflows.waiting import wait_until

from customlabels.errors import ServiceError
from customlabels.storage import Records
from customlabels.workflows import TaskFailure, TaskRequest, redrive_status

ECHO = {"Type": "Task", "Resource": task_arn("echo")}
BREAK = {"Type": "Task", "Resource": task_arn("breaking")}
PASS = {"Type": "Pass"}


class Breaking(Answers):
    """Its `breaking` fails until it is mended."""

    mended = False

    def breaking(self, task: TaskRequest) -> Any:
        if not self.mended:
            raise TaskFailure("Broken", "not mended yet")
        return "mended"


@pytest.fixture
def stage(records: Records) -> Any:
    parts = Stage(records, runner=Breaking())
    parts.engine.start()
    yield parts
    parts.engine.close()


def mend(stage: Stage, arn: str) -> None:
    assert isinstance(stage.answers, Breaking)
    stage.answers.mended = True
    stage.executions.redrive(arn)


def test_a_redriven_execution_knows_how_often_it_was(stage: Stage) -> None:
    told = {"Type": "Pass", "Parameters": {"count.$": "$$.Execution.RedriveCount"}}
    arn = stage.begin(chain(Second=BREAK, Last=told))
    stage.finish(arn)

    mend(stage, arn)

    assert stage.finish(arn).output == '{"count":1}'


def test_a_failed_task_is_asked_again_and_what_had_succeeded_is_not(stage: Stage) -> None:
    arn = stage.begin(chain(First=ECHO, P=PASS, Second=BREAK, Last=PASS))
    failed = stage.finish(arn)
    before = stage.events(arn)

    mend(stage, arn)

    ended = stage.finish(arn)
    assert (failed.status, ended.status, ended.output) == ("FAILED", "SUCCEEDED", '"mended"')
    assert (ended.redrive_count, ended.error) == (1, None)
    after = stage.events(arn)
    assert after[: len(before)] == before
    assert [event.id for event in after] == list(range(1, len(after) + 1))
    more = [event.type for event in after[len(before) :]]
    assert more[:4] == ["ExecutionRedriven", "TaskScheduled", "TaskStarted", "TaskSucceeded"]
    assert after[len(before)].details == {"redriveCount": 1}
    assert [task.resource_arn.rpartition(":")[2] for task in stage.answers.seen].count("echo") == 1


def test_a_failure_after_states_of_the_same_decision_goes_on_at_the_failing_one(stage: Stage) -> None:
    wrong = {"Type": "Pass", "InputPath": "$.none"}
    arn = stage.begin(chain(T=ECHO, A=PASS, B=PASS, Wrong=wrong))
    stage.finish(arn)

    stage.executions.redrive(arn)

    stage.finish(arn)
    types = Counter(stage.types(arn))
    assert (types["ExecutionFailed"], types["ExecutionRedriven"]) == (2, 1)
    assert types["TaskScheduled"] == 1
    entered = Counter(
        json.dumps(dict(event.details or {})["name"])
        for event in stage.events(arn)
        if event.type == "PassStateEntered"
    )
    assert entered == {'"A"': 1, '"B"': 1, '"Wrong"': 2}


def test_only_the_failed_branch_is_run_again(stage: Stage) -> None:
    slow = {"Type": "Wait", "Seconds": 1}
    both = {"Type": "Parallel", "Branches": [chain(A=ECHO), chain(W=slow, B=BREAK)]}
    arn = stage.begin(chain(Both=both))
    stage.finish(arn)

    mend(stage, arn)

    assert json.loads(stage.finish(arn).output or "") == [{}, "mended"]
    asked = Counter(task.resource_arn.rpartition(":")[2] for task in stage.answers.seen)
    assert asked == {"echo": 1, "breaking": 2}


def test_a_stopped_execution_can_go_on(stage: Stage) -> None:
    arn = stage.begin(chain(W={"Type": "Wait", "Seconds": 1}, Last=PASS))
    stage.executions.stop(arn)

    stage.executions.redrive(arn)

    assert stage.finish(arn).status == "SUCCEEDED"


def test_an_execution_can_be_redriven_again_and_again(stage: Stage) -> None:
    arn = stage.begin(chain(T=BREAK))
    stage.finish(arn)
    stage.executions.redrive(arn)
    stage.finish(arn)

    mend(stage, arn)

    assert stage.finish(arn).redrive_count == 2
    assert stage.types(arn).count("ExecutionRedriven") == 2


def test_what_runs_or_has_succeeded_is_not_redriven(stage: Stage) -> None:
    arn = stage.begin(chain(W={"Type": "Wait", "Seconds": 1}))
    wait_until(lambda: "WaitStateEntered" in stage.types(arn))

    for status in ("RUNNING", "SUCCEEDED"):
        with pytest.raises(ServiceError, match=f"Execution is {status} and cannot be redriven") as refused:
            stage.executions.redrive(arn)
        assert refused.value.code == "ExecutionNotRedrivable"
        stage.finish(arn)


def test_two_weeks_after_its_end_an_execution_is_not_redrivable(stage: Stage) -> None:
    failed = stage.finish(stage.begin(chain(T=BREAK)))
    assert failed.stopped_at is not None

    assert redrive_status(failed, failed.stopped_at + 13 * 86_400) == ("REDRIVABLE", None)
    assert redrive_status(failed, failed.stopped_at + 15 * 86_400)[0] == "NOT_REDRIVABLE"
