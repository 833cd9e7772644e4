"""The distributed Map: what it plans, the inputs of its children, and the items that readers give."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.asl.in_memory import Shell

from customlabels.asl import (
    MAP_RUN,
    Failure,
    InvalidDefinition,
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
    batched,
    exceeds,
    inventory,
    items_of,
    parse,
)

ECHO = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True}


def machine(inner: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "One",
        "States": {"One": inner or {"Type": "Pass", "End": True}},
    }
    return {
        "StartAt": "M",
        "States": {"M": {"Type": "Map", "ItemProcessor": processor, "End": True, **fields}},
    }


def reader(kind: str, **config: Any) -> dict[str, Any]:
    told = {"InputType": kind, "CSVHeaderLocation": None, "CSVHeaders": None, "CSVDelimiter": None}
    return told | config


def test_children_get_selected_items_and_their_results_come_back_in_order() -> None:
    shell = Shell(
        parse(
            machine(
                ItemSelector={"number.$": "$$.Map.Item.Index", "all.$": "$", "item.$": "$$.Map.Item.Value"}
            )
        )
    )

    ended = shell.run('["a","b"]')

    assert json.loads(str(ended.output)) == [
        {"number": 0, "all": ["a", "b"], "item": "a"},
        {"number": 1, "all": ["a", "b"], "item": "b"},
    ]
    assert [event.type for event in shell.events if "Run" in event.type] == [
        "MapRunStarted",
        "MapRunSucceeded",
    ]


def test_the_plan_of_a_map_run_says_all_that_is_needed() -> None:
    fields: dict[str, Any] = {
        "Label": "Each",
        "MaxConcurrency": 7,
        "ToleratedFailureCountPath": "$.few",
        "ToleratedFailurePercentage": 12.5,
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "Parameters": {"Bucket.$": "$.bucket", "Key": "k"},
            "ReaderConfig": {"InputType": "JSONL", "MaxItems": 3},
        },
        "ItemBatcher": {"MaxItemsPerBatch": 2, "BatchInput": {"b.$": "$.bucket"}},
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket": "o", "Prefix": "p"},
        },
    }
    shell = Shell(parse(machine(**fields)), lambda task: [TaskFailed(task.task_id, "E")])

    shell.run('{"few":"4","bucket":"here"}')

    (task,) = shell.tasks
    plan = task.parameters
    assert task.resource == MAP_RUN
    assert plan["Arn"].startswith("arn:aws:states:us-east-1:111111111111:mapRun:machine/Each:")
    assert plan["MachineArn"] == "arn:aws:states:us-east-1:111111111111:stateMachine:machine/Each"
    assert (plan["MaxConcurrency"], plan["ToleratedCount"], plan["ToleratedPercentage"]) == (7, 4, 12.5)
    assert plan["Reader"]["Parameters"] == {"Bucket": "here", "Key": "k"}
    assert plan["Reader"]["MaxItems"] == 3
    assert plan["Batch"] == {"Input": {"b": "here"}, "Items": 2, "Bytes": None}
    assert plan["Writer"]["Parameters"] == {"Bucket": "o", "Prefix": "p"}
    assert plan["Items"] is None
    assert set(json.loads(plan["Definition"])) == {"StartAt", "States"}


def test_failed_children_beyond_the_tolerated_ones_fail_the_map() -> None:
    def script(task: Any) -> list[Any]:
        bad = task.parameters == "bad"
        end = TaskFailed(task.task_id, "E") if bad else TaskSucceeded(task.task_id, '"ok"')
        return [TaskStarted(task.task_id), end]

    one, two = '["good","bad"]', '["bad","bad"]'
    ends = [Shell(parse(machine(ECHO, ToleratedFailureCount=1)), script).run(text) for text in (one, two)]

    assert [end.status for end in ends] == ["SUCCEEDED", "FAILED"]
    assert ends[0].output == '["ok"]'
    assert ends[1].error == "States.ExceedToleratedFailureThreshold"


@pytest.mark.parametrize(
    ("failed", "total", "count", "percentage", "over"),
    [
        (0, 5, None, None, False),
        (1, 5, None, None, True),
        (1, 5, 1, None, False),
        (1, 5, None, 20.0, False),
        (2, 5, None, 20.0, True),
        (2, 5, 5, 20.0, True),
        (2, 5, 1, 90.0, True),
    ],
)
def test_a_map_run_fails_when_either_threshold_is_exceeded(
    failed: int, total: int, count: int | None, percentage: float | None, over: bool
) -> None:
    assert exceeds(failed, total, {"ToleratedCount": count, "ToleratedPercentage": percentage}) is over


@given(
    st.lists(st.text(max_size=30).map(json.dumps)),
    st.one_of(st.none(), st.integers(1, 5)),
    st.one_of(st.none(), st.integers(1, 120)),
    st.one_of(st.none(), st.just({"x": "y"})),
)
def test_batches_hold_every_item_once_in_order_within_their_bounds(
    inputs: list[str], most: int | None, size: int | None, head: Any
) -> None:
    made = list(batched(inputs, {"Input": head, "Items": most, "Bytes": size}))

    batches = [json.loads(text) for _count, text in made]
    assert [item for batch in batches for item in batch["Items"]] == [json.loads(text) for text in inputs]
    assert all(batch.get("BatchInput") == head for batch in batches)
    assert [count for count, _text in made] == [len(batch["Items"]) for batch in batches]
    assert all(count <= (most or 10**9) for count, _text in made)
    assert all(len(text.encode()) <= (size or 10**9) or count == 1 for count, text in made)


@pytest.mark.parametrize(
    ("config", "lines", "items"),
    [
        (reader("JSON"), [b"[1, {", b'"a": 2}]'], [1, {"a": 2}]),
        (reader("JSONL"), [b"1", b"", b'{"a": 2}'], [1, {"a": 2}]),
        (
            reader("CSV", CSVHeaderLocation="FIRST_ROW"),
            [b"\xef\xbb\xbfa,b", b'1,"x', b'y"', b"2", b"", b"3,4,5"],
            [{"a": "1", "b": "x\ny"}, {"a": "2", "b": ""}, {"a": "3", "b": "4"}],
        ),
        (
            reader("CSV", CSVHeaderLocation="GIVEN", CSVHeaders=["a"], CSVDelimiter="PIPE"),
            [b"1|2"],
            [{"a": "1"}],
        ),
    ],
)
def test_a_reader_gives_the_items_of_an_object(config: Any, lines: list[bytes], items: list[Any]) -> None:
    assert list(items_of(lines, config, None)) == items
    assert list(items_of(lines, config, 1)) == items[:1]


def test_fields_of_a_row_stand_in_the_order_of_the_service() -> None:
    config = reader("CSV", CSVHeaderLocation="FIRST_ROW")

    (row,) = items_of([b"0,True,{}", b"1,2,3"], config, 0)

    assert list(row) == ["0", "{}", "True"]


@pytest.mark.parametrize(
    ("config", "lines", "most", "cause"),
    [
        (reader("JSON"), [b"{}"], None, "Attempting to map over non-iterable node."),
        (reader("JSON"), [b"[1"], None, "not valid JSON"),
        (reader("JSONL"), [b"\xff"], None, "not valid JSON"),
        (reader("CSV", CSVHeaderLocation="GIVEN", CSVHeaders=["a", "a"]), [b"1"], None, "duplicates"),
        (reader("JSON"), [b"[]"], -1, "field MaxItems must be positive"),
    ],
)
def test_what_cannot_be_read_is_told(config: Any, lines: list[bytes], most: int | None, cause: str) -> None:
    with pytest.raises(Failure, match=cause) as failed:
        list(items_of(lines, config, most))

    assert failed.value.error == "States.ItemReaderFailed"


def test_an_inventory_names_its_files_and_columns() -> None:
    keys, config = inventory({"fileSchema": "Bucket, Key", "files": [{"key": "data/1.csv.gz"}]})

    assert keys == ["data/1.csv.gz"]
    assert list(items_of([b'"b","k"'], config, None)) == [{"Bucket": "b", "Key": "k"}]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"Label": ""}, r"Label cannot be empty"),
        ({"Label": "a#"}, r"Label contains invalid character: '#'"),
        ({"Label": "a" * 41}, r"Label cannot exceed 40 characters"),
        ({"ItemReader": {}}, r"Resource"),
        ({"ItemReader": {"Resource": "arn:aws:states:::s3:getObject"}}, r"InputType"),
        ({"ItemBatcher": {}}, r"MaxItemsPerBatch"),
        ({"ResultWriter": {"Resource": "arn:aws:states:::sqs:sendMessage"}}, r"Expected one of"),
        ({"ToleratedFailurePercentage": 101}, r"between 0 and 100"),
    ],
)
def test_what_a_distributed_map_says_wrongly_is_refused(fields: Any, problem: str) -> None:
    with pytest.raises(InvalidDefinition, match=problem):
        parse(machine(**fields))


@pytest.mark.parametrize("field", ["Label", "ItemReader", "ItemBatcher", "ResultWriter"])
def test_an_inline_map_has_none_of_these_fields(field: str) -> None:
    fields: dict[str, Any] = {field: "x"}
    inline = machine(**fields)
    inline["States"]["M"]["ItemProcessor"]["ProcessorConfig"] = {"Mode": "INLINE"}

    with pytest.raises(InvalidDefinition, match=f"Field '{field}' is not supported"):
        parse(inline)
