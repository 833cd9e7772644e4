"""What a user waits for before anything is trained: the command, the server, the pipeline around a training.

    python benchmarks/startup.py

Real processes in a home of its own. The pipeline's own time is the wall time of an execution, waits scaled to
nothing, less the seconds between the creation and the end of its training.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.session import Session
from PIL import Image

COMMAND = Path(sys.executable).with_name("customlabels")
ROUNDS = 5
COLOURS = {"red": (200, 40, 40), "green": (40, 170, 60)}
IMAGES = 12  # a label
MACHINE = "customlabels-pipeline"


def main() -> None:
    """Print the table."""
    rows: list[tuple[str, list[float], str]] = []
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "CUSTOMLABELS_HOME": f"{folder}/home",
            "CUSTOMLABELS_PORT": "0",
            "CUSTOMLABELS_WAIT_SCALE": "0",
        }
        rows.append(("customlabels --help", [seconds_of_help(environment) for _ in range(ROUNDS)], "0.3"))
        rows.append(("server start to ready", [seconds_to_ready(environment) for _ in range(ROUNDS)], "1.5"))
        answers, overhead, training = seconds_of_pipeline(Path(folder), environment)
        rows.append(("status, server running", answers, ""))
        rows.append(("pipeline around a training", [overhead], "2.0"))
        rows.append(("the training itself", [training], ""))
    print(f"{'seconds':28} {'least':>8} {'median':>8} {'goal':>6}")
    for title, seconds, goal in rows:
        print(f"{title:28} {min(seconds):8.2f} {statistics.median(seconds):8.2f} {goal:>6}")


def seconds_of_help(environment: dict[str, str]) -> float:
    """One `customlabels --help`."""
    return timed([COMMAND, "--help"], environment)


def timed(command: list[Any], environment: dict[str, str]) -> float:
    """Wall seconds of a command that succeeds."""
    begun = time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.perf_counter() - begun


def seconds_to_ready(environment: dict[str, str]) -> float:
    """From the start of `customlabels serve` to the line that names its address."""
    begun = time.perf_counter()
    with served(environment):
        return time.perf_counter() - begun


@contextmanager
def served(environment: dict[str, str]) -> Iterator[str]:
    """A server in the foreground; its address."""
    server = subprocess.Popen([COMMAND, "serve"], env=environment, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    ready = next(line for line in server.stderr if "customlabels serves" in line)
    try:
        yield ready.split()[2]
    finally:
        server.terminate()
        server.communicate()


def seconds_of_pipeline(folder: Path, environment: dict[str, str]) -> tuple[list[float], float, float]:
    """Seconds of `status`, of an execution less its training, and of that training."""
    for split in ("train", "test"):
        draw(folder / "colours" / split)
    data: list[str | Path] = [
        "--train",
        folder / "colours/train",
        "--test",
        folder / "colours/test",
        "--budget",
        "5s",
    ]
    with served(environment) as url:
        statuses = [timed([COMMAND, "status"], environment) for _ in range(ROUNDS)]
        said = subprocess.run(
            [COMMAND, "run", *data, "--min-f1", "0.1", "--json"],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        result = json.loads(said.stdout)
        execution, training = figures(url, result["ExecutionArn"], result["ProjectVersionArn"])
    return statuses, execution - training, training


def figures(url: str, execution: str, version: str) -> tuple[float, float]:
    """Seconds of an execution, and of the training in it, as the API tells them."""
    keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "us-east-1"}
    session = Session()
    run = session.create_client("stepfunctions", endpoint_url=url, **keys).describe_execution(
        executionArn=execution
    )
    rekognition = session.create_client("rekognition", endpoint_url=url, **keys)
    name = version.split("/")[1]
    project = rekognition.describe_projects(ProjectNames=[name])["ProjectDescriptions"][0]["ProjectArn"]
    [described] = rekognition.describe_project_versions(ProjectArn=project)["ProjectVersionDescriptions"]
    training = described["TrainingEndTimestamp"] - described["CreationTimestamp"]
    return (run["stopDate"] - run["startDate"]).total_seconds(), training.total_seconds()


def draw(folder: Path) -> None:
    """A few images of each label, each a little different."""
    for label, colour in COLOURS.items():
        (folder / label).mkdir(parents=True)
        for number in range(IMAGES):
            shade = tuple(part + (number if folder.name == "train" else -number) for part in colour)
            Image.new("RGB", (64, 64), shade).save(folder / label / f"{number}.png")


if __name__ == "__main__":
    main()
