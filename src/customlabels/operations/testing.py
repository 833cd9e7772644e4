"""TestState: one state of a definition, evaluated by the interpreter of executions and told of in detail.

Layer: operations. A mock stands for the state's work; without one a Task really runs here, and a Wait waits.
Nothing is written: what a power cut interrupts has to be asked again.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from customlabels.asl import (
    ExecutionStarted,
    Failure,
    Happening,
    Machine,
    Report,
    ScheduleTask,
    StateTest,
    Surroundings,
    TaskFailed,
    TaskSucceeded,
    TimerDue,
    items_of,
    read_json,
)
from customlabels.errors import InvalidInput, ServiceError
from customlabels.operations.dispatch import Call, Response, operation
from customlabels.operations.machines import check_role
from customlabels.operations.mock_results import problem_of_result
from customlabels.operations.refusals import invalid_request
from customlabels.operations.testing_requests import (
    check_kind,
    check_mock,
    context_of,
    located_state,
    reader_of,
    variables_of,
)
from customlabels.workflows import TaskRequest

Value = TypeVar("Value")

MOST_SECONDS = 300.0  # of one test, as the service bounds it


@operation("stepfunctions", "TestState")
async def test_state(call: Call) -> Response:
    """One state's way from its input to its output or error."""
    params = call.params
    check_role(params)
    tested = await asyncio.to_thread(_Tested, call)
    report = await (asyncio.to_thread(tested.mocked) if "mock" in params else tested.performed())
    answer: Response = {
        "status": report.status,
        "output": report.output,
        "error": report.error,
        "cause": report.cause,
        "nextState": report.next_state,
    }
    if params.get("inspectionLevel", "INFO") != "INFO":
        answer["inspectionData"] = dict(report.data)
    return {name: value for name, value in answer.items() if value is not None}


