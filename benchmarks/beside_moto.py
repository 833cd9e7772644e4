"""Step Functions over HTTP, ours beside moto's, both measured by turns in one run.

    python benchmarks/beside_moto.py

Ours keeps everything on a disk that is synced at every commit, moto keeps it in memory. Then ours alone, with
10,000 executions that each wait a second: how long after the last accepted start all are over, and in how
much memory.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

BIN = Path(sys.executable).parent
ROLE = "arn:aws:iam::123456789012:role/benchmark"
MOTO_PORT = 47_391
MANY = 10_000


class Endpoint:
    """A Step Functions endpoint, and what is measured there."""

    def __init__(self, url: str) -> None:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        config = Config(retries={"max_attempts": 0}, max_pool_connections=64, read_timeout=300)
        self.states = boto3.client("stepfunctions", endpoint_url=url, config=config, **keys)

    def machine(self, states: dict[str, Any]) -> str:
        """A new machine that begins with the first of these states."""
        definition = json.dumps({"StartAt": next(iter(states)), "States": states})
        made = self.states.create_state_machine(
            name=f"m{uuid.uuid4().hex[:12]}", definition=definition, roleArn=ROLE
        )
        return str(made["stateMachineArn"])

    def begin(self, machine: str, text: str = "{}") -> str:
        """A new execution."""
        name = f"e{uuid.uuid4().hex}"
        started = self.states.start_execution(stateMachineArn=machine, input=text, name=name)
        return str(started["executionArn"])

    def seconds(self, machine: str, text: str = "{}") -> float:
        """From the start of an execution until it is seen to be over."""
        begun = time.perf_counter()
        arn = self.begin(machine, text)
        while (status := self.states.describe_execution(executionArn=arn)["status"]) == "RUNNING":
            time.sleep(0.002)
        assert status == "SUCCEEDED", status
        return time.perf_counter() - begun

    def chain(self) -> float:
        """States a second in a chain of 1,000 Pass states."""
        names = [f"S{number}" for number in range(1_000)]
        states: dict[str, Any] = {name: {"Type": "Pass", "Next": after} for name, after in pairwise(names)}
        machine = self.machine(states | {names[-1]: {"Type": "Pass", "End": True}})
        return 1_000 / min(self.seconds(machine) for _ in range(3))

    def map(self) -> float:
        """Items a second in a Map with a Pass over 1,000 items."""
        inner = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}
        machine = self.machine({"M": {"Type": "Map", "ItemProcessor": inner, "End": True}})
        return 1_000 / min(self.seconds(machine, json.dumps(list(range(1_000)))) for _ in range(2))

    def latency(self) -> float:
        """Median milliseconds of an execution of three states."""
        rule = {"Variable": "$.x", "NumericEquals": 1, "Next": "C"}
        states = {
            "A": {"Type": "Pass", "Next": "B"},
            "B": {"Type": "Choice", "Choices": [rule]},
            "C": {"Type": "Succeed"},
        }
        machine = self.machine(states)
        return statistics.median(self.seconds(machine, '{"x":1}') for _ in range(100)) * 1_000

    def waits(self, count: int) -> tuple[float, float]:
        """Seconds until so many executions that wait 1 s are accepted, and from there until all are over."""
        machine = self.machine({"W": {"Type": "Wait", "Seconds": 1, "End": True}})
        begun = time.perf_counter()
        with ThreadPoolExecutor(16) as starters:
            list(starters.map(lambda _: self.begin(machine), range(count)))
        accepted = time.perf_counter()
        while self.states.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]:
            time.sleep(0.05)
        return accepted - begun, time.perf_counter() - accepted


@contextmanager
def ours(folder: str) -> Iterator[tuple[str, int]]:
    """Our server in a home of its own: its address and process id."""
    environment = os.environ | {"CUSTOMLABELS_HOME": folder, "CUSTOMLABELS_PORT": "0"}
    server = subprocess.Popen(
        [BIN / "customlabels", "serve"], env=environment, stderr=subprocess.PIPE, text=True
    )
    assert server.stderr is not None
    ready = next(line for line in server.stderr if "customlabels serves" in line)
    try:
        yield ready.split()[2], server.pid
    finally:
        server.terminate()
        server.communicate()


@contextmanager
def motos() -> Iterator[str]:
    """moto's server, told to run executions."""
    url = f"http://127.0.0.1:{MOTO_PORT}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen([BIN / "moto_server", "-p", str(MOTO_PORT)], **quiet)  # type: ignore[call-overload]
    try:
        configuration = json.dumps({"stepfunctions": {"execute_state_machine": True}}).encode()
        request = urllib.request.Request(f"{url}/moto-api/config", configuration)
        for _ in range(200):
            try:
                urllib.request.urlopen(request).close()
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait()


def megabytes(pid: int) -> float:
    """Resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS:"))


def main() -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as folder, ours(folder) as (url, pid), motos() as moto_url:
        both = Endpoint(url), Endpoint(moto_url)
        print(f"{'':34} {'ours':>10} {'moto':>10} {'ratio':>7} {'goal':>6}")
        rows: list[tuple[str, Callable[[Endpoint], float], str]] = [
            ("1,000 Pass states, states/s", Endpoint.chain, ">= 5"),
            ("Map over 1,000 items, items/s", Endpoint.map, ">= 5"),
            ("three states, p50 in ms", Endpoint.latency, "< 0.5"),
        ]
        for title, measure, goal in rows:
            mine, other = (measure(endpoint) for endpoint in both)
            print(f"{title:34} {mine:10,.1f} {other:10,.1f} {mine / other:7.2f} {goal:>6}", flush=True)
        before = megabytes(pid)
        accepted, over = both[0].waits(MANY)
        print(f"{MANY:,} executions that wait 1 s: accepted in {accepted:.1f} s,", end=" ")
        print(f"all over {over:.1f} s later (goal 6)")
        print(f"memory of the server: {before:.0f} MB before, {megabytes(pid):.0f} MB after")


if __name__ == "__main__":
    main()
