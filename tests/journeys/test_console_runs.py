"""The console in a browser: runs, as they go on."""

import json
from typing import Any

import httpx
from tests.journeys.browser import Browser
from tests.journeys.conftest import Deployed

ROLE = "arn:aws:iam::123456789012:role/customlabels-local"
BUCKET = "customlabels-output"


def machine_of(fail: bool) -> dict[str, Any]:
    """Reads an object that is not there, twice; then asks a person; then ends as it is told."""
    missing = {"Bucket": BUCKET, "Key": "nothing/here.json"}
    question = {"Bucket": BUCKET, "Key": "asked.json", "Body": {"TaskToken.$": "$$.Task.Token"}}
    retry = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}
    return {
        "StartAt": "Read",
        "States": {
            "Read": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
                "Parameters": missing,
                "Retry": [retry],
                "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.Missing", "Next": "Ask"}],
                "Next": "Ask",
            },
            "Ask": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:s3:putObject.waitForTaskToken",
                "Parameters": question,
                "ResultPath": "$.Answer",
                "Next": "End",
            },
            "End": {"Type": "Fail", "Error": "AsAsked"} if fail else {"Type": "Succeed"},
        },
    }


def begin(deployed: Deployed, name: str, *, fail: bool = False) -> str:
    """The path of the page of a run that has just begun."""
    states = deployed.home.client("stepfunctions")
    definition = json.dumps(machine_of(fail))
    arn = states.create_state_machine(name=name, definition=definition, roleArn=ROLE)["stateMachineArn"]
    execution = states.start_execution(stateMachineArn=arn, name="one", input='{"Asked": "<b>for"}')
    states.close()
    return f"/runs/{execution['executionArn']}"


def mark(browser: Browser, state: str) -> str:
    """The sign on a state that says how it fared."""
    return browser.text(f"[data-state='{state}'] .mark") or str(
        browser.run(
            "return document.querySelector(arguments[0]).textContent", f"[data-state='{state}'] .mark"
        )
    )


def test_a_run_is_seen_retrying_failing_and_waiting_and_is_approved(
    deployed: Deployed, browser: Browser, clean: None
) -> None:
    browser.open(begin(deployed, "asks"))

    assert browser.sees(lambda: mark(browser, "Read") == "↻", 5)  # between two attempts
    assert browser.sees(lambda: (mark(browser, "Read"), mark(browser, "Ask")) == ("!", "▶"))
    assert browser.text("h1") == "one running"

    browser.one("[data-state=Read] a").click()
    assert browser.sees(lambda: '"Asked": "<b>for"' in browser.text("#state"))
    assert "NoSuchKey" in browser.text("#state")
    assert browser.chrome.current_url.endswith("?state=Read")

    browser.one("select[name=kind]").send_keys("errors")
    assert browser.sees(lambda: set(browser.text("#events").split()) >= {"TaskFailed"})
    assert "TaskScheduled" not in browser.text("#events")

    browser.sees(lambda: browser.all(".ask .main"))[0].click()
    assert browser.sees(lambda: browser.text("h1") == "one succeeded")
    assert browser.sees(lambda: mark(browser, "End") == "✓")


def test_a_run_is_refused_fails_and_is_redriven(deployed: Deployed, browser: Browser, clean: None) -> None:
    browser.open(begin(deployed, "refuses"))

    browser.sees(lambda: browser.all(".ask input[name=reason]"))[0].send_keys("it is late\n")
    assert browser.sees(lambda: "ApprovalRefused it is late" in browser.text("#head"))
    assert mark(browser, "Ask") == "✗"
    assert browser.sees(lambda: "customlabels execution redrive refuses:one" in browser.text("#cli"))

    browser.one("#head .main").click()
    assert browser.sees(lambda: browser.all(".ask .main"))
    assert browser.text("h1") == "one running"


def test_a_stream_goes_on_where_it_broke_off(deployed: Deployed) -> None:
    """The rows that come are those after the event whose id the browser had."""
    path = begin(deployed, "streams").replace("/runs/", "/stream/")
    with httpx.stream("GET", deployed.home.server.url + path, headers={"Last-Event-ID": "3"}) as answer:
        data = next(line for line in answer.iter_lines() if line.startswith("data: "))
    rows = json.loads(data.removeprefix("data: "))["rows"]

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert '<td class="number">3</td>' not in rows
    assert '<td class="number">4</td>' in rows


def test_a_run_is_stopped_from_its_page(deployed: Deployed, browser: Browser, clean: None) -> None:
    browser.open(begin(deployed, "stops"))

    browser.sees(lambda: browser.all("form[data-confirm] button"))[0].click()
    browser.chrome.switch_to.alert.accept()

    assert browser.sees(lambda: browser.text("h1") == "one aborted")
    assert "Stopped" in browser.text("#head")