class _Tested:
    """The state of one request. Raises ServiceError where the request makes no sense."""

    def __init__(self, call: Call) -> None:
        params = call.params
        self._call, self._mock = call, params.get("mock")
        self._configuration: dict[str, Any] = params.get("stateConfiguration", {})
        check_mock(params)
        machine, self._state = located_state(params)
        check_kind(self._state, mocked=self._mock is not None)
        self._check_result()
        self._check_configuration(machine)
        self._test = StateTest(machine, self._state, self._surroundings(), uuid.uuid4().hex, call.parts.rules)

    def mocked(self) -> Report:
        """The report of a state whose work is mocked."""
        mock, now = self._mock or {}, self._call.now
        if "result" in mock:
            self._test.answer(mock["result"], self._configuration.get("mapIterationFailureCount", 0), now)
        else:
            output = mock["errorOutput"]
            self._test.fail(output["error"], output.get("cause"), now)
        return self._test.report()

    async def performed(self) -> Report:
        """The report of a state that does its work."""
        test, clock = self._test, self._call.parts.clock
        task, wake = await asyncio.to_thread(lambda: (test.task, test.wake))
        if task is not None:
            seconds = min(task.timeout_seconds or MOST_SECONDS, MOST_SECONDS)
            try:
                happening = await _in_a_thread(lambda: self._run(task), seconds)
            except TimeoutError:
                return await asyncio.to_thread(test.time_out, clock())
            test.tell(happening, clock())
        elif wake is not None:
            if wake - self._call.now > MOST_SECONDS:  # nobody is helped by waiting for that
                return await asyncio.to_thread(test.time_out, wake)
            await asyncio.sleep(max(0.0, wake - clock()))
            test.tell(TimerDue(), max(wake, clock()))
        return await asyncio.to_thread(test.report)

    def _run(self, task: ScheduleTask) -> Happening:
        caller = self._call.caller
        request = TaskRequest(
            resource_arn=task.resource,
            parameters=task.parameters,
            token=uuid.uuid4().hex * 2,
            account=caller.account,
            region=caller.region,
            timeout=task.timeout_seconds,
        )
        outcome = self._call.parts.run_task(request)
        if outcome.output is None:
            return TaskFailed(task.task_id, outcome.error, outcome.cause)
        return TaskSucceeded(task.task_id, outcome.output)

    # ------------------------------------------------------------ what the request says

    def _surroundings(self) -> Surroundings:
        call, params = self._call, self._call.params
        text = params.get("input", "{}")
        try:
            read_json(text)
        except InvalidInput as error:
            refusal = f"Invalid State Machine Execution Input: '{error}'"
            raise ServiceError("InvalidExecutionInput", refusal) from None
        machine, name = str(uuid.uuid4()), str(uuid.uuid4())
        of_account = f"arn:aws:states:{call.caller.region}:{call.caller.account}"
        role = params.get("roleArn")
        started = ExecutionStarted(
            input=text,
            execution_arn=f"{of_account}:express:{machine}:{name}",
            execution_name=name,
            role_arn=role or "",
            machine_arn=f"{of_account}:stateMachine:{machine}",
            machine_name=machine,
            start_time=call.now,
        )
        around = Surroundings(
            started,
            has_role=role is not None,
            variables=variables_of(params.get("variables")),
            retries=self._configuration.get("retrierRetryCount", 0),
            items=self._read_items(),
        )
        return replace(around, context=context_of(params["context"])) if "context" in params else around

    def _check_result(self) -> None:
        """Refuse a mocked result that the state could not have."""
        text = (self._mock or {}).get("result")
        if text is None:
            return
        try:
            result = read_json(text)
        except InvalidInput:
            raise invalid_request("Mocked result must be valid JSON") from None
        state, mode = self._state, (self._mock or {}).get("fieldValidationMode", "STRICT")
        writes = state.kind == "Map" and state.body.distributed and state.body.distributed.writer
        if state.kind != "Task" and not writes and not isinstance(result, list):
            raise invalid_request("Mocked result must be an array.")
        if state.kind == "Parallel" and len(result) != len(state.body):
            raise invalid_request(
                "Mocked result must contain the same number of items as number of Parallel branches."
            )
        if state.kind == "Task" and mode != "NONE":
            services, resource = self._call.parts.services, state.body.resource.arn
            problem = problem_of_result(services, resource, result, strict=mode == "STRICT")
            if problem is not None:
                raise invalid_request(f"Mock result schema validation error: {problem}")

    def _check_configuration(self, machine: Machine) -> None:
        """Refuse what the state has no use for."""
        said, state = self._configuration, self._state
        if said and self._mock is None:
            raise invalid_request("stateConfiguration is of use only where a mock is specified")
        if "mapIterationFailureCount" in said and state.kind != "Map":
            raise invalid_request(f"mapIterationFailureCount is for a Map, not for a {state.kind} state")
        if "mapItemReaderData" in said and not reader_of(state):
            raise invalid_request("mapItemReaderData is for a Map with an ItemReader")
        culprit = said.get("errorCausedByState")
        if culprit is None:
            return
        if state.kind not in ("Map", "Parallel") or "errorOutput" not in (self._mock or {}):
            raise invalid_request("errorCausedByState is for a mocked error of a Map or Parallel state")
        insides = (state.body.processor,) if state.kind == "Map" else state.body
        within = (flow for place, flow in machine.workflows.items() if place.startswith(tuple(insides)))
        if not any(culprit in flow.states for flow in within):
            raise invalid_request(
                f"errorCausedByState: there is no state '{culprit}' within the tested state"
            )

    def _read_items(self) -> tuple[Any, ...]:
        data, reader = self._configuration.get("mapItemReaderData"), reader_of(self._state)
        if data is None or reader is None:
            return ()
        kind = reader.config.get("InputType")
        config = reader.config if kind in ("JSONL", "CSV") else {"InputType": "JSON"}
        try:
            return tuple(items_of(data.encode().splitlines(), config, None))
        except Failure as failure:
            raise invalid_request(f"mapItemReaderData: {failure.cause}") from None


async def _in_a_thread(work: Callable[[], Value], seconds: float) -> Value:
    """The result of long work, in a thread of its own; raises TimeoutError, the work goes on."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Value] = loop.create_future()

    def settle(value: Value) -> None:
        if not future.done():
            future.set_result(value)

    def run() -> None:
        value = work()
        with contextlib.suppress(RuntimeError):  # the server has ended meanwhile: nobody waits any more
            loop.call_soon_threadsafe(settle, value)

    threading.Thread(target=run, daemon=True).start()
    return await asyncio.wait_for(future, seconds)
