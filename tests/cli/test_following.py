"""What a terminal shows of an execution: each state once, a training's progress, the verdict."""

from datetime import UTC, datetime
from typing import Any

import pytest

from customlabels.cli.exits import Exit
from customlabels.cli.following import execution_result, exit_after, progress_line, show_verdict

DESCRIPTION: dict[str, Any] = {
    "executionArn": "arn:aws:states:us-east-1:123456789012:execution:customlabels-pipeline:one",
    "name": "one",
    "status": "SUCCEEDED",
    "startDate": datetime(2026, 1, 1, tzinfo=UTC),
    "stopDate": datetime(2026, 1, 1, 0, 1, tzinfo=UTC),
}
DEPLOYED = (
    '{"Decision": "DEPLOYED", "F1Score": 0.91234, "F1Threshold": 0.85, "Reasons": ["It is above."],'
    ' "ProjectVersionArn": "arn:aws:rekognition:us-east-1:123456789012:project/pets/version/v1/1",'
    ' "Report": "s3://out/pets/v1/decision.json"}'
)


def test_a_result_has_the_times_in_iso_form_and_the_members_of_the_output() -> None:
    result = execution_result(DESCRIPTION | {"output": DEPLOYED})

    assert result["StartDate"] == "2026-01-01T00:00:00+00:00"
    assert (result["Status"], result["Decision"], result["F1Score"]) == ("SUCCEEDED", "DEPLOYED", 0.91234)


def test_an_output_that_is_no_object_is_kept_whole() -> None:
    assert execution_result(DESCRIPTION | {"output": "[1]"})["Output"] == [1]


@pytest.mark.parametrize(
    ("result", "code"),
    [
        ({"Status": "SUCCEEDED", "Decision": "DEPLOYED"}, 0),
        ({"Status": "SUCCEEDED", "Decision": "REJECTED"}, 3),
        ({"Status": "SUCCEEDED", "Decision": "UNDECIDED"}, 4),
        ({"Status": "SUCCEEDED"}, 0),
        ({"Status": "FAILED"}, 1),
        ({"Status": "TIMED_OUT"}, 6),
        ({"Status": "ABORTED"}, 6),
    ],
)
def test_the_exit_code_tells_how_an_execution_ended(result: dict[str, Any], code: int) -> None:
    assert exit_after(result) == Exit(code)


def test_the_verdict_goes_to_stdout_and_the_next_commands_to_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_verdict(execution_result(DESCRIPTION | {"output": DEPLOYED}))

    said = capsys.readouterr()
    assert said.out.splitlines()[:2] == ["DEPLOYED  F1 0.9123 > 0.85  (test set)", "  It is above."]
    assert "customlabels detect pets IMAGE" in said.err


def test_a_failure_shows_its_error_and_its_cause(capsys: pytest.CaptureFixture[str]) -> None:
    show_verdict(
        execution_result(DESCRIPTION | {"status": "FAILED", "error": "Broken", "cause": "It broke."})
    )

    said = capsys.readouterr()
    assert said.out == "FAILED  one\nBroken: It broke.\n"
    assert "customlabels follow one" in said.err


def test_progress_is_one_line_of_what_is_known() -> None:
    training = {
        "Status": "TRAINING_IN_PROGRESS",
        "State": "RUNNING",
        "Stage": "learning",
        "Step": 30,
        "Steps": 40,
    }

    assert progress_line(training | {"SecondsLeft": 12.4}) == "learning  75%  12 s left"
    assert progress_line(training | {"State": "QUEUED"}) == "waiting for another training to end"
    assert progress_line({"Status": "TRAINING_COMPLETED"}) == ""
