"""From a definition to a Machine, with every problem in the words of the service where they are known.

One function reads the fields that states share, one function per type reads its own; the table STATES
ties them together. Transitions are checked when all states of a workflow are known.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from customlabels.asl import machines
from customlabels.asl.choices import Condition, read_condition
from customlabels.asl.distribution import read_distributed
from customlabels.asl.documents import MAX_DEPTH, Document, Json, compact, deeper_than, parse_time
from customlabels.asl.expressions import Expression, Template
from customlabels.asl.fields import InvalidDefinition, Problem, Reader
from customlabels.asl.json_definitions import read_json_definition
from customlabels.asl.json_texts import json_fault
from customlabels.asl.jsonata import Query, QueryFlow
from customlabels.asl.machines import (
    MAX_SECONDS,
    Catcher,
    DataFlow,
    Flow,
    Machine,
    Resource,
    Retrier,
    State,
    Workflow,
)
from customlabels.asl.paths import WHOLE, Path
from customlabels.errors import InvalidInput

MAX_NAME = 80  # characters of a state's name

LANGUAGES = ("JSONPath", "JSONata")
DOWNGRADE = "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine"
UNKNOWN_RESOURCE = (
    "The resource provided {} is not recognized. The value is not a valid resource ARN, "
    "or the resource is not available in this region."
)
MODES = ("INLINE", "DISTRIBUTED")


@dataclass
class Found:
    """What is found on the way: workflows by their place. jsonata: the language of states that name none."""

    jsonata: bool
    workflows: dict[str, Workflow] = field(default_factory=dict)


def parse(definition: str | dict[str, Json]) -> Machine:
    """The machine of a definition; raises InvalidDefinition with every problem found."""
    text = definition if isinstance(definition, str) else compact(definition)
    reader = Reader(_source(definition), "", [])
    timeout = reader.whole("TimeoutSeconds", 1, MAX_SECONDS, None)
    reader.one_of("Version", ("1.0",), "Only the version '1.0' is supported")
    found = Found(reader.one_of("QueryLanguage", LANGUAGES) == "JSONata")
    _workflow(reader, found)
    if reader.problems:
        raise InvalidDefinition(reader.problems, text)
    return Machine(found.workflows, timeout)


def parse_state(definition: str, name: str) -> Machine:
    """A machine of the one state defined; where it leads to is not there. Raises InvalidDefinition."""
    reader = Reader(_source(definition), f"/States/{name}", [])
    found = Found(jsonata=False)
    found.workflows[""] = Workflow(name, {name: _state(name, reader, found)})
    if reader.problems:
        raise InvalidDefinition(reader.problems, definition)
    return Machine(found.workflows)


def _source(definition: str | dict[str, Json]) -> dict[str, Json]:
    if isinstance(definition, str) and definition.strip():
        try:
            definition = read_json_definition(definition)
        except InvalidInput as error:
            message, place = json_fault(str(definition)) or (str(error), None)
            raise InvalidDefinition([Problem(message, place, "INVALID_JSON_DESCRIPTION")]) from None
    if not isinstance(definition, dict):
        raise InvalidDefinition([Problem("Definition must be a valid JSON object", None)])
    if deeper_than(definition, MAX_DEPTH):
        raise InvalidDefinition([Problem(f"More than {MAX_DEPTH} levels inside each other", None)])
    return definition


def _workflow(reader: Reader, found: Found) -> str:
    """Read StartAt and States of the root, a branch or a processor; returns its place."""
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
        state = Reader(source, place, reader.problems, jsonata=found.jsonata)
        states[name] = _state(name, state, found)
    if sources and start_at is not None:
        _check_transitions(reader.place, start_at, states, reader.problems)
    found.workflows[reader.place] = Workflow(start_at or "", states)
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


def _state(name: str, reader: Reader, found: Found) -> State[Any]:
    reader.require("Type")
    kind = reader.one_of("Type", STATES)
    if kind is None:
        return State(name, "Pass", DataFlow(), None)
    language = reader.one_of("QueryLanguage", LANGUAGES)
    if found.jsonata and language == "JSONPath":
        reader.problem(DOWNGRADE)
    reader.jsonata = found.jsonata or language == "JSONata"
    read_body, shared = STATES[kind]
    following = _transition(reader) if "Next" in shared else None
    flow = _flow(reader, shared, told="result" if "ResultSelector" in shared else None)
    retriers = _retriers(reader) if "Retry" in shared else ()
    catchers = _catchers(reader) if "Catch" in shared else ()
    body = read_body(reader, found) if read_body else None
    reader.done()
    return State(name, kind, flow, body, following, retriers, catchers)


def _transition(reader: Reader) -> str | None:
    following, end = reader.text("Next"), reader.boolean("End")
    if reader.has("Next") == end:
        reader.problem("Exactly one of these fields is required: [Next, End]")
    return following


def _flow(reader: Reader, shared: tuple[str, ...], told: str | None = None) -> Flow:
    if reader.jsonata:
        return QueryFlow(
            template=reader.template("Arguments") if "Arguments" in shared else None,
            output=reader.template("Output") if "OutputPath" in shared or "Output" in shared else None,
            assign=reader.assignments() if "Assign" in shared else None,
            told=told,
        )
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
            flow=_flow(one, ("ResultPath", "Output", "Assign"), told="errorOutput"),
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


def _pass(reader: Reader, _found: Found) -> Document | None:
    if reader.jsonata or not reader.has("Result"):
        return None
    return Document(value=reader.take("Result"))


def _wait(reader: Reader, _found: Found) -> machines.WaitBody:
    names = ("Seconds", "Timestamp") if reader.jsonata else WAITS
    if sum(map(reader.has, names)) != 1:
        reader.problem(f"Exactly one of these fields is required: [{', '.join(names)}]")
    moment: float | Path | Query | None = reader.query("Timestamp") or _moment(reader)
    if moment is None and not reader.jsonata:
        moment = reader.path("TimestampPath")
    return machines.WaitBody(reader.amount("Seconds", 0, MAX_SECONDS), moment)


def _moment(reader: Reader) -> float | None:
    text = reader.text("Timestamp")
    moment = parse_time(text)
    if text is not None and moment is None:
        reader.problem("String does not match RFC3339 timestamp", "Timestamp")
    return moment


def _choice(reader: Reader, _found: Found) -> machines.ChoiceBody:
    rules = tuple(
        machines.Rule(
            next=one.text("Next", required=True), flow=_rule_flow(reader, one), condition=_condition(one)
        )
        for one in reader.each("Choices", required=True)
    )
    return machines.ChoiceBody(rules, reader.text("Default"))


def _rule_flow(reader: Reader, rule: Reader) -> Flow:
    if rule.jsonata:
        return _flow(rule, ("Output", "Assign"))
    return DataFlow(
        input_path=reader.nullable_path("InputPath"),
        output_path=reader.nullable_path("OutputPath"),
        assign=rule.assignments(),
    )


def _condition(rule: Reader) -> Condition:
    if not rule.jsonata:
        return read_condition(rule)
    rule.require("Condition")
    query = rule.query("Condition")
    if query is None:
        constant = rule.boolean("Condition")
        return lambda _scope: constant
    return lambda scope: bool(query.typed(scope, "boolean"))


def _task(reader: Reader, _found: Found) -> machines.TaskBody:
    arn = reader.text("Resource", required=True) or ""
    resource = Resource.of_arn(arn)
    if resource is None:
        if reader.has("Resource"):
            reader.problem(UNKNOWN_RESOURCE.format(arn), "Resource")
        resource = Resource(arn, "Task")
    timeout = reader.amount("TimeoutSeconds", 1, MAX_SECONDS)
    heartbeat = reader.amount("HeartbeatSeconds", 1, MAX_SECONDS)
    if isinstance(timeout, int) and isinstance(heartbeat, int) and heartbeat >= timeout:
        reader.problem("HeartbeatSeconds must be smaller than TimeoutSeconds", "HeartbeatSeconds")
    return machines.TaskBody(resource, timeout, heartbeat, _credentials(reader))


def _credentials(reader: Reader) -> Template | None:
    given = reader.source.get("Credentials")
    names = {"RoleArn"} if reader.jsonata else {"RoleArn", "RoleArn.$"}
    if isinstance(given, dict) and not names & given.keys():
        reader.problem("The field 'RoleArn' is required but was missing", "Credentials")
    return reader.template("Credentials", objects_only=True)


def _parallel(reader: Reader, found: Found) -> tuple[str, ...]:
    branches = reader.each("Branches", required=True)
    return tuple(_workflow(branch, found) for branch in branches)


def _map(reader: Reader, found: Found) -> machines.MapBody:
    name = "Iterator" if reader.has("Iterator") else "ItemProcessor"
    reader.require(name)
    reader.at_most_one("ItemProcessor", "Iterator")
    if not reader.jsonata:
        reader.at_most_one("ItemSelector", "Parameters")
    said = None
    if reader.has(name):
        processor = reader.inner(name)
        config = processor.inner("ProcessorConfig") if processor.has("ProcessorConfig") else None
        if config is not None:
            if config.one_of("Mode", MODES) == "DISTRIBUTED":
                said = read_distributed(reader, processor, config, found.jsonata)
            config.done()
        _workflow(processor, found)
    if reader.jsonata:
        items, selector = _queried_items(reader), reader.template("ItemSelector")
    else:
        items = reader.path("ItemsPath") or WHOLE
        selector = reader.template("ItemSelector") or reader.template("Parameters")
    return machines.MapBody(
        processor=f"{reader.place}/{name}",
        items=items,
        selector=selector,
        max_concurrency=reader.amount("MaxConcurrency", 0, MAX_SECONDS) or 0,
        tolerated_count=reader.amount("ToleratedFailureCount", 0, MAX_SECONDS),
        tolerated_percentage=reader.share("ToleratedFailurePercentage"),
        distributed=said,
    )


def _queried_items(reader: Reader) -> machines.Items:
    query = reader.query("Items")
    if query is not None or not reader.has("Items"):
        return query
    if not isinstance(reader.source["Items"], list):
        reader.problem("Expected value of type Array", "Items")
    return reader.template("Items")


def _fail(reader: Reader, _found: Found) -> machines.FailBody:
    return machines.FailBody(_constant_or_given(reader, "Error"), _constant_or_given(reader, "Cause"))


def _constant_or_given(reader: Reader, name: str) -> Expression | None:
    query = reader.query(name)
    if query is not None:
        return query
    text = reader.text(name)
    if reader.jsonata or text is not None:
        reader.at_most_one(name, f"{name}Path")
        return None if text is None else lambda _scope: text
    return reader.expression(f"{name}Path")


# What reads the fields of a type of state, None where it has none of its own, and those that it shares.
WAITS = ("Seconds", "SecondsPath", "Timestamp", "TimestampPath")
PATHS = ("InputPath", "OutputPath")
STEP = (*PATHS, "Assign", "Next")
WORK = (*STEP, "ResultSelector", "ResultPath", "Retry", "Catch")
STATES: dict[str, tuple[Callable[[Reader, Found], Any] | None, tuple[str, ...]]] = {
    "Task": (_task, (*WORK, "Parameters", "Arguments")),
    "Pass": (_pass, (*STEP, "Parameters", "ResultPath")),
    "Wait": (_wait, STEP),
    "Choice": (_choice, (*PATHS, "Assign")),
    "Parallel": (_parallel, (*WORK, "Parameters", "Arguments")),
    "Map": (_map, WORK),
    "Succeed": (None, PATHS),
    "Fail": (_fail, ()),
}
