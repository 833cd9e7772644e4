"""The distributed Map: what a definition says of it, and the inputs of its child executions. Pure.

The interpreter only plans a map run: the plan is the parameters of a task of the resource MAP_RUN, which the
shell carries out with executions of its own. Items may come from outside and be many, so the shell asks for
the children's inputs piece by piece.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from customlabels.asl.documents import Json, compact, shown, size_of
from customlabels.asl.execution import Execution, Run
from customlabels.asl.expressions import Scope, read_field
from customlabels.asl.failures import query_failure, runtime
from customlabels.asl.happenings import Rules
from customlabels.asl.jsonata import Query
from customlabels.asl.machines import MOST_ITEMS, Machine, MapBody, Number, Outside
from customlabels.asl.paths import Path

MAP_RUN = "mapRun"  # the resource of the task that carries out a plan
# Error and cause of a map run with more failed items than its plan tolerates.
EXCEEDED = (
    "States.ExceedToleratedFailureThreshold",
    "The specified tolerated failure threshold was exceeded",
)
MOST_BATCH_BYTES = 262_144


def plan(run: Run, body: MapBody, scope: Scope, items: list[Json] | None, identity: tuple[str, str]) -> Json:
    """All that the shell needs for a map run. Raises Failure.

    items: None where an ItemReader brings them    identity: the map run's label and its unique name
    """
    assert body.distributed is not None
    said, started = body.distributed, run.execution.started
    count = _limit("ToleratedFailureCount", body.tolerated_count, scope, int)
    if count is not None and count < 0:
        raise runtime("ToleratedFailureCount cannot be negative.")
    percentage = _limit("ToleratedFailurePercentage", body.tolerated_percentage, scope, float)
    if percentage is not None and not 0 <= percentage <= 100:
        raise runtime("ToleratedFailurePercentage must be between 0 and 100.")
    label, name = identity
    parts = started.machine_arn.split(":")
    machine = parts[6]
    batch = said.batch and {
        "Input": None if said.batch.input is None else said.batch.input(scope),
        "Items": _limit("MaxItemsPerBatch", said.batch.most_items, scope, int),
        "Bytes": _limit("MaxInputBytesPerBatch", said.batch.most_bytes, scope, int),
    }
    reader = said.reader and {
        **_outside(said.reader, scope),
        "MaxItems": _limit("MaxItems", said.reader.most_items, scope, int),
    }
    return {
        "Arn": ":".join([*parts[:5], "mapRun", f"{machine}/{label}", name]),
        "MachineArn": ":".join([*parts[:5], "stateMachine", f"{machine}/{label}"]),
        "Definition": said.definition,
        "Type": said.execution_type,
        "MaxConcurrency": run_limit(body, scope),
        "ToleratedCount": count,
        "ToleratedPercentage": percentage,
        "Items": items,
        "Reader": reader,
        "Batch": batch,
        "Writer": said.writer and _outside(said.writer, scope),
    }


def _outside(said: Outside, scope: Scope) -> dict[str, Json]:
    parameters = said.parameters(scope) if said.parameters else {}
    return {"Resource": said.resource, "Parameters": parameters, "Config": said.config}


def run_limit(body: MapBody, scope: Scope) -> int:
    """How many children may run at once; 0 is as many as the shell allows."""
    return int(_limit("MaxConcurrency", body.max_concurrency, scope, int))


def _limit(field: str, source: Number | float | None, scope: Scope, kind: type[int] | type[float]) -> Any:
    """A number of a field, of a path or of an expression; a path may lead to a text that is a number."""
    if source is None or isinstance(source, int | float):
        return source
    if isinstance(source, Query):
        value = source.typed(scope, "number")
        if kind is int and not isinstance(value, int):
            raise query_failure(f"The {field} field must give a whole number, not {value}", source.field)
        return kind(value)
    assert isinstance(source, Path)
    value = read_field(source, scope)
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | kind):
            raise ValueError
        return kind(value)
    except ValueError:
        named = "integer" if kind is int else "float"
        problem = f'The {field}Path field refers to value "{shown(value)}" which is not a valid {named}'
        raise runtime(f"{problem}: {source.text}") from None


def child_inputs(
    machine: Machine,
    execution: Execution,
    task_id: int,
    first: int,
    items: Sequence[Json],
    now: float,
    seed: str,
) -> list[str]:
    """The inputs, as JSON texts, that the map run of this task makes of items from number `first` on.

    Raises Failure where an ItemSelector fails.
    """
    run = Run(machine, execution, now, seed, Rules())
    thread = next(one for one in execution.threads if one.task == task_id)
    body: MapBody = run.state(thread).body
    inputs = []
    for index, value in enumerate(items, first):
        scope = run.entered(thread, item=[index, value])
        inputs.append(compact(value if body.selector is None else body.selector(scope)))
    return inputs


def batched(inputs: Iterable[str], batch: Json) -> Iterator[tuple[int, str]]:
    """Inputs put together as an ItemBatcher says: how many, and the input of their child.

    batch: the plan's `Batch`    A batch holds one item at least, whatever its size.
    """
    most_items, most_bytes = batch["Items"] or MOST_ITEMS, batch["Bytes"] or MOST_BATCH_BYTES
    head = "" if batch["Input"] is None else f'"BatchInput":{compact(batch["Input"])},'
    frame = size_of(head) + len('{"Items":[]}')
    held: list[str] = []
    size = frame
    for text in inputs:
        more = size_of(text) + bool(held)
        if held and (len(held) >= most_items or size + more > most_bytes):
            yield len(held), _batch(head, held)
            held, size, more = [], frame, size_of(text)
        held.append(text)
        size += more
    if held:
        yield len(held), _batch(head, held)


def _batch(head: str, held: list[str]) -> str:
    return "{" + head + '"Items":[' + ",".join(held) + "]}"


def exceeds(failed: int, total: int, plan: Json) -> bool:
    """Whether so many failed items of all are more than the plan tolerates."""
    count, percentage = plan["ToleratedCount"], plan["ToleratedPercentage"]
    if count is None and percentage is None:
        return failed > 0
    too_many = count is not None and failed > count
    return too_many or (percentage is not None and failed * 100 > percentage * total)
