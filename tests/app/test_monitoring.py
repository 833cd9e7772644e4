"""Addresses for who watches the server, and its logs as JSON."""

import asyncio
import json
import logging
import sys
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from customlabels.app.monitoring import JsonLines, Monitoring
from customlabels.serving import BUCKETS, UnitStatus, VersionStatus

ARN = "arn:aws:rekognition:us-east-1:123456789012:project/p/version/v/1"
UNITS = (UnitStatus(1, "BUSY", 7), UnitStatus(None, "DOWN", 0))
STATUS = VersionStatus(
    ARN, "RUNNING", UNITS, 3, 2, 1, 7, 0.1, 0.2, 4, 1, 9.5, buckets=(5, 2, *[0] * 10, 0), sum_seconds=0.25
)


async def app(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 418, "headers": [(b"x-amzn-requestid", b"r1")]})
    await send({"type": "http.response.body", "body": b"another"})


def asked(
    path: str, method: str = "GET", *, ready: bool = True, client: str = "127.0.0.1", everybody: bool = True
) -> tuple[int, str]:
    monitoring = Monitoring(app, lambda: [STATUS], lambda: ready, open_to_all=everybody)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": [], "client": (client, 1)}
    asyncio.run(monitoring(scope, None, send))
    return sent[0]["status"], sent[1]["body"].decode()


def test_the_metrics_are_openmetrics_by_a_parser_that_is_not_ours() -> None:
    status, text = asked("/metrics")
    parsed = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    families = {family.name: family for family in parsed}

    assert status == 200
    values = {name: family.samples[0].value for name, family in families.items()}
    assert (values["customlabels_requests"], values["customlabels_refused"]) == (7, 4)
    assert (values["customlabels_units"], values["customlabels_queued"]) == (1, 2)
    assert families["customlabels_requests"].samples[0].labels == {"version": ARN}
    histogram = families["customlabels_answer_seconds"].samples
    assert len([sample for sample in histogram if sample.name.endswith("_bucket")]) == len(BUCKETS) + 1
    assert values["process_resident_memory_bytes"] > 1e6


@pytest.mark.parametrize(
    ("path", "ready", "status"),
    [("/healthz", False, 200), ("/readyz", False, 503), ("/readyz", True, 200), ("/other", True, 418)],
)
def test_a_server_lives_before_it_is_ready(path: str, ready: bool, status: int) -> None:
    assert asked(path, ready=ready)[0] == status


def test_off_this_machine_metrics_are_for_neighbours_only() -> None:
    assert asked("/metrics", client="10.0.0.7", everybody=False)[0] == 418
    assert asked("/metrics", client="127.0.0.1", everybody=False)[0] == 200
    assert asked("/metrics", "POST")[0] == 418


def test_a_request_is_a_line_of_json(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "customlabels.requests"):
        asked("/x")

    line = json.loads(JsonLines().format(caplog.records[-1]))

    assert (line["method"], line["path"], line["status"], line["request_id"]) == ("GET", "/x", 418, "r1")
    assert line["seconds"] >= 0


def test_a_traceback_stays_in_its_line() -> None:
    try:
        raise KeyError("what was sought")
    except KeyError:
        record = logging.LogRecord("a", logging.ERROR, "f", 1, "failed %s", ("twice",), sys.exc_info())

    text = JsonLines().format(record)

    assert "\n" not in text
    assert json.loads(text)["message"] == "failed twice"
    assert "what was sought" in json.loads(text)["exception"]
