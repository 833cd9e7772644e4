"""Mock configurations, in the format of AWS's Step Functions Local: answers for Task states by test case.

Layer: workflows. An execution of a test case carries its answers with it from its start on. Which of them is
a task's follows from the history alone: it is the one for so many earlier tasks of its state. An execution of
a map run has the answers of the execution above it, and counts its own tasks.

What a power cut leaves: the history and the answers; the same task gets the same answer again, whatever has
become of the file meanwhile.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from customlabels.asl import Event, Machine, read_json
from customlabels.errors import InvalidInput
from customlabels.storage import Reading, Records
from customlabels.workflows import journal, map_runs
from customlabels.workflows.task_runs import TaskFailure, TaskRequest, TaskRunner
from customlabels.workflows.tasks import token_of

MOCKS = "mocks"  # under which the details of an execution have its answers
NUMBERS = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?", re.ASCII)
MOST_EVENTS = 25_000  # of an execution

# By state: [first invocation, last invocation, {"Return": value} or {"Throw": {"Error": ..., "Cause": ...}}]
Answers = dict[str, list[tuple[int, int, dict[str, Any]]]]


@dataclass
class MockConfiguration:
    """The test cases of a file, by machine and name; what is wrong with it, each with its place."""

    cases: dict[str, dict[str, Answers]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def case(self, machine: str, name: str) -> Answers:
        """The answers of a test case; raises InvalidInput where there is none of that name."""
        if machine not in self.cases:
            raise InvalidInput(
                f"the mock configuration has no state machine '{machine}'; {_told(self.cases)}"
            )
        cases = self.cases[machine]
        if name not in cases:
            raise InvalidInput(f"'{machine}' has no test case '{name}'; {_told(cases)}")
        return cases[name]

    def object_at(self, value: Any, place: str) -> dict[str, Any]:
        """A JSON object; anything else is a problem, and reads as an empty one."""
        if not isinstance(value, dict):
            self.problems.append(f"{place}: a JSON object is needed")
            return {}
        return value


def _told(names: Mapping[str, Any]) -> str:
    return f"it has {', '.join(sorted(names))}" if names else "it has none"


def read_mocks(text: str) -> MockConfiguration:
    """The configuration of a file's text. Raises InvalidInput that names every problem."""
    found = MockConfiguration()
    whole = found.object_at(read_json(text), "the file")
    for name in whole.keys() - {"StateMachines", "MockedResponses"}:
        found.problems.append(f"{name}: only StateMachines and MockedResponses are known")
    responses = {
        name: list(_responses(found, value, f"MockedResponses/{name}"))
        for name, value in found.object_at(whole.get("MockedResponses", {}), "MockedResponses").items()
    }
    for machine, said in found.object_at(whole.get("StateMachines", {}), "StateMachines").items():
        place = f"StateMachines/{machine}"
        cases = found.object_at(found.object_at(said, place).get("TestCases", {}), f"{place}/TestCases")
        found.cases[machine] = {
            name: _answers(found, value, responses, f"{place}/TestCases/{name}")
            for name, value in cases.items()
        }
    if found.problems:
        raise InvalidInput("mock configuration: " + "; ".join(found.problems))
    return found


def _responses(found: MockConfiguration, value: Any, place: str) -> Iterator[tuple[int, int, dict[str, Any]]]:
    taken = -1
    numbered = []
    for numbers, response in found.object_at(value, place).items():
        match = NUMBERS.fullmatch(numbers)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            found.problems.append(f"{place}/{numbers}: a number or a range such as '0' or '1-2' is needed")
            continue
        answer = found.object_at(response, f"{place}/{numbers}")
        thrown = answer.get("Throw")
        if set(answer) not in ({"Return"}, {"Throw"}) or ("Throw" in answer and not _is_error(thrown)):
            problem = "either Return, or Throw with the texts Error and Cause, is needed"
            found.problems.append(f"{place}/{numbers}: {problem}")
            continue
        numbered.append((int(match[1]), int(match[2] or match[1]), answer))
    for first, last, answer in sorted(numbered, key=lambda one: one[:2]):
        if first <= taken:
            found.problems.append(f"{place}: invocation {first} has two answers")
        taken = max(taken, last)
        yield first, last, answer


