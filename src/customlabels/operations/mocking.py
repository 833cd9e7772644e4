"""Test cases of the mock configuration file, named behind a machine's ARN: `...:stateMachine:NAME#CASE`.

Layer: operations. The file is read when an execution starts, which then carries its answers with it.
"""

from __future__ import annotations

from typing import Any

from customlabels.asl import parse
from customlabels.errors import InvalidInput
from customlabels.operations.dispatch import Call
from customlabels.operations.refusals import invalid_request
from customlabels.workflows import MOCKS, check_case, read_mocks


def mock_details(call: Call, machine_arn: str, case: str) -> dict[str, Any]:
    """What an execution keeps of its test case; ServiceError ValidationException where there is none."""
    machine = call.parts.versions.find(machine_arn).machine
    file = call.parts.mock_file
    if file is None:
        named = f"'#{case}' names a test case, and this server has no mock configuration file"
        raise invalid_request(f"{named}: start it with `serve --mocks FILE`")
    try:
        answers = read_mocks(file.read_text("utf-8")).case(machine.name, case)
        check_case(parse(machine.definition), answers)
    except (InvalidInput, OSError, UnicodeDecodeError) as error:
        raise invalid_request(f"{file}: {error}") from error
    return {MOCKS: answers}
