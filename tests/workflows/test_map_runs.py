"""Distributed Maps on a real database: children, items and results in objects, restarts."""

from __future__ import annotations

import gzip
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.workflows.stage import QUICK, Answers, Stage, chain, task_arn
from tests.workflows.waiting import wait_until

from customlabels.asl import Rules
from customlabels.storage import Objects, Records
from customlabels.workflows import Engine, Execution, MapRun, MapRunner, MapRuns, Submitted, TaskRequest

READ = "arn:aws:states:::s3:getObject"


class MapStage(Stage):
    """A stage whose executions may have distributed Maps; objects of the bucket `b` lie in a folder."""

    def __init__(self, records: Records, folder: Path, answers: Answers | None = None) -> None:
        super().__init__(records, runner=answers)
        folder.mkdir(exist_ok=True)
        self.objects = Objects(lambda name: folder if name == "b" else None)
        self.map_runs = MapRuns(records, self.objects, Rules(), time.time)
        runner = MapRunner(self.map_runs, self.answers)
        self.engine = Engine(records, runner, Rules(), time.time, uuid.uuid4().hex, QUICK)

    def start(self) -> None:
        self.engine.recover()
        self.engine.start()
        self.map_runs.start()

    def close(self) -> None:
        self.answers.go_on.set()
        self.engine.close(timeout=0.5)
        self.map_runs.close()

    def run(self, text: str, inner: dict[str, Any] | None = None, **fields: Any) -> Execution:
        return self.finish(self.begin(each(inner, **fields), text, name=uuid.uuid4().hex))

    def map_run(self, execution: Execution) -> MapRun:
        (found,) = self.map_runs.of_execution(execution.arn, 10, None)
        return found


def each(inner: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    processor = {"ProcessorConfig": config, **chain(One=inner or {"Type": "Pass"})}
    return chain(M={"Type": "Map", "ItemProcessor": processor, **fields})


@pytest.fixture
def maps(records: Records, tmp_path: Path) -> Iterator[MapStage]:
    stage = MapStage(records, tmp_path / "b")
    stage.start()
    yield stage
    stage.close()


def test_every_item_is_an_execution_of_its_own_with_its_own_history(maps: MapStage) -> None:
    execution = maps.run('["a","b","c"]', Label="Each")

    assert (execution.status, execution.output) == ("SUCCEEDED", '["a","b","c"]')
    run = maps.map_run(execution)
    assert run.status == "SUCCEEDED"
    children = maps.map_runs.children(run, None, 10, None)
    assert {child.machine_arn for child in children} == {run.plan["MachineArn"]}
    assert run.plan["MachineArn"].endswith(":stateMachine:m/Each")
    for child in children:
        assert maps.types(child.arn) == [
            "ExecutionStarted",
            "PassStateEntered",
            "PassStateExited",
            "ExecutionSucceeded",
        ]
    assert maps.executions.describe(children[0].arn).details == {"mapRunArn": run.arn}


def test_no_more_children_run_at_once_than_the_state_allows(maps: MapStage) -> None:
    running = 0
    most = 0
    lock = threading.Lock()

    def count(task: TaskRequest) -> Any:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.05)
        with lock:
            running -= 1
        return task.parameters

    maps.answers.echo = count  # type: ignore[method-assign]
    execution = maps.run(
        json.dumps(list(range(8))), {"Type": "Task", "Resource": task_arn("echo")}, MaxConcurrency=2
    )

    assert execution.output == "[0,1,2,3,4,5,6,7]"
    assert most <= 2


def test_items_are_read_from_objects_selected_and_put_into_batches(maps: MapStage) -> None:
    maps.objects.write("b", "in/items.csv", b"n\r\n1\r\n2\r\n3\r\n")
    config = {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}

    execution = maps.run(
        "{}",
        ItemReader={
            "Resource": READ,
            "Parameters": {"Bucket": "b", "Key": "in/items.csv"},
            "ReaderConfig": config,
        },
        ItemSelector={"number.$": "$$.Map.Item.Value.n", "at.$": "$$.Map.Item.Index"},
        ItemBatcher={"MaxItemsPerBatch": 2, "BatchInput": {"who": "me"}},
    )

    assert json.loads(str(execution.output)) == [
        {"BatchInput": {"who": "me"}, "Items": [{"number": "1", "at": 0}, {"number": "2", "at": 1}]},
        {"BatchInput": {"who": "me"}, "Items": [{"number": "3", "at": 2}]},
    ]
    tally = maps.map_runs.tally(maps.map_run(execution).arn)
    assert (tally.children, tally.items) == ({"SUCCEEDED": 2}, {"SUCCEEDED": 3})