def _is_error(thrown: Any) -> bool:
    texts = isinstance(thrown, dict) and all(isinstance(value, str) for value in thrown.values())
    return texts and "Error" in thrown and thrown.keys() <= {"Error", "Cause"}


def _answers(found: MockConfiguration, case: Any, responses: Mapping[str, Any], place: str) -> Answers:
    answers: Answers = {}
    for state, response in found.object_at(case, place).items():
        if not isinstance(response, str) or response not in responses:
            found.problems.append(f"{place}/{state}: MockedResponses has no {response!r}")
            continue
        answers[state] = responses[response]
    return answers


def check_case(machine: Machine, answers: Answers) -> None:
    """InvalidInput where the machine has no such Task state, or one whose task is nobody's to answer here."""
    states = {name: state for flow in machine.workflows.values() for name, state in flow.states.items()}
    for name in answers:
        if name not in states or states[name].kind != "Task":
            raise InvalidInput(f"the mocked state '{name}' is no Task state of the state machine")
        if states[name].body.resource.family == "Activity":
            raise InvalidInput(f"the mocked state '{name}' is an activity: its workers answer it")


def invocation(events: list[Event], execution_arn: str, token: str) -> tuple[str, int]:
    """The state of the task with this token, and how many tasks of that state were scheduled before it.

    The state is "" for what was never scheduled as a task (a map run).
    """
    states: dict[int, str] = {}
    counts: dict[str, int] = {}
    for event in events:
        entered = event.type.endswith("StateEntered") and event.details
        states[event.id] = str(entered["name"]) if entered else states.get(event.previous_id, "")
        if event.type.endswith("Scheduled"):
            state = states[event.id]
            if token_of(execution_arn, event.id) == token:
                return state, counts.get(state, 0)
            counts[state] = counts.get(state, 0) + 1
    return "", 0


class MockedTasks:
    """Answers the tasks of test cases by their configuration; any other goes to the runner inside."""

    def __init__(self, records: Records, runner: TaskRunner) -> None:
        self._records, self._runner = records, runner

    def run(self, task: TaskRequest) -> Any:
        """The task's result, a JSON value. Raises TaskFailure."""
        arn = task.execution_arn
        with self._records.read() as reading:
            answers = _answers_of(reading, arn)
            events = journal.history(reading, arn, MOST_EVENTS, None, False) if answers else []
        if not answers:
            return self._runner.run(task)
        state, number = invocation(events, arn, task.token)
        if state not in answers:
            return self._runner.run(task)
        answer = next((one for first, last, one in answers[state] if first <= number <= last), None)
        if answer is None:
            raise TaskFailure(
                "States.Runtime",
                f"the mock configuration has no answer number {number} for the state '{state}'",
            )
        if "Throw" in answer:
            raise TaskFailure(answer["Throw"]["Error"], answer["Throw"].get("Cause", ""))
        return _result(task.resource_arn, answer["Return"])


def _answers_of(reading: Reading, execution_arn: str) -> Answers:
    """The answers that an execution carries, or that the one carries whose map run it belongs to."""
    details = journal.details(reading, execution_arn)
    if "mapRunArn" not in details:
        answers: Answers = details.get(MOCKS, {})
        return answers
    run = map_runs.find(reading, details["mapRunArn"])
    return {} if run is None else _answers_of(reading, run.execution_arn)


def _result(resource: str, value: Any) -> Any:
    """What a task gives: one that names its function itself gives the payload of the function's answer."""
    if ":function:" in resource and isinstance(value, dict) and "Payload" in value:
        return value["Payload"]
    return value
