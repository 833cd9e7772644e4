"""Executions of any state machine by the command line, and their comparison with a history from AWS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.journeys.stage import Home, home_in

from customlabels.cli.executions import read_history
from customlabels.cli.exits import UsageError

ROLE = "arn:aws:iam::123456789012:role/runs"
STATES = {
    "Ask": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {}, "Next": "Done"},
    "Done": {"Type": "Pass", "Parameters": {"said.$": "$.Payload"}, "End": True},
}
MOCKS = {
    "StateMachines": {"asking": {"TestCases": {"Fine": {"Ask": "ok"}, "Bad": {"Ask": "bad"}}}},
    "MockedResponses": {
        "ok": {"0": {"Return": {"Payload": "hello"}}},
        "bad": {"0": {"Throw": {"Error": "Broken", "Cause": "on purpose"}}},
    },
}


def test_executions_are_started_looked_at_compared_and_stopped(tmp_path: Path) -> None:
    (tmp_path / "mocks.json").write_text(json.dumps(MOCKS))
    keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1"}
    with home_in(tmp_path, SFN_MOCK_CONFIG=str(tmp_path / "mocks.json"), **keys) as home:
        client = home.client("stepfunctions")
        definition = json.dumps({"StartAt": "Ask", "States": STATES})
        arn = client.create_state_machine(name="asking", definition=definition, roleArn=ROLE)[
            "stateMachineArn"
        ]

        fine = home.typed("execution", "start", "asking#Fine", "--wait", "--json")
        again = home.typed(
            "execution", "start", f"{arn}#Fine", "--name", "again", "--endpoint-url", home.server.url
        )
        bad = home.typed("execution", "start", "asking#Bad", "--wait")
        assert again.code == 0, again.err
        odd = home.typed("execution", "start", "asking#Odd")

        assert (fine.code, fine.json["said"]) == (0, "hello")
        assert (bad.code, "on purpose" in bad.out) == (1, True)
        assert (odd.code, "no test case 'Odd'" in odd.err) == (2, True)
        _compare(home, fine.json["ExecutionArn"], again.out.strip(), tmp_path)
        assert home.typed("execution", "stop", "asking:again").code == 0
        assert home.typed("execution", "describe", "asking:nobody").code == 2
        assert home.typed("execution", "redrive", "asking:again").code != 0  # it has succeeded


def _compare(home: Home, first: str, second: str, folder: Path) -> None:
    history = home.typed("execution", "history", first, "--json")
    recorded = folder / "recorded.json"
    recorded.write_text(history.out)

    same = home.typed("verify", "asking:again", recorded)
    recorded.write_text(history.out.replace("hello", "goodbye"))
    different = home.typed("verify", second, recorded)
    told = home.typed("verify", second, recorded, "--json")

    assert (same.code, same.out) == (0, "SAME  9 events\n")
    assert different.code == 1
    assert "taskSucceededEventDetails.output.Payload" in different.out
    assert '"hello"' in different.out
    assert told.json["Differences"][0]["Recorded"] == "goodbye"


@pytest.mark.parametrize("text", ["", "{", '{"events": 1}', "[1]"])
def test_a_file_that_is_no_history_is_told_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "h.json").write_text(text)

    with pytest.raises(UsageError, match=r"h\.json"):
        read_history(tmp_path / "h.json")


def test_pages_of_a_history_are_joined(tmp_path: Path) -> None:
    pages = [{"events": [{"id": at, "type": "X"}]} for at in (1, 2)]
    (tmp_path / "h.json").write_text("\n".join(map(json.dumps, pages)))

    assert [event["id"] for event in read_history(tmp_path / "h.json")] == [1, 2]
