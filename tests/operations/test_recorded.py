"""Recorded calls of Step Functions, made in process and compared with the recorded answers.

The floors are what was reached: a change may raise them, not lower them.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.operations.recorded import SETTINGS, InProcess, cases_of, load_tool, needs_recordings
from tests.operations.world import World

pytestmark = needs_recordings

# api-test-state: two recordings know a smaller maximum of a Lambda function's memory than botocore's model of
# today; in one the mocked ARN was replaced in the request and not in the answer
FLOORS = {"api-test-state": (99, 96)}


@pytest.mark.parametrize("suite", FLOORS)
def test_recorded_calls_are_answered_as_recorded(suite: str, world: World) -> None:
    tool: Any = load_tool()
    endpoint = InProcess(world)
    run, different = 0, []
    for case in cases_of(suite):
        try:
            result = tool.run_script(endpoint, case, SETTINGS)
        except tool.Skip:  # it needs services of others
            continue
        run += 1
        if not result["a"]:
            different.append(case["name"])

    least_run, least_equal = FLOORS[suite]
    assert run >= least_run
    assert run - len(different) >= least_equal, different
