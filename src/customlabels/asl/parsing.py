"""From a definition to a Machine, with every problem in the words of the service where they are known.

One function reads the fields that states share, one function per type reads its own; the table STATES
ties them together. Transitions are checked when all states of a workflow are known.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from customlabels.asl import machines
from customlabels.asl.choices import read_condition
from customlabels.asl.definitions import read_json_definition
from customlabels.asl.documents import MAX_DEPTH, Document, Json, deeper_than, parse_time
from customlabels.asl.expressions import Expression
from customlabels.asl.fields import InvalidDefinition, Problem, Reader
from customlabels.asl.machines import (
    MAX_SECONDS,
    Catcher,
    DataFlow,
    Machine,
    Resource,
    Retrier,
    State,
    Workflow,
)
from customlabels.asl.paths import WHOLE, Path
from customlabels.errors import InvalidInput

MAX_NAME = 80  # characters of a state's name

JSONATA = "Only the query language 'JSONPath' is supported: JSONata is one that this engine does not run yet"
INLINE = "Only the mode 'INLINE' is supported: the distributed Map is one that this engine does not run yet"

Workflows: TypeAlias = dict[str, Workflow]  # by place, as they are found


def parse(definition: str | dict[str, Json]) -> Machine:
    """The machine of a definition; raises InvalidDefinition with every problem found."""
    if isinstance(definition, str) and definition.strip():
        try:
            definition = read_json_definition(definition)
        except InvalidInput as error:
            raise InvalidDefinition([Problem(str(error), None, "INVALID_JSON_DESCRIPTION")]) from None
    if not isinstance(definition, dict):
        raise InvalidDefinition([Problem("Definition must be a valid JSON object", None)])
    if deeper_than(definition, MAX_DEPTH):
        raise InvalidDefinition([Problem(f"More than {MAX_DEPTH} levels inside each other", None)])
    workflows: Workflows = {}
    reader = Reader(definition, "", [])
    timeout = reader.whole("TimeoutSeconds", 1, MAX_SECONDS, None)
    reader.one_of("Version", ("1.0",), "Only the version '1.0' is supported")
    _workflow(reader, workflows)
    if reader.problems:
        raise InvalidDefinition(reader.problems)
    return Machine(workflows, timeout)


def _workflow(reader: Reader, workflows: Workflows) -> str:
    """Read StartAt and States of the root, a branch or a processor; returns its place."""
    reader.one_of("QueryLanguage", ("JSONPath",), JSONATA)
    reader.require("States", "StartAt")
    start_at = reader.text("StartAt")
    sources = reader.take("States")
    reader.done()
    if not isinstance(sources, dict) or not sources:
        if reader.has("States"):
            reader.problem("Expected a non-empty object", "States")
        sources = {}
    states: dict[str, State[Any]] = {}
    for name, source in sources.items():
        place = f"{reader.place}/States/{name}"
        if not name or len(name) > MAX_NAME:
            reader.problems.append(Problem(f"A state's name has 1 to {MAX_NAME} characters", place))
        states[name] = _state(name, Reader(source, place, reader.problems), workflows)
    if sources and start_at is not None:
        _check_transitions(reader.place, start_at, states, reader.problems)
    workflows[reader.place] = Workflow(start_at or "", states)
    return reader.place


def _check_transitions(
    place: str, start_at: str, states: dict[str, State[Any]], problems: list[Problem]
) -> None:
    code = "MISSING_TRANSITION_TARGET"
    targets = [(start_at, f"{place}/StartAt")]
    for name, state in states.items():
        targets += ((target, f"{place}/States/{name}/{where}") for target, where in _targets(state))
    for target, where in targets:
        if target not in states:
            problems.append(Problem(f"Missing 'Next' target: {target}", where, code))
    if not any(state.next is None and state.kind != "Choice" for state in states.values()):
        problems.append(Problem("Workflow has no terminal state", None, "MISSING_END_STATE"))
        return
    reached: set[str] = set()
    waiting = {start_at}
    while waiting:
        reached |= waiting
        found = {target for name in waiting & states.keys() for target, _ in _targets(states[name])}
        waiting = found - reached
    for name in states:
        if name not in reached:
            where = f"{place}/States/{name}"
            problems.append(Problem(f'State "{name}" is not reachable.', where, code))


def _targets(state: State[Any]) -> Iterator[tuple[str, str]]:
    """Every state that this one may lead to, and the field that says so."""
    named = [(state.next, "Next")]
    named += ((one.next, f"Catch[{index}]/Next") for index, one in enumerate(state.catchers))
    if isinstance(state.body, machines.ChoiceBody):
        named += ((rule.next, f"Choices[{index}]/Next") for index, rule in enumerate(state.body.rules))
        named.append((state.body.default, "Default"))
    return ((name, where) for name, where in named if name is not None)


def _state(name: str, reader: Reader, workflows: Workflows) -> State[Any]:
    reader.require("Type")
    kind = reader.one_of("Type", STATES)
    if kind is None:
        return State(name, "Pass", DataFlow(), None)
    read_body, shared = STATES[kind]
    reader.one_of("QueryLanguage", ("JSONPath",), JSONATA)
    following = _transition(reader) if "Next" in shared else None
    flow = _flow(reader, shared)
    retriers = _retriers(reader) if "Retry" in shared else ()
    catchers = _catchers(reader) if "Catch" in shared else ()
    body = read_body(reader, workflows) if read_body else None
    reader.done()
    return State(name, kind, flow, body, following, retriers, catchers)


def _transition(reader: Reader) -> str | None:
    following, end = reader.text("Next"), reader.boolean("End")
    if reader.has("Next") == end:
        reader.problem("Exactly one of these fields is required: [Next, End]")
    return following


def _flow(reader: Reader, shared: tuple[str, ...]) -> DataFlow:
    selects = "ResultSelector" in shared
    return DataFlow(
        input_path=reader.nullable_path("InputPath") if "InputPath" in shared else WHOLE,
        parameters=reader.template("Parameters") if "Parameters" in shared else None,
        result_selector=reader.template("ResultSelector", objects_only=True) if selects else None,
        result_path=reader.reference("ResultPath") if "ResultPath" in shared else (),
        output_path=reader.nullable_path("OutputPath") if "OutputPath" in shared else WHOLE,
        assign=reader.assignments() if "Assign" in shared else None,
    )


def _retriers(reader: Reader) -> tuple[Retrier, ...]:
    retriers = tuple(
        Retrier(
            full_jitter=one.one_of("JitterStrategy", ("FULL", "NONE")) == "FULL",
            errors=one.texts("ErrorEquals"),
            interval_seconds=one.whole("IntervalSeconds", 1, MAX_SECONDS, 1),
            backoff_rate=one.number("BackoffRate", 1.0, 2.0),
            max_attempts=one.whole("MaxAttempts", 0, MAX_SECONDS, 3),
            max_delay_seconds=one.whole("MaxDelaySeconds", 1, machines.LONGEST_DELAY, None),
        )
        for one in reader.each("Retry")
    )
    _check_wildcards(reader, "Retry", [one.errors for one in retriers])
    return retriers


def _catchers(reader: Reader) -> tuple[Catcher, ...]:
    catchers = tuple(
        Catcher(
            one.texts("ErrorEquals"),
            flow=_flow(one, ("ResultPath", "Assign")),
            next=one.text("Next", required=True),
        )
        for one in reader.each("Catch")
    )
    _check_wildcards(reader, "Catch", [one.errors for one in catchers])
    return catchers


def _check_wildcards(reader: Reader, field: str, handled: list[tuple[str, ...]]) -> None:
    for index, errors in enumerate(handled):
        if "States.ALL" in errors and (len(errors) > 1 or index < len(handled) - 1):
            message = "States.ALL must appear alone, and in the last place"
            reader.problem(message, f"{field}[{index}]/ErrorEquals")


def _pass(reader: Reader, _workflows: Workflows) -> Document | None:
    value = reader.take("Result")
    return Document(value=value) if reader.has("Result") else None


def _wait(reader: Reader, _workflows: Workflows) -> machines.WaitBody:
    names = ("Seconds", "SecondsPath", "Timestamp", "TimestampPath")
    if sum(map(reader.has, names)) != 1:
        reader.problem(f"Exactly one of these fields is required: [{', '.join(names)}]")
    text = reader.text("Timestamp")
    moment = parse_time(text)
    if text is not None and moment is None:
        reader.problem("String does not match RFC3339 timestamp", "Timestamp")
    seconds = reader.whole("Seconds", 0, MAX_SECONDS, None)
    return machines.WaitBody(
        seconds if seconds is not None else reader.path("SecondsPath"),
        moment if moment is not None else reader.path("TimestampPath"),
    )


def _choice(reader: Reader, _workflows: Workflows) -> machines.ChoiceBody:
    rules = tuple(
        machines.Rule(
            next=one.text("Next", required=True), assign=one.assignments(), condition=read_condition(one)
        )
        for one in reader.each("Choices", required=True)
    )
    return machines.ChoiceBody(rules, reader.text("Default"))


def _task(reader: Reader, _workflows: Workflows) -> machines.TaskBody:
    arn = reader.text("Resource", required=True) or ""
    resource = Resource.of_arn(arn)
    if resource is None:
        if reader.has("Resource"):
            reader.problem(
                f"The resource provided {arn} is not recognized. The value is not a valid resource ARN, or "
                "the resource is not available in this region.",
                "Resource",
            )
        resource = Resource(arn, "Task")
    timeout, heartbeat = _seconds(reader, "TimeoutSeconds"), _seconds(reader, "HeartbeatSeconds")
    if isinstance(timeout, int) and isinstance(heartbeat, int) and heartbeat >= timeout:
        reader.problem("HeartbeatSeconds must be smaller than TimeoutSeconds", "HeartbeatSeconds")
    credentials = reader.template("Credentials", objects_only=True)
    if credentials is not None and not {"RoleArn", "RoleArn.$"} & set(reader.take("Credentials")):
        reader.problem("The field 'RoleArn' is required but was missing", "Credentials")
    return machines.TaskBody(resource, timeout, heartbeat, credentials)


def _seconds(reader: Reader, name: str) -> int | Path | None:
    reader.at_most_one(name, f"{name}Path")
    seconds = reader.whole(name, 1, MAX_SECONDS, None)
    return seconds if seconds is not None else reader.path(f"{name}Path")


def _parallel(reader: Reader, workflows: Workflows) -> tuple[str, ...]:
    branches = reader.each("Branches", required=True)
    return tuple(_workflow(branch, workflows) for branch in branches)


def _map(reader: Reader, workflows: Workflows) -> machines.MapBody:
    name = "Iterator" if reader.has("Iterator") else "ItemProcessor"
    reader.require(name)
    reader.at_most_one("ItemProcessor", "Iterator")
    reader.at_most_one("ItemSelector", "Parameters")
    reader.at_most_one("MaxConcurrency", "MaxConcurrencyPath")
    if reader.has(name):
        processor = reader.inner(name)
        if processor.has("ProcessorConfig"):
            config = processor.inner("ProcessorConfig")
            config.one_of("Mode", ("INLINE",), INLINE)
            config.done()
        _workflow(processor, workflows)
    limit = reader.whole("MaxConcurrency", 0, MAX_SECONDS, 0)
    return machines.MapBody(
        f"{reader.place}/{name}",
        reader.path("ItemsPath") or WHOLE,
        reader.template("ItemSelector") or reader.template("Parameters"),
        reader.path("MaxConcurrencyPath") or limit,
    )


def _fail(reader: Reader, _workflows: Workflows) -> machines.FailBody:
    return machines.FailBody(_constant_or_path(reader, "Error"), _constant_or_path(reader, "Cause"))


def _constant_or_path(reader: Reader, name: str) -> Expression | None:
    reader.at_most_one(name, f"{name}Path")
    text = reader.text(name)
    return (lambda _scope: text) if text is not None else reader.expression(f"{name}Path")


# What reads the fields of a type of state, None where it has none of its own, and those that it shares.
PATHS = ("InputPath", "OutputPath")
STEP = (*PATHS, "Assign", "Next")
WORK = (*STEP, "ResultSelector", "ResultPath", "Retry", "Catch")
STATES: dict[str, tuple[Callable[[Reader, Workflows], Any] | None, tuple[str, ...]]] = {
    "Task": (_task, (*WORK, "Parameters")),
    "Pass": (_pass, (*STEP, "Parameters", "ResultPath")),
    "Wait": (_wait, STEP),
    "Choice": (_choice, (*PATHS, "Assign")),
    "Parallel": (_parallel, (*WORK, "Parameters")),
    "Map": (_map, WORK),
    "Succeed": (None, PATHS),
    "Fail": (_fail, ()),
}
