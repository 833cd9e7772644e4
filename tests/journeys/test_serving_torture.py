"""Minutes of load at capacity while units are killed: every answer right, the status kept, memory flat."""

import base64
import http.client
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.journeys.stage import BUDGET, Home, draw, home_in, until

SECONDS = float(os.environ.get("CUSTOMLABELS_TORTURE_SECONDS", "600"))
SETTLED_SECONDS = 60.0  # until buffers and caches have their size
KILL_SECONDS = 10.0
CLIENTS = 6
HEADERS = {
    "Content-Type": "application/x-amz-json-1.1",
    "X-Amz-Target": "RekognitionService.DetectCustomLabels",
}


class Client(threading.Thread):
    """Asks images by chance and holds each answer to what was said before the first kill."""

    def __init__(self, url: str, bodies: list[bytes], expected: dict[bytes, bytes], end: float) -> None:
        super().__init__(daemon=True)
        self.place = urlsplit(url)
        self.bodies, self.expected, self.end = bodies, expected, end
        self.answers: Counter[str] = Counter()

    def run(self) -> None:
        with closing(
            http.client.HTTPConnection(str(self.place.hostname), self.place.port, timeout=60)
        ) as place:
            while time.monotonic() < self.end:
                body = random.choice(self.bodies)
                status, said = answered(place, body)
                right = status == 200 and said == self.expected[body]
                self.answers["right" if right else f"{status} {said[:120]!r}"] += 1


def answered(place: http.client.HTTPConnection, body: bytes) -> tuple[int, bytes]:
    place.request("POST", "/", body, HEADERS)
    answer = place.getresponse()
    return answer.status, answer.read()


def resident_mib(pid: int) -> float:
    """Memory of a process that is in RAM."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def units_of(home: Home) -> list[int]:
    versions = home.client("customlabels").list_units()["Versions"]
    return [unit["ProcessId"] for unit in versions[0]["Units"] if "ProcessId" in unit]


@pytest.mark.torture
def test_units_that_are_killed_under_load_cost_no_answer_no_status_and_no_memory(tmp_path: Path) -> None:
    train, test = draw(tmp_path / "colours" / "train", 12), draw(tmp_path / "colours" / "test", 6)
    with home_in(tmp_path) as home:
        run = ("run", "--train", train, "--test", test, *BUDGET, "--min-units", "2", "--json")
        arn = home.typed(*run).json["ProjectVersionArn"]
        bodies = [
            json.dumps(
                {"ProjectVersionArn": arn, "Image": {"Bytes": base64.b64encode(file.read_bytes()).decode()}}
            ).encode()
            for file in sorted(test.rglob("*.png"))
        ]
        server, rekognition = home.server, home.client("rekognition")
        project = rekognition.describe_projects()["ProjectDescriptions"][0]["ProjectArn"]
        begun = time.monotonic()
        where = urlsplit(server.url)
        with closing(http.client.HTTPConnection(str(where.hostname), where.port)) as place:
            expected = {body: answered(place, body)[1] for body in bodies}
        clients = [Client(server.url, bodies, expected, begun + SECONDS) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        statuses: Counter[str] = Counter()
        memory: list[float] = []
        kills, next_kill = 0, begun + KILL_SECONDS
        while time.monotonic() < begun + SECONDS:
            time.sleep(1.0)
            [version] = rekognition.describe_project_versions(ProjectArn=project)[
                "ProjectVersionDescriptions"
            ]
            statuses[version["Status"]] += 1
            if time.monotonic() > begun + min(SETTLED_SECONDS, SECONDS / 3):
                memory.append(resident_mib(server.pid))
            if time.monotonic() > next_kill:
                os.kill(random.choice(units_of(home)), signal.SIGKILL)
                kills, next_kill = kills + 1, next_kill + KILL_SECONDS
        for client in clients:
            client.join(60)
        answers = sum((client.answers for client in clients), Counter())
        print(f"{SECONDS:.0f} s, {kills} kills, answers {dict(answers)}, statuses {dict(statuses)}")
        print(f"server memory {memory[0]:.0f} MiB, at the end {memory[-1]:.0f}, at most {max(memory):.0f}")

        assert set(answers) == {"right"}
        assert set(statuses) == {"RUNNING"}
        assert until(lambda: len(units_of(home)) == 2, seconds=20)
        assert max(memory) < 1.1 * memory[0] + 10
