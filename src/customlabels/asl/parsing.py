"""From a definition to a Machine, with every problem in the words of the service where they are known.

One function reads the fields that states share, one function per type reads its own; the table STATES
ties them together. Transitions are checked when all states of a workflow are known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from customlabels.asl import machines
from customlabels.asl.dataflow import WHOLE, JsonPathFlow
from customlabels.asl.definitions import read_json_definition
from customlabels.asl.documents import MAX_DEPTH, Document, Json, deeper_than
from customlabels.asl.fields import InvalidDefinition, Problem, Reader
from customlabels.asl.machines import Machine, State, Workflow
from customlabels.asl.paths import Path, compile_path
from customlabels.asl.resources import Resource, parse_resource
from customlabels.asl.rules import read_rules
from customlabels.asl.timestamps import parse_time
from customlabels.errors import InvalidInput

__all__ = ["parse"]

MAX_SECONDS = 99_999_999  # of a wait or a timeout, as the service bounds them
MAX_NAME = 80  # characters of a state's name
MAX_LEVELS = 20  # workflows inside workflows


@dataclass
class _Parsing:
    problems: list[Problem] = field(default_factory=list)
    workflows: dict[str, Workflow] = field(default_factory=dict)
    targets: list[tuple[str, str]] = field(default_factory=list)  # (name, place) of the workflow being read
    level: int = 0


def parse(definition: str | dict[str, Json]) -> Machine:
    """The machine of a definition; raises InvalidDefinition with every problem found."""
    if isinstance(definition, str):
        if not definition.strip():
            raise InvalidDefinition([Problem("Definition must be a valid JSON object", None)])
        try:
            definition = read_json_definition(definition)
        except InvalidInput as error:
            raise InvalidDefinition([Problem(str(error), None, "INVALID_JSON_DESCRIPTION")]) from None
    if not isinstance(definition, dict):
        raise InvalidDefinition([Problem("Definition must be a valid JSON object", None)])
    if deeper_than(definition, MAX_DEPTH):
        raise InvalidDefinition([Problem(f"More than {MAX_DEPTH} levels inside each other", None)])
    parsing = _Parsing()
    reader = Reader(definition, "", parsing.problems)
    timeout = reader.whole("TimeoutSeconds", None, 1, MAX_SECONDS)
    reader.one_of("Version", lambda version: version == "1.0", "Only the version '1.0' is supported")
    _workflow(reader, parsing)
    if parsing.problems:
        raise InvalidDefinition(parsing.problems)
    return Machine(definition, parsing.workflows, timeout)


def _workflow(reader: Reader, parsing: _Parsing) -> str:
    """Read StartAt and States of the root, a branch or a processor; returns its place."""
    outer, parsing.targets = parsing.targets, []
    parsing.level += 1
    _query_language(reader)
    reader.require(*(name for name in ("States", "StartAt") if not reader.has(name)))
    start_at = reader.text("StartAt")
    sources = reader.take("States")
    reader.done()
    if start_at is not None:
        parsing.targets.append((start_at, f"{reader.place}/StartAt"))
    if reader.has("States") and not (isinstance(sources, dict) and sources):
        reader.problem("Expected a non-empty object", "States")
        sources = {}
    if parsing.level > MAX_LEVELS:
        reader.problem(f"More than {MAX_LEVELS} levels of workflows inside each other")
        sources = {}
    states: dict[str, State] = {}
    for name, source in (sources or {}).items():
        place = f"{reader.place}/States/{name}"
        if not name or len(name) > MAX_NAME:
            parsing.problems.append(Problem(f"A state's name has 1 to {MAX_NAME} characters", place))
        states[name] = _state(name, Reader(source, place, parsing.problems), parsing)
    if isinstance(sources, dict) and sources and start_at is not None:
        _check_transitions(reader.place, start_at, states, parsing)
    parsing.targets = outer
    parsing.level -= 1
    parsing.workflows[reader.place] = Workflow(start_at or "", states)
    return reader.place


def _query_language(reader: Reader) -> None:
    reader.one_of(
        "QueryLanguage",
        lambda language: language == "JSONPath",
        "Only the query language 'JSONPath' is supported: JSONata is one that this engine does not run yet",
    )


def _check_transitions(place: str, start_at: str, states: dict[str, State], parsing: _Parsing) -> None:
    code = "MISSING_TRANSITION_TARGET"
    for name, where in parsing.targets:
        if name not in states:
            parsing.problems.append(Problem(f"Missing 'Next' target: {name}", where, code))
    if not any(state.next is None and state.kind != "Choice" for state in states.values()):
        parsing.problems.append(Problem("Workflow has no terminal state", None, "MISSING_END_STATE"))
        return
    reached: set[str] = set()
    waiting = [start_at]
    while waiting:
        name = waiting.pop()
        if name in states and name not in reached:
            reached.add(name)
            waiting.extend(_successors(states[name]))
    for name in states:
        if name not in reached:
            where = f"{place}/States/{name}"
            parsing.problems.append(Problem(f'State "{name}" is not reachable.', where, code))


def _successors(state: State) -> list[str]:
    names = [state.next, *(catcher.next for catcher in state.catchers)]
    if isinstance(state.body, machines.ChoiceBody):
        names += [state.body.default, *(rule.next for rule in state.body.rules)]
    return [name for name in names if name is not None]


@dataclass(frozen=True)
class _Kind:
    """What a type of state may have besides its body."""

    body: Callable[[Reader, _Parsing], machines.Body]
    transition: bool = True
    data: tuple[str, ...] = ()
    catches: bool = False


def _state(name: str, reader: Reader, parsing: _Parsing) -> State:
    type_name = reader.text("Type")
    kind = STATES.get(type_name or "")
    if kind is None or type_name is None:
        if not reader.has("Type"):
            reader.require("Type")
        elif type_name is not None:
            reader.problem(f"Expected one of [{', '.join(STATES)}]", "Type")
        return State(name, "Pass", machines.PassBody(None))
    _query_language(reader)
    following = _transition(reader, parsing) if kind.transition else None
    flow = _flow(reader, kind.data)
    retriers = _retriers(reader) if kind.catches else ()
    catchers = _catchers(reader, parsing) if kind.catches else ()
    body = kind.body(reader, parsing)
    if isinstance(body, machines.ChoiceBody):
        body = machines.ChoiceBody(tuple(rule.leaving_by(flow) for rule in body.rules), body.default)
    reader.done()
    return State(name, type_name, body, flow, following, retriers, catchers)


def _transition(reader: Reader, parsing: _Parsing) -> str | None:
    following, end = reader.text("Next"), reader.boolean("End")
    if reader.has("Next") == end:
        reader.problem("Exactly one of these fields is required: [Next, End]")
    if following is not None:
        parsing.targets.append((following, f"{reader.place}/Next"))
    return following


def _flow(reader: Reader, data: tuple[str, ...]) -> JsonPathFlow:
    return JsonPathFlow(
        input_path=reader.nullable_path("InputPath", WHOLE) if "InputPath" in data else WHOLE,
        parameters=reader.template("Parameters") if "Parameters" in data else None,
        result_selector=reader.template("ResultSelector", objects_only=True)
        if "ResultSelector" in data
        else None,
        result_path=reader.reference("ResultPath") if "ResultPath" in data else (),
        output_path=reader.nullable_path("OutputPath", WHOLE) if "OutputPath" in data else WHOLE,
        assign=reader.assignments() if "Assign" in data else None,
    )


def _retriers(reader: Reader) -> tuple[machines.Retrier, ...]:
    retriers = []
    sources = reader.array("Retry")
    for index, source in enumerate(sources):
        one = Reader(source, f"{reader.place}/Retry[{index}]", reader.problems)
        strategy = one.one_of(
            "JitterStrategy", lambda value: value in ("FULL", "NONE"), "Expected one of [FULL, NONE]"
        )
        retriers.append(
            machines.Retrier(
                errors=_errors(one, last=index == len(sources) - 1),
                interval_seconds=one.whole("IntervalSeconds", 1, 1, MAX_SECONDS) or 1,
                backoff_rate=one.number("BackoffRate", 2.0, 1.0),
                max_attempts=one.whole("MaxAttempts", 3, 0, MAX_SECONDS) or 0
                if one.has("MaxAttempts")
                else 3,
                max_delay_seconds=one.whole("MaxDelaySeconds", None, 1, 31_622_400),
                full_jitter=strategy == "FULL",
            )
        )
        one.done()
    return tuple(retriers)


def _errors(reader: Reader, *, last: bool) -> tuple[str, ...]:
    reader.require("ErrorEquals")
    errors = reader.texts("ErrorEquals")
    if "States.ALL" in errors and (len(errors) > 1 or not last):
        reader.problem("States.ALL must appear alone, and in the last place", "ErrorEquals")
    return errors


def _catchers(reader: Reader, parsing: _Parsing) -> tuple[machines.Catcher, ...]:
    catchers = []
    sources = reader.array("Catch")
    for index, source in enumerate(sources):
        one = Reader(source, f"{reader.place}/Catch[{index}]", reader.problems)
        errors = _errors(one, last=index == len(sources) - 1)
        flow = _flow(one, ("ResultPath", "Assign"))
        catchers.append(machines.Catcher(errors, _target(one, "Next", parsing) or "", flow))
        one.done()
    return tuple(catchers)


def _target(reader: Reader, name: str, parsing: _Parsing, *, required: bool = True) -> str | None:
    if required:
        reader.require(name)
    target = reader.text(name)
    if target is not None:
        parsing.targets.append((target, f"{reader.place}/{name}"))
    return target


def _pass(reader: Reader, _parsing: _Parsing) -> machines.PassBody:
    value = reader.take("Result")
    return machines.PassBody(Document(value=value) if reader.has("Result") else None)


def _wait(reader: Reader, _parsing: _Parsing) -> machines.WaitBody:
    names = ("Seconds", "SecondsPath", "Timestamp", "TimestampPath")
    if sum(reader.has(name) for name in names) != 1:
        reader.problem(f"Exactly one of these fields is required: [{', '.join(names)}]")
    text = reader.text("Timestamp")
    moment = parse_time(text)
    if text is not None and moment is None:
        reader.problem("String does not match RFC3339 timestamp", "Timestamp")
    seconds = reader.whole("Seconds", None, 0, MAX_SECONDS)
    return machines.WaitBody(
        seconds if seconds is not None else reader.path("SecondsPath"),
        moment if moment is not None else reader.path("TimestampPath"),
    )


def _choice(reader: Reader, parsing: _Parsing) -> machines.ChoiceBody:
    reader.require("Choices")
    sources = reader.array("Choices")
    if reader.has("Choices") and not sources:
        reader.problem("Expected a non-empty array", "Choices")
    rules = read_rules(sources, reader, parsing.targets)
    return machines.ChoiceBody(rules, _target(reader, "Default", parsing, required=False))


def _task(reader: Reader, _parsing: _Parsing) -> machines.TaskBody:
    reader.require("Resource")
    arn = reader.text("Resource") or ""
    resource = parse_resource(arn)
    if resource is None:
        if reader.has("Resource"):
            reader.problem(
                f"The resource provided {arn} is not recognized. The value is not a valid resource ARN, or "
                "the resource is not available in this region.",
                "Resource",
            )
        resource = Resource(arn, "Task", "", "")
    timeout, heartbeat = _seconds(reader, "TimeoutSeconds"), _seconds(reader, "HeartbeatSeconds")
    if isinstance(timeout, int) and isinstance(heartbeat, int) and heartbeat >= timeout:
        reader.problem("HeartbeatSeconds must be smaller than TimeoutSeconds", "HeartbeatSeconds")
    credentials = reader.template("Credentials", objects_only=True)
    if credentials is not None and "RoleArn" not in credentials.node:
        reader.problem("The field 'RoleArn' is required but was missing", "Credentials")
    return machines.TaskBody(resource, timeout, heartbeat, credentials)


def _seconds(reader: Reader, name: str) -> int | Path | None:
    reader.at_most_one(name, f"{name}Path")
    seconds = reader.whole(name, None, 1, MAX_SECONDS)
    return seconds if seconds is not None else reader.path(f"{name}Path")


def _parallel(reader: Reader, parsing: _Parsing) -> machines.ParallelBody:
    reader.require("Branches")
    sources = reader.array("Branches")
    if reader.has("Branches") and not sources:
        reader.problem("Expected a non-empty array", "Branches")
    return machines.ParallelBody(
        tuple(
            _workflow(Reader(source, f"{reader.place}/Branches[{index}]", reader.problems), parsing)
            for index, source in enumerate(sources)
        )
    )


def _map(reader: Reader, parsing: _Parsing) -> machines.MapBody:
    if not reader.has("ItemProcessor") and not reader.has("Iterator"):
        reader.require("ItemProcessor")
    reader.at_most_one("ItemProcessor", "Iterator")
    reader.at_most_one("ItemSelector", "Parameters")
    reader.at_most_one("MaxConcurrency", "MaxConcurrencyPath")
    name = "Iterator" if reader.has("Iterator") else "ItemProcessor"
    processor = f"{reader.place}/{name}"
    if reader.has(name):
        inner = Reader(reader.take(name), processor, reader.problems)
        if inner.has("ProcessorConfig"):
            _processor_config(inner)
        _workflow(inner, parsing)
    limit = reader.whole("MaxConcurrency", 0, 0, MAX_SECONDS)
    return machines.MapBody(
        processor,
        reader.path("ItemsPath") or compile_path("$"),
        reader.template("ItemSelector") or reader.template("Parameters"),
        reader.path("MaxConcurrencyPath") or limit or 0,
    )


def _processor_config(reader: Reader) -> None:
    config = Reader(reader.take("ProcessorConfig"), f"{reader.place}/ProcessorConfig", reader.problems)
    config.one_of(
        "Mode",
        lambda mode: mode == "INLINE",
        "Only the mode 'INLINE' is supported: the distributed Map is one that this engine does not run yet",
    )
    config.done()


def _succeed(_reader: Reader, _parsing: _Parsing) -> machines.SucceedBody:
    return machines.SucceedBody()


def _fail(reader: Reader, _parsing: _Parsing) -> machines.FailBody:
    return machines.FailBody(reader.constant_or_expression("Error"), reader.constant_or_expression("Cause"))


PATHS = ("InputPath", "OutputPath")
WORK = (*PATHS, "ResultSelector", "ResultPath", "Assign")
STATES: dict[str, _Kind] = {
    "Task": _Kind(_task, data=(*WORK, "Parameters"), catches=True),
    "Pass": _Kind(_pass, data=(*PATHS, "Parameters", "ResultPath", "Assign")),
    "Wait": _Kind(_wait, data=(*PATHS, "Assign")),
    "Choice": _Kind(_choice, transition=False, data=(*PATHS, "Assign")),
    "Parallel": _Kind(_parallel, data=(*WORK, "Parameters"), catches=True),
    "Map": _Kind(_map, data=WORK, catches=True),
    "Succeed": _Kind(_succeed, transition=False, data=PATHS),
    "Fail": _Kind(_fail, transition=False),
}
