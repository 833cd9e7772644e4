"""Test cases of a mock configuration, run by the engine; and the recorded ones."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.operations.recorded import InProcess, cases_of, load_tool, needs_recordings
from tests.operations.world import SERVICES, World

from customlabels.asl import Rules
from customlabels.errors import ServiceError
from customlabels.operations import FunctionContext, ServiceTasks
from customlabels.workflows import Engine, EnginePace, MapRunner, MockedTasks

ROLE = "arn:aws:iam::111122223333:role/runs"
INVOKE = "arn:aws:states:::lambda:invoke"
FUNCTION = "arn:aws:lambda:eu-west-1:111122223333:function:double"


@contextmanager
def engine_of(world: World) -> Iterator[Engine]:
    pace = EnginePace(poll_seconds=0.05)
    runner = MapRunner(world.parts.map_runs, world.tasks)
    engine = Engine(world.records, runner, Rules(), time.time, f"test-{uuid.uuid4()}", pace)
    engine.recover()
    engine.start()
    yield engine
    engine.close()


def write(world: World, cases: dict[str, Any], responses: dict[str, Any]) -> None:
    text = json.dumps({"StateMachines": {"m": {"TestCases": cases}}, "MockedResponses": responses})
    Path(world.folder / "mocks.json").write_text(text)


def machine(world: World, states: dict[str, Any]) -> str:
    definition = json.dumps({"StartAt": next(iter(states)), "States": states})
    answer = world.states("CreateStateMachine", name="m", definition=definition, roleArn=ROLE)
    return str(answer["stateMachineArn"])


def ended(world: World, arn: str) -> dict[str, Any]:
    world.until(lambda: world.states("DescribeExecution", executionArn=arn)["status"] != "RUNNING")
    return world.states("DescribeExecution", executionArn=arn)


def started(world: World, arn: str, **params: Any) -> str:
    return str(world.states("StartExecution", stateMachineArn=arn, **params)["executionArn"])


def task(**fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": INVOKE, "Parameters": {"FunctionName": "double"}, **fields}


def double(event: Any, _context: FunctionContext) -> Any:
    return event["number"] * 2


def test_a_test_case_gets_its_answers_in_turn_errors_too(world: World) -> None:
    retry = [{"ErrorEquals": ["Busy"], "IntervalSeconds": 1}]
    arn = machine(world, {"A": task(Retry=retry, Next="B"), "B": task(End=True)})
    answers = {"0": {"Throw": {"Error": "Busy", "Cause": "later"}}, "1-2": {"Return": {"Payload": 1}}}
    write(world, {"Busy": {"A": "a", "B": "b"}}, {"a": answers, "b": {"0": {"Return": {"Payload": 2}}}})

    with engine_of(world):
        run = ended(world, started(world, f"{arn}#Busy"))

    assert (run["status"], run["output"]) == ("SUCCEEDED", '{"Payload":2}')
    events = world.states("GetExecutionHistory", executionArn=run["executionArn"])["events"]
    assert [event["type"] for event in events if event["type"].startswith("Task")][2:6] == [
        "TaskStarted",
        "TaskFailed",
        "TaskScheduled",
        "TaskStarted",
    ]


def test_states_that_a_case_leaves_out_and_executions_without_one_are_real(world: World) -> None:
    real = task(Parameters={"FunctionName": "double", "Payload": {"number": 21}})
    world.tasks = MockedTasks(world.records, ServiceTasks(world.dispatcher, SERVICES, {"double": double}))
    arn = machine(world, {"A": {**real, "Next": "B"}, "B": {**real, "ResultPath": "$.b", "End": True}})
    write(world, {"OnlyB": {"B": "b"}}, {"b": {"0": {"Return": "mocked"}}})

    with engine_of(world):
        half, whole = (ended(world, started(world, name)) for name in (f"{arn}#OnlyB", arn))

    assert (json.loads(half["output"])["Payload"], json.loads(half["output"])["b"]) == (42, "mocked")
    assert json.loads(whole["output"])["b"]["Payload"] == 42


def test_an_invocation_without_an_answer_fails_and_says_which(world: World) -> None:
    over = {"Type": "Choice", "Choices": [{"Variable": "$", "IsNull": True, "Next": "E"}], "Default": "A"}
    arn = machine(world, {"A": task(Next="Over"), "Over": over, "E": {"Type": "Succeed"}})
    write(world, {"Once": {"A": "a"}}, {"a": {"0": {"Return": 1}}})

    with engine_of(world):
        run = ended(world, started(world, f"{arn}#Once"))

    assert run["cause"] == "the mock configuration has no answer number 1 for the state 'A'"


def test_a_case_goes_on_with_its_answers_after_a_stop_and_without_its_file(world: World) -> None:
    wait = {"Type": "Wait", "Seconds": 1, "Next": "B"}
    arn = machine(world, {"A": task(Next="W"), "W": wait, "B": task(Next="C"), "C": task(End=True)})
    write(
        world, {"Case": dict.fromkeys("ABC", "r")}, {"r": {"0": {"Return": "first"}, "1": {"Return": "no"}}}
    )

    with engine_of(world):
        run = started(world, f"{arn}#Case")
        world.until(lambda: "W" in json.dumps(world.states("GetExecutionHistory", executionArn=run)))
    (world.folder / "mocks.json").unlink()
    with engine_of(world):
        assert ended(world, run)["output"] == '"first"'


def test_a_task_that_is_run_again_gets_the_same_answer(world: World) -> None:
    arn = machine(world, {"A": task(End=True)})
    write(world, {"Case": {"A": "r"}}, {"r": {"0": {"Return": "first"}, "1": {"Return": "second"}}})
    asked = []

    class Twice:
        def run(self, request: Any) -> Any:
            asked.extend([world.tasks.run(request), world.tasks.run(request)])
            return asked[-1]

    engine = Engine(world.records, Twice(), Rules(), time.time, "twice", EnginePace(poll_seconds=0.05))
    engine.start()
    ended(world, started(world, f"{arn}#Case"))
    engine.close()

    assert asked == ["first", "first"]


@pytest.mark.parametrize(
    ("case", "told"), [("Odd", "has no test case 'Odd'"), ("Wrong", "no Task state of the state machine")]
)
def test_cases_that_cannot_be_are_refused_at_the_start(world: World, case: str, told: str) -> None:
    arn = machine(world, {"A": {"Type": "Pass", "End": True}})
    write(world, {"Wrong": {"A": "r"}}, {"r": {"0": {"Return": 1}}})

    with pytest.raises(ServiceError, match=told):
        started(world, f"{arn}#{case}")


def test_registered_functions_answer_invocations_and_function_arns_with_their_errors(world: World) -> None:
    world.tasks = ServiceTasks(world.dispatcher, SERVICES, {"double": double})
    by_arn = {"Type": "Task", "Resource": FUNCTION, "ResultPath": "$.twice", "Next": "Invoked"}
    invoked = task(
        Parameters={"FunctionName": FUNCTION, "Payload.$": "$"}, OutputPath="$.Payload", Next="Broken"
    )
    catch = [{"ErrorEquals": ["TypeError"], "Next": "Caught"}]
    states = {
        "Named": by_arn,
        "Invoked": invoked,
        "Broken": {"Type": "Task", "Resource": FUNCTION, "Catch": catch, "End": True},
        "Caught": {"Type": "Pass", "Parameters": {"cause.$": "States.StringToJson($.Cause)"}, "End": True},
    }

    with engine_of(world):
        run = ended(world, started(world, machine(world, states), input='{"number": 2}'))

    events = world.states("GetExecutionHistory", executionArn=run["executionArn"])["events"]
    types = [event["type"] for event in events]
    assert "LambdaFunctionSucceeded" in types
    assert "LambdaFunctionFailed" in types
    assert json.loads(run["output"])["cause"]["errorType"] == "TypeError"


# It has its function's ARN replaced in the definition and not in the history.
NOT_ALIKE = "test_numbered_mock_responses"
RECORDED_ROLE = "arn:aws:iam::111111111111:role/test-sfn-role"


@needs_recordings
def test_recorded_test_cases_run_as_recorded(world: World) -> None:
    tool: Any = load_tool()
    different = []
    world.parts.map_runs.start()
    with engine_of(world):
        for case in cases_of("mock-config"):
            if not _as_recorded(world, tool, case):
                different.append(case["name"])

    world.parts.map_runs.close()
    assert [name for name in different if NOT_ALIKE not in name] == []


def _as_recorded(world: World, tool: Any, case: dict[str, Any]) -> bool:
    """Whether status, output and history are the recorded ones, but for what a mock does not have."""
    mock, expected = case["mock"], case["expected"]
    (world.folder / "mocks.json").write_text(json.dumps(mock["config"]))
    sfn = InProcess(world)
    made = sfn.create_state_machine(
        name=mock["state_machine"], definition=case["definition"], roleArn=RECORDED_ROLE
    )
    named = f"{made['stateMachineArn']}#{mock['test_case']}"
    run = sfn.start_execution(stateMachineArn=named, input=case["input"])["executionArn"]
    world.until(lambda: sfn.describe_execution(executionArn=run)["status"] != "RUNNING")
    ended = sfn.describe_execution(executionArn=run)
    left_out = {skip.rpartition("..")[2] for skip in case["source_skips"]}
    matcher = tool.Matcher(case)
    same = all(
        matcher.eq(expected[name], ended.get(name))
        or matcher.eq(_without(expected[name], left_out), _without(ended.get(name), left_out))
        for name in ("status", "output")
    )
    if "history" not in expected:
        return same
    history = [
        event | {"timestamp": "timestamp"} for event in sfn.get_execution_history(executionArn=run)["events"]
    ]
    recorded = [_without(event, left_out) for event in expected["history"]]
    alike = tool.compare_history(case, matcher, recorded, [_without(event, left_out) for event in history])
    return same and alike is not None


def _without(value: Any, names: set[str]) -> Any:
    """A value without the members that the recordings say to leave out, also within JSON texts."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return _without(json.loads(value), names)
        except ValueError:
            return value
    if isinstance(value, dict):
        kept = {name: _without(inner, names) for name, inner in value.items() if name not in names}
        if "resource" in kept and "taskSubmittedEventDetails.output" in names:
            kept.pop("output", None)
        return kept
    return [_without(inner, names) for inner in value] if isinstance(value, list) else value