def test_items_are_the_objects_below_a_prefix(maps: MapStage) -> None:
    for key in ("in/1", "in/2", "out/3"):
        maps.objects.write("b", key, key.encode())

    execution = maps.run(
        "{}",
        {"Type": "Pass", "Parameters": {"key.$": "$.Key", "size.$": "$.Size"}},
        ItemReader={
            "Resource": "arn:aws:states:::s3:listObjectsV2",
            "Parameters": {"Bucket": "b", "Prefix": "in/"},
        },
    )

    assert json.loads(str(execution.output)) == [{"key": "in/1", "size": 4}, {"key": "in/2", "size": 4}]


def test_items_are_the_rows_of_an_inventory(maps: MapStage) -> None:
    manifest = {"fileSchema": "Bucket, Key", "files": [{"key": "data/1.csv.gz"}]}
    maps.objects.write("b", "manifest.json", json.dumps(manifest).encode())
    maps.objects.write("b", "data/1.csv.gz", gzip.compress(b'"x","y"\n"x","z"\n'))

    execution = maps.run(
        "{}",
        ItemReader={
            "Resource": READ,
            "Parameters": {"Bucket": "b", "Key": "manifest.json"},
            "ReaderConfig": {"InputType": "MANIFEST"},
        },
    )

    rows = json.loads(str(execution.output))
    assert rows == [{"Bucket": "x", "Key": "y"}, {"Bucket": "x", "Key": "z"}]


@pytest.mark.parametrize(
    ("parameters", "cause"),
    [
        ({"Bucket": "b", "Key": "missing"}, "no such file"),
        ({"Bucket": "nowhere", "Key": "k"}, "there is no bucket 'nowhere'"),
        ({"Bucket": "b"}, "it takes Bucket, ExpectedBucketOwner, Key"),
        ({"Bucket": "b", "Key": "k", "VersionId": "1"}, "VersionId"),
    ],
)
def test_items_that_cannot_be_read_fail_the_map_and_leave_nothing_running(
    maps: MapStage, parameters: dict[str, Any], cause: str
) -> None:
    reader = {"Resource": READ, "Parameters": parameters, "ReaderConfig": {"InputType": "JSON"}}

    execution = maps.run("{}", ItemReader=reader)

    assert (execution.status, execution.error) == ("FAILED", "States.ItemReaderFailed")
    assert cause in str(execution.cause)
    assert maps.map_run(execution).status == "FAILED"
    assert maps.types(execution.arn)[-4:] == [
        "MapRunStarted",
        "MapRunFailed",
        "MapStateFailed",
        "ExecutionFailed",
    ]


def test_results_go_to_objects_where_the_state_says_so(maps: MapStage) -> None:
    writer = {
        "Resource": "arn:aws:states:::s3:putObject",
        "Parameters": {"Bucket": "b", "Prefix": "out"},
        "WriterConfig": {"OutputType": "JSONL", "Transformation": "COMPACT"},
    }

    execution = maps.run("[1,2]", ResultWriter=writer)

    told = json.loads(str(execution.output))
    manifest = json.loads(maps.objects.read("b", told["ResultWriterDetails"]["Key"]))
    (file,) = manifest["ResultFiles"]["SUCCEEDED"]
    assert told["MapRunArn"] == manifest["MapRunArn"] == maps.map_run(execution).arn
    assert file["Key"].startswith("out/")
    assert maps.objects.read("b", file["Key"]) == b"1\n2"
    assert manifest["ResultFiles"]["FAILED"] == []


def test_too_many_failures_end_the_map_run_and_stop_its_other_children(maps: MapStage) -> None:
    rules = [{"Variable": "$", "NumericEquals": 0, "Next": "Bad"}]
    states = {
        "C": {"Type": "Choice", "Choices": rules, "Default": "Slow"},
        "Bad": {"Type": "Fail", "Error": "Oops"},
        "Slow": {"Type": "Wait", "Seconds": 600, "End": True},
    }
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    processor = {"ProcessorConfig": config, "StartAt": "C", "States": states}
    state = {"Type": "Map", "ItemProcessor": processor}

    execution = maps.finish(maps.begin(chain(M=state), "[1,0,2]"))

    assert (execution.status, execution.error) == ("FAILED", "States.ExceedToleratedFailureThreshold")
    run = maps.map_run(execution)
    wait_until(lambda: maps.executions.running() == 0)
    statuses = sorted(child.status for child in maps.map_runs.children(run, None, 10, None))
    assert statuses == ["ABORTED", "ABORTED", "FAILED"]


def test_stopping_an_execution_stops_what_its_map_runs_started(maps: MapStage) -> None:
    arn = maps.begin(each({"Type": "Wait", "Seconds": 600}), "[1,2,3]")
    wait_until(lambda: maps.executions.running() == 4)

    maps.executions.stop(arn)

    wait_until(lambda: maps.executions.running() == 0)
    run = maps.map_run(maps.executions.describe(arn))
    assert run.status == "ABORTED"
    assert maps.map_runs.tally(run.arn).children == {"ABORTED": 3}


