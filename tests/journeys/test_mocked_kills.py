"""A test case of a mock configuration whose server is killed in its midst."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

from tests.journeys.stage import home_in, until

ROLE = "arn:aws:iam::123456789012:role/runs"
TURNS = 8
ASK = {
    "Type": "Task",
    "Resource": "arn:aws:states:::lambda:invoke",
    "Arguments": {"FunctionName": "nobody"},
    "Assign": {"seen": "{% $append($seen, $states.result) %}"},
    "Next": "Rest",
}
DEFINITION = {
    "QueryLanguage": "JSONata",
    "StartAt": "Begin",
    "States": {
        "Begin": {"Type": "Pass", "Assign": {"seen": []}, "Next": "Ask"},
        "Ask": ASK,
        "Rest": {"Type": "Wait", "Seconds": 1, "Next": "Enough"},
        "Enough": {
            "Type": "Choice",
            "Choices": [{"Condition": f"{{% $count($seen) >= {TURNS} %}}", "Next": "Tell"}],
            "Default": "Ask",
        },
        "Tell": {"Type": "Succeed", "Output": "{% $seen %}"},
    },
}


def test_each_answer_comes_once_and_in_turn_though_the_server_is_killed(tmp_path: Path) -> None:
    answers = {str(number): {"Return": f"answer {number}"} for number in range(TURNS)}
    case = {"StateMachines": {"asking": {"TestCases": {"Turns": {"Ask": "answers"}}}}}
    mocks = tmp_path / "mocks.json"
    mocks.write_text(json.dumps(case | {"MockedResponses": {"answers": answers}}))
    with home_in(tmp_path, SFN_MOCK_CONFIG=str(mocks)) as home:
        client = home.client("stepfunctions")
        text = json.dumps(DEFINITION)
        arn = client.create_state_machine(name="asking", definition=text, roleArn=ROLE)["stateMachineArn"]
        run = client.start_execution(stateMachineArn=f"{arn}#Turns")["executionArn"]
        for _ in range(3):
            time.sleep(0.6)
            os.kill(home.server.pid, signal.SIGKILL)
            home.typed("bucket", "list")  # which starts the next server

        def described() -> dict[str, str] | None:
            found = home.client("stepfunctions").describe_execution(executionArn=run)
            return found if found["status"] != "RUNNING" else None

        told = until(described)

    assert json.loads(told["output"]) == [f"answer {number}" for number in range(TURNS)]
