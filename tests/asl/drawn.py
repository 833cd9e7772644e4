"""Definitions drawn by chance: states in a row, and rows inside of Parallel and Map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

__all__ = ["containers", "leaves", "workflow"]

RESOURCE = "arn:aws:states:::aws-sdk:rekognition:describeProjects"
HANDLERS = {
    "Retry": [{"ErrorEquals": ["Busy"], "MaxAttempts": 1}],
    "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "caught"}],
}
JITTERED = {"ErrorEquals": ["Busy"], "MaxAttempts": 2, "JitterStrategy": "FULL"}

leaves: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"Type": "Pass"},
        {"Type": "Pass", "Result": [1, {"a": 2}]},
        {"Type": "Pass", "Parameters": {"was.$": "$", "id.$": "States.UUID()"}, "ResultPath": "$.n"},
        {"Type": "Pass", "Assign": {"v.$": "$$.State.Name"}},
        {"Type": "Wait", "Seconds": 3},
        {"Type": "Wait", "Seconds": 0},
        {"Type": "Task", "Resource": RESOURCE, "TimeoutSeconds": 60},
        {"Type": "Task", "Resource": RESOURCE, **HANDLERS},
        {"Type": "Task", "Resource": RESOURCE, "Retry": [JITTERED], "Catch": HANDLERS["Catch"]},
        {"Type": "Fail", "Error": "Drawn"},
        {"Type": "Succeed"},
        {"Type": "Choice", "Choices": [{"Variable": "$.n", "IsPresent": True, "Next": "caught"}]},
    ]
)


def workflow(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The states in a row, each reachable, with a place for what is caught."""
    named: dict[str, Any] = {}
    for index, state in enumerate(states):
        following = str(index + 1)
        kind = state["Type"]
        if kind in ("Fail", "Succeed"):
            # a rule that never holds leads past it, so that what follows can be reached
            rule = {"Variable": "$.no", "IsPresent": True, "Next": following}
            named[str(index)] = {"Type": "Choice", "Choices": [rule], "Default": f"{index}!"}
            named[f"{index}!"] = state
        elif kind == "Choice":
            named[str(index)] = {**state, "Default": following}
        else:
            named[str(index)] = {**state, "Next": following}
    named[str(len(states))] = {
        "Type": "Choice",
        "Choices": [{"Variable": "$.never", "IsPresent": True, "Next": "caught"}],
        "Default": "end",
    }
    return {
        "StartAt": "0",
        "States": {**named, "caught": {"Type": "Pass", "End": True}, "end": {"Type": "Succeed"}},
    }


def containers(
    inner: st.SearchStrategy[dict[str, Any]], branches: int = 3, at_a_time: int = 0
) -> st.SearchStrategy[dict[str, Any]]:
    """Parallel and Map of rows of `inner`; at_a_time: iterations, 0 for any number."""
    rows = st.lists(inner, min_size=1, max_size=3).map(workflow)
    return st.one_of(
        st.builds(
            lambda branches, handlers: {"Type": "Parallel", "Branches": branches, **handlers},
            st.lists(rows, min_size=1, max_size=branches),
            st.sampled_from([{}, HANDLERS]),
        ),
        st.builds(
            lambda row, limit, handlers: {
                "Type": "Map",
                "ItemsPath": "$$.Execution.Input.list",
                "ItemSelector": {"n.$": "$$.Map.Item.Value"},
                "MaxConcurrency": limit,
                "ItemProcessor": row,
                **handlers,
            },
            rows,
            st.just(at_a_time) if at_a_time else st.integers(0, 3),
            st.sampled_from([{}, HANDLERS]),
        ),
    )
