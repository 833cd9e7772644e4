"""How fast executions go: transitions a second, task states a second, many waits at once.

    python benchmarks/workflows.py

Each figure is the best of its repeats, on a new SQLite database with every commit synced to the disk.
"""

from __future__ import annotations

import json
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

from customlabels.asl import Rules
from customlabels.storage import Records
from customlabels.workflows import Engine, Executions, StateMachine, StateMachines, TaskRequest

ACCOUNT, REGION = "123456789012", "us-east-1"
TASK = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:rekognition:describeProjects"}


class Echo:
    """A runner that answers at once."""

    def run(self, task: TaskRequest) -> Any:
        return task.parameters


class Bench:
    """A running engine on a database of its own."""

    def __init__(self, folder: Path) -> None:
        self.records = Records.open(f"sqlite:///{folder / 'records.db'}")
        self.machines = StateMachines(self.records, time.time, lambda: uuid.uuid4().hex)
        self.executions = Executions(self.records, Rules(), time.time)
        self.engine = Engine(self.records, Echo(), Rules(), time.time, uuid.uuid4().hex)
        self.engine.start()

    def seconds(self, definition: dict[str, Any], runs: int) -> tuple[float, float]:
        """Start `runs` executions: seconds until all are started, and until all are over."""
        name = uuid.uuid4().hex
        arn = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{name}"
        self.machines.create(
            StateMachine(arn, ACCOUNT, REGION, name, json.dumps(definition), "arn:aws:iam::1:role/r")
        )
        began = time.perf_counter()
        with ThreadPoolExecutor(4) as starters:
            list(
                starters.map(lambda number: self.executions.start(arn, f"e{number}", '{"a": 1}'), range(runs))
            )
        started = time.perf_counter() - began
        while self.executions.running():
            time.sleep(0.005)
        assert len(self.executions.list(arn, "SUCCEEDED", limit=runs)) == runs
        return started, time.perf_counter() - began


def chain(state: dict[str, Any], length: int) -> dict[str, Any]:
    """A definition of `length` such states, one after the other."""
    names = [f"S{number}" for number in range(length)]
    states: dict[str, Any] = {name: {**state, "Next": after} for name, after in pairwise(names)}
    return {"StartAt": names[0], "States": {**states, names[-1]: {**state, "End": True}}}


def best(measure: Callable[[], tuple[float, float]], repeats: int = 3) -> float:
    """The shortest time until all were over."""
    return min(measure()[1] for _ in range(repeats))


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        passes = best(lambda: bench.seconds(chain({"Type": "Pass"}, 1_000), 1))
        print(f"1,000 Pass states in a chain     {passes:6.2f} s   {1_000 / passes:8,.0f} transitions/s")
        one = best(lambda: bench.seconds(chain(TASK, 100), 1))
        print(f"100 Task states in a chain       {one:6.2f} s   {100 / one:8,.0f} task states/s")
        many = best(lambda: bench.seconds(chain(TASK, 10), 50))
        print(f"50 executions of 10 Task states  {many:6.2f} s   {500 / many:8,.0f} task states/s")
        for runs in (200, 2_000):
            started, over = bench.seconds(chain({"Type": "Wait", "Seconds": 1}, 1), runs)
            print(f"{runs:5,} executions that wait 1 s  all started {started:6.2f} s, all over {over:.2f} s")
        bench.engine.close()
        bench.records.close()


if __name__ == "__main__":
    main()