def test_limits_of_a_map_run_can_be_changed_while_it_runs(maps: MapStage) -> None:
    arn = maps.begin(each({"Type": "Wait", "Seconds": 600}, MaxConcurrency=1), "[1,2,3]")
    wait_until(lambda: maps.executions.running() == 2)
    run = maps.map_run(maps.executions.describe(arn))

    assert maps.map_runs.update(run.arn, {"max_concurrency": 2})

    wait_until(lambda: maps.executions.running() == 3)
    maps.executions.stop(arn)
    wait_until(lambda: maps.executions.running() == 0)
    assert not maps.map_runs.update(run.arn, {"max_concurrency": 3})


def test_maps_within_maps_do_not_wait_for_each_others_threads(maps: MapStage) -> None:
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    inner = {"Type": "Map", "ItemProcessor": {"ProcessorConfig": config, **chain(P={"Type": "Pass"})}}
    items = [[number, number + 1] for number in range(QUICK.task_threads + 4)]

    execution = maps.run(json.dumps(items), inner)

    assert json.loads(str(execution.output)) == items


def test_a_map_run_goes_on_after_a_restart_without_starting_a_child_twice(
    records: Records, tmp_path: Path
) -> None:
    first = MapStage(records, tmp_path / "b")
    first.start()
    inner = {"Type": "Task", "Resource": task_arn("block")}
    arn = first.begin(each(inner, MaxConcurrency=3), json.dumps(list(range(9))))
    wait_until(lambda: len(first.answers.seen) == 3)
    first.engine.close(timeout=0.0)
    first.map_runs.close()

    second = MapStage(records, tmp_path / "b")
    second.answers.go_on.set()
    second.start()
    execution = second.finish(arn)
    first.answers.go_on.set()
    second.close()

    assert execution.output == "[0,1,2,3,4,5,6,7,8]"
    run = second.map_run(execution)
    children = second.map_runs.children(run, None, 100, None)
    assert len(children) == 9
    for child in children:
        assert [event.id for event in second.events(child.arn)] == list(range(1, 8))


def test_a_reading_that_was_cut_off_begins_again(records: Records, tmp_path: Path) -> None:
    first = MapStage(records, tmp_path / "b")
    first.objects.write("b", "items.json", json.dumps(list(range(450))).encode())
    reader = {
        "Resource": READ,
        "Parameters": {"Bucket": "b", "Key": "items.json"},
        "ReaderConfig": {"InputType": "JSON"},
    }
    stage_children = first.map_runs._stage
    cut_off, released = threading.Event(), threading.Event()

    def stage_and_hang(*given: Any) -> None:
        stage_children(*given)
        cut_off.set()
        released.wait(30)

    first.map_runs._stage = stage_and_hang  # type: ignore[method-assign, assignment]
    first.engine.start()
    arn = first.begin(each(ItemReader=reader), "{}")
    wait_until(cut_off.is_set)
    first.engine.close(timeout=0.0)

    second = MapStage(records, tmp_path / "b")
    second.start()
    execution = second.finish(arn)
    released.set()
    second.close()

    assert json.loads(str(execution.output)) == list(range(450))


def test_a_server_that_was_silent_while_it_read_stages_nothing_any_more(
    records: Records, tmp_path: Path
) -> None:
    """It would take the places of the children that the next reader is about to stage."""
    silent, over = threading.Event(), threading.Event()
    first, second = MapStage(records, tmp_path / "b"), MapStage(records, tmp_path / "b")
    whole, begin = first.map_runs._inputs, first.map_runs.begin

    def pausing(free: threading.Event | None, needed: threading.Event) -> Callable[..., Iterator[str]]:
        def inputs(*given: Any) -> Iterator[str]:
            for number, text in enumerate(whole(*given)):
                if number == 300:
                    if free is not None:
                        free.set()
                    needed.wait(30)
                yield text

        return inputs

    def begin_and_tell(task: TaskRequest) -> Submitted:
        try:
            return begin(task)
        finally:
            over.set()

    first.map_runs._inputs = pausing(None, silent)  # type: ignore[method-assign]
    second.map_runs._inputs = pausing(silent, over)  # type: ignore[method-assign]
    first.map_runs.begin = begin_and_tell  # type: ignore[method-assign]
    first.engine.start()
    items = list(range(700))
    arn = first.begin(each({"Type": "Pass"}), json.dumps(items))
    wait_until(lambda: bool(first.map_runs.of_execution(arn, 1, None)))
    first.engine.close(timeout=0.0)
    second.start()

    execution = second.finish(arn)
    second.close()

    assert over.is_set()
    assert json.loads(str(execution.output)) == items
