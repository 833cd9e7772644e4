"""What a definition looks like as a graph: its states, and the ways from one to the next."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

START, END = "\0start", "\0end"  # the dots; no state can have these names by accident
LONGEST_LABEL = 22  # characters; a label says which way, the definition says all

NO_OPERATORS = {"Variable", "Next", "Comment", "Assign", "Output"}
SIGNS = {
    "GreaterThanEquals": "≥ ",
    "LessThanEquals": "≤ ",
    "GreaterThan": "> ",
    "LessThan": "< ",
    "Matches": "like ",
    "Equals": "",
}


@dataclass(frozen=True)
class Node:
    """A state, or a dot; `kind` is the state's Type. `inner` holds the workflows of a Parallel or Map."""

    name: str
    kind: str
    detail: str = ""
    inner: tuple[Graph, ...] = ()


@dataclass(frozen=True)
class Edge:
    """A way from one state to another; its style is "caught" if an error takes it."""

    source: str
    target: str
    label: str = ""
    style: str = "plain"


class Graph(NamedTuple):
    """The states of one workflow in the order of the definition, and the ways between them."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def read_graph(workflow: Mapping[str, Any]) -> Graph:
    """The graph of a workflow: a definition, a branch or a Map's processor.

    Edges to states that do not exist are left out.
    """
    states: Mapping[str, Any] = workflow["States"]
    edges = [Edge(START, workflow["StartAt"])]
    edges += [edge for name, state in states.items() for edge in _edges(name, state)]
    nodes = [Node(START, "Start"), *(_node(name, state) for name, state in states.items())]
    if any(edge.target == END for edge in edges):
        nodes.append(Node(END, "End"))
    known = {node.name for node in nodes}
    return Graph(tuple(nodes), tuple(dict.fromkeys(edge for edge in edges if edge.target in known)))


def _node(name: str, state: Mapping[str, Any]) -> Node:
    kind = state["Type"]
    inner = state.get("Branches") or [state[key] for key in ("ItemProcessor", "Iterator") if key in state]
    if kind == "Task":  # arn:aws:states:::aws-sdk:rekognition:createProject -> rekognition:createProject
        detail = ":".join(str(state.get("Resource", "")).rsplit(":", 2)[-2:])
    else:
        detail = "for each" if kind == "Map" else kind
    if any(edge.target == name for edge in _edges(name, state)):
        detail += " ↻"  # a line from a box to itself would cost every box its room
    return Node(name, kind, detail, tuple(read_graph(part) for part in inner))


def _edges(name: str, state: Mapping[str, Any]) -> Iterator[Edge]:
    if "Next" in state:
        yield Edge(name, state["Next"])
    if state.get("End"):
        yield Edge(name, END)
    for rule in state.get("Choices", ()):
        yield Edge(name, rule["Next"], _short(rule.get("Comment") or _condition(rule)))
    if "Default" in state:
        yield Edge(name, state["Default"], "else")
    for catcher in state.get("Catch", ()):
        named = [error for error in catcher["ErrorEquals"] if error != "States.ALL"]
        errors = [re.sub(r"^.*\.|Exception$", "", error) for error in named]
        yield Edge(name, catcher["Next"], _short(", ".join(errors)), "caught")


def _condition(rule: Mapping[str, Any]) -> str:
    """A rule in a few words; the state's name is taken to say what is asked, so the variable is left out."""
    for word, joint in (("And", " and "), ("Or", " or ")):
        if word in rule:
            return joint.join(_condition(part) for part in rule[word])
    if "Not" in rule:
        return f"not {_condition(rule['Not'])}"
    if "Condition" in rule:
        return str(rule["Condition"]).strip("{%} ")
    operator = next((key for key in rule if key not in NO_OPERATORS), "")
    value = rule.get(operator)
    if operator.startswith("Is"):
        return ("" if value else "not ") + operator[2:].lower()
    sign = next((sign for name, sign in SIGNS.items() if operator.removesuffix("Path").endswith(name)), "")
    text = str(value).rsplit(".", 1)[-1] if operator.endswith("Path") else str(value)
    return sign + (text.lower() if isinstance(value, bool) else text or "empty")


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1].rstrip() + "…"
