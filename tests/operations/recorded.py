"""Recorded calls of Step Functions, made in process; the recordings and their tool lie elsewhere."""

from __future__ import annotations

import importlib.util
import json
from argparse import Namespace
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.model import Shape
from tests.operations.world import SERVICES, World

from customlabels.errors import ServiceError
from customlabels.wire import Caller

SHARED = Path(__file__).parents[2].parent / "shared"
CASES = SHARED / "conformance" / "asl"
TOOL = SHARED / "tools" / "asl_conformance.py"
CALLER = Caller("111111111111", "us-east-1", None)

needs_recordings = pytest.mark.skipif(
    not (CASES.is_dir() and TOOL.is_file()), reason=f"the recorded executions are not at {SHARED}"
)


def load_tool() -> ModuleType:
    """The tool that compares answers with recordings."""
    spec = importlib.util.spec_from_file_location("asl_conformance", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cases_of(suite: str) -> list[dict[str, Any]]:
    """The recorded cases of a suite."""
    return list(json.loads((CASES / f"{suite}.json").read_text())["cases"])


class InProcess:
    """What the tool takes for its endpoint: clients whose calls go to the world's handlers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.sfn = self

    def client(self, service: str) -> InProcess:
        assert service == "stepfunctions"
        return self

    def __getattr__(self, method: str) -> Callable[..., Any]:
        names = {xform_name(name): name for name in SERVICES["stepfunctions"].operations}
        if method not in names:
            raise AttributeError(method)
        operation = SERVICES["stepfunctions"].operation(names[method])

        def call(**params: Any) -> Any:
            try:
                answer = self._world.call("stepfunctions", operation.name, params, caller=CALLER)
            except ServiceError as refused:
                told = {
                    "Error": {"Code": refused.code, "Message": refused.message},
                    "message": refused.message,
                }
                metadata = {"ResponseMetadata": {"HTTPStatusCode": 400}}
                raise ClientError({**told, **metadata}, operation.name) from refused
            return {**_parsed(operation.output_shape, answer), "ResponseMetadata": {"HTTPStatusCode": 200}}

        return call


def _parsed(shape: Shape | None, value: Any) -> Any:
    """An answer as a client gives it: times as datetimes, and only what is there."""
    if shape is None:
        return {}
    if shape.type_name == "structure":
        present = {name: inner for name, inner in value.items() if inner is not None}
        return {name: _parsed(shape.members[name], inner) for name, inner in present.items()}
    if shape.type_name == "list":
        return [_parsed(shape.member, inner) for inner in value]
    if shape.type_name == "timestamp":
        return datetime.fromtimestamp(value, UTC)
    return value


SETTINGS = Namespace(services=False, case_timeout=20.0)
