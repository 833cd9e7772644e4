"""kill -9 of server, training and units at any moment: a run ends, once, and nothing seen is lost."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.killing import SERVER, TRAINING, UNIT, Observer, Server, answered, until
from tests.journeys.stage import draw, home_in

from customlabels.inference import Predictor

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")

LABELS = ("red", "green", "blue")
IMAGES = 12  # of a label, on each side
PROJECT = "colours"
ENDINGS = {"ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"}
KINDS = (SERVER, TRAINING, UNIT)
IN_A_ROW = {TRAINING: 1, UNIT: 2}  # kills of a child that comes no further: after some more it is given up
EXECUTION_SECONDS = 600
PATIENCE_SECONDS = 3.0


@dataclass
class Story:
    """Runs of the pipeline in one home, with somebody who kills."""

    server: Server
    train: Path
    test: Path
    chance: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    moments: Counter[str] = field(default_factory=Counter)
    in_a_row: Counter[str] = field(default_factory=Counter)
    names: list[str] = field(default_factory=list)
    furthest: tuple[str, int, int, int] = ("", 0, 0, 0)

    def __post_init__(self) -> None:
        self.observer = Observer(self.server)
        self.began = time.monotonic()

    # ------------------------------------------------------------ runs

    def begin(self, budget: str) -> str:
        """Start a run as a user does; its ARN."""
        name = f"e{len(self.names) + 1}"
        sides = ("--train", self.train, "--test", self.test, "--project", PROJECT)
        wishes = ("--min-f1", "0", "--budget", budget, "--name", name, "--detach", "--json")
        done = self.server.home.typed("run", *sides, *wishes)
        assert done.code == 0, done.err
        arn = str(done.json["ExecutionArn"])
        self.names.append(name)
        self.observer.seen[arn] = []
        return arn

    def run(self, budget: str, quota: Counter[str]) -> None:
        """One execution from start to end, with up to so many kills of each kind.

        The kills of the server are split, by chance, between the training and the time after it.
        """
        arn, quota = self.begin(budget), Counter(quota)
        kept = self.chance.randint(1, quota[SERVER] - 1)
        deadline = time.monotonic() + EXECUTION_SECONDS
        while (status := self.status(arn)) == "RUNNING" or quota[SERVER] or quota[UNIT]:
            assert status in ("RUNNING", "SUCCEEDED"), f"{arn} is {status}:\n{self.server.last_words()}"
            assert time.monotonic() < deadline, f"{arn} does not end:\n{self.server.last_words()}"
            runs = status == "RUNNING"
            if not runs:
                quota[TRAINING] = 0
            allowed = Counter(quota)
            if runs and not self.trained():
                allowed[SERVER] -= kept
            if not +allowed:
                time.sleep(0.1)
                continue
            self.wait_for_a_moment()
            if struck := self.strike([kind for kind in KINDS if allowed[kind] > 0]):
                quota[struck] -= 1
        self.observer.look()

    def status(self, arn: str) -> str:
        described = self.server.client("stepfunctions").describe_execution(executionArn=arn)
        return str(described["status"])

    def trained(self) -> bool:
        """Whether the newest run's version has been trained."""
        query = "SELECT status FROM versions WHERE name = ?"
        return any(row["status"] != "TRAINING_IN_PROGRESS" for row in self.server.rows(query, self.version))

    @property
    def version(self) -> str:
        return f"v-{self.names[-1]}"

    # ------------------------------------------------------------ kills

    def wait_for_a_moment(self) -> None:
        """Some time, or the instant at which something gets on the disk."""
        kind = self.chance.choice(("time", "time", "file", "event", "job"))
        self.moments[kind] += 1
        if kind == "time":
            time.sleep(self.chance.uniform(0.05, 3.0))
            return
        looks: dict[str, Callable[[], Any]] = {
            "file": self.server.files,
            "event": lambda: self.server.rows("SELECT count(*) FROM events"),
            "job": lambda: self.server.rows("SELECT id, status, progress FROM jobs ORDER BY id"),
        }
        before, end = looks[kind](), time.monotonic() + PATIENCE_SECONDS
        while looks[kind]() == before and time.monotonic() < end:
            time.sleep(0.004)
        time.sleep(self.chance.choice((0.0, 0.0, 0.01, 0.1)))

    def strike(self, kinds: list[str]) -> str:
        """Kill one process of one of these kinds; which kind it was, empty where there was none."""
        self.note_progress()
        targets = {kind: self.server.children(kind) for kind in kinds if kind != SERVER}
        possible = [kind for kind, found in targets.items() if found and self.in_a_row[kind] < IN_A_ROW[kind]]
        possible += [SERVER] * (SERVER in kinds)
        if not possible:
            return ""
        kind = self.chance.choice(possible)
        if kind == SERVER:
            self.kill_server()
        elif not self.chance.choice(targets[kind]).kill():
            return ""
        self.kills[kind] += 1
        self.in_a_row[kind] += 1
        self.say(f"killed: {kind}")
        if kind == UNIT and self.chance.random() < 0.5:
            self.check_recovery()
        return kind

    def say(self, text: str) -> None:
        """What happens when; pytest shows it where the story fails."""
        print(f"{time.monotonic() - self.began:8.2f} s  {self.names[-1:]}  {text}", flush=True)

    def kill_server(self) -> None:
        """Kill, start again at once, and compare what is told now with what was told before."""
        self.observer.look()
        self.server.kill()
        self.server.start()
        self.observer.look()
        self.server.check_orphans()
        self.in_a_row[TRAINING] = 0  # it counts anew
        self.say("the server is up again")

    def note_progress(self) -> None:
        """A child that has come further since the last look may be killed again."""
        rows = self.server.rows("SELECT id, progress FROM jobs WHERE kind = 'train' AND status = 'RUNNING'")
        for reached in (_reached(row["id"], json.loads(row["progress"])) for row in rows):
            if reached[0] != self.furthest[0] or reached > self.furthest:
                self.furthest, self.in_a_row[TRAINING] = reached, 0
        if self.in_service() and all(self.ask(arn) for arn in self.in_service()):
            self.in_a_row[UNIT] = 0

    def in_service(self) -> list[str]:
        rows = self.server.rows("SELECT arn FROM versions WHERE status = 'RUNNING' ORDER BY created_at")
        return [row["arn"] for row in rows]

    def ask(self, arn: str) -> Any:
        """The labels of an image, None where the version does not answer now."""
        image = {"Bytes": (self.test / "red" / "00.png").read_bytes()}
        ask = self.server.client("rekognition").detect_custom_labels
        return answered(lambda: ask(ProjectVersionArn=arn, Image=image, MinConfidence=0))

    def check_recovery(self) -> None:
        """The versions that were in service are in service after their unit was killed, and answer."""
        for arn in self.in_service():

            def answers_or_is_out(arn: str = arn) -> bool:
                return bool(self.ask(arn)) or arn not in self.in_service()

            until(answers_or_is_out, 60, f"{arn} does not answer after its unit was killed", pause=0.1)
        failed = self.server.rows("SELECT name, status_message FROM versions WHERE status = 'FAILED'")
        assert not failed, f"{failed}\n{self.server.last_words()}"

    # ------------------------------------------------------------ the end

    def check(self) -> None:
        """Everything is there once, in service, and nothing is left over."""
        open_jobs = "SELECT kind, subject FROM jobs WHERE status IN ('QUEUED', 'RUNNING')"
        until(lambda: not self.server.rows(open_jobs), 60, "jobs are stuck")
        self.observer.look()
        self.server.no_orphans()
        for arn, events in self.observer.seen.items():
            check_history(events)
            self.check_result(arn)
        self.check_project()
        self.check_records()
        self.check_files()

    def check_result(self, arn: str) -> None:
        described = self.server.client("stepfunctions").describe_execution(executionArn=arn)
        assert described["status"] == "SUCCEEDED", described
        output = json.loads(described["output"])
        assert output["Decision"] == "DEPLOYED"
        assert len(output["Reasons"]) == 1, output
        assert f"/version/v-{described['name']}/" in output["ProjectVersionArn"]

    def check_project(self) -> None:
        """One project, one dataset of each type, one version of each run, the last in service."""
        rekognition = self.server.client("rekognition")
        projects = rekognition.describe_projects()["ProjectDescriptions"]
        (project,) = (one for one in projects if f":project/{PROJECT}/" in one["ProjectArn"])
        assert sorted(one["DatasetType"] for one in project["Datasets"]) == ["TEST", "TRAIN"]
        for dataset in project["Datasets"]:
            described = rekognition.describe_dataset(DatasetArn=dataset["DatasetArn"])["DatasetDescription"]
            assert described["Status"] == "CREATE_COMPLETE"
            assert described["DatasetStats"]["TotalEntries"] == IMAGES * len(LABELS)

        def settled() -> bool:
            statuses = {row["name"]: row["status"] for row in self.server.rows("SELECT * FROM versions")}
            expected = {f"v-{name}": "STOPPED" for name in self.names} | {self.version: "RUNNING"}
            return statuses == expected

        until(settled, 60, f"not one version of each run: {self.server.rows('SELECT * FROM versions')}")
        (arn,) = self.in_service()
        answer = until(lambda: self.ask(arn), 60, "the version in service does not answer", pause=0.1)
        assert {found["Name"] for found in answer["CustomLabels"]} == set(LABELS)

    def check_records(self) -> None:
        """Each version was trained by one job, and no revision is there that nobody needs."""
        jobs = self.server.rows("SELECT subject, status FROM jobs WHERE kind = 'train'")
        versions = self.server.rows("SELECT * FROM versions")
        assert sorted((job["subject"], job["status"]) for job in jobs) == sorted(
            (version["arn"], "SUCCEEDED") for version in versions
        )
        failed = self.server.rows("SELECT kind, subject, error FROM jobs WHERE status != 'SUCCEEDED'")
        assert not failed
        needed = {
            version[column] for version in versions for column in ("train_revision_id", "test_revision_id")
        }
        needed |= {row["revision_id"] for row in self.server.rows("SELECT revision_id FROM datasets")}
        revisions = {row["id"]: row["status"] for row in self.server.rows("SELECT id, status FROM revisions")}
        assert revisions == dict.fromkeys(needed, "READY")

    def check_files(self) -> None:
        """Each model is whole and loads; no unfinished file, no work folder is left."""
        folders = {row["folder"] for row in self.server.rows("SELECT folder FROM versions")}
        assert folders == {f"models/{place.name}" for place in (self.server.home.path / "models").iterdir()}
        assert len(folders) == len(self.names)
        for folder in folders:
            assert set(Predictor.load(self.server.home.path / folder).labels) == set(LABELS)
        assert not list((self.server.home.path / "models").rglob("*.part"))
        assert not list((self.server.home.path / "work").iterdir())

    def table(self) -> str:
        """What has happened, in figures."""
        events = sum(map(len, self.observer.seen.values()))
        hidden = len(list((self.server.home.path / "buckets").rglob(".customlabels-part-*")))
        kills = "  ".join(f"{kind} {self.kills[kind]}" for kind in KINDS)
        rows = {
            "kills": f"{kills}  together {self.kills.total()}",
            "moments": "  ".join(f"{kind} {count}" for kind, count in sorted(self.moments.items())),
            "starts of the server": self.server.starts,
            "executions": len(self.names),
            "events": f"{events}, read {self.observer.reads} times, none changed",
            "hidden files in buckets": hidden,
            "seconds": f"{time.monotonic() - self.began:.0f}",
        }
        return "\n" + "\n".join(f"{name:>24}  {value}" for name, value in rows.items())


STAGES = ("waiting", "reading", "planning", "learning", "exporting")


def _reached(job: str, told: dict[str, Any]) -> tuple[str, int, int, int]:
    """How far a training has told to be; what comes later is greater."""
    stage = told.get("stage", "waiting").replace("validating", "learning")
    return job, STAGES.index(stage), told.get("part", 0), told.get("step", 0)


def check_history(events: list[dict[str, Any]]) -> None:
    """Ids without a gap, one ending, and every beginning with its end."""
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert all(event.get("previousEventId", 0) < event["id"] for event in events)
    assert [event["id"] for event in events if event["type"] in ENDINGS] == [len(events)]
    types = Counter(event["type"] for event in events)
    for name in types:
        if name.endswith("StateEntered"):
            assert types[name] == types[name.replace("Entered", "Exited")], (name, types)
    ended = sum(types[f"Task{end}"] for end in ("Succeeded", "Failed", "TimedOut"))
    assert types["TaskScheduled"] == types["TaskStarted"] == ended
    assert types["MapStateStarted"] == types["MapStateSucceeded"] == types["MapStateEntered"]
    assert types["MapIterationStarted"] == types["MapIterationSucceeded"]
    created = [event for event in events if _succeeded(event, "createProjectVersion")]
    assert len(created) == 1, "one training of one run"


def _succeeded(event: dict[str, Any], resource: str) -> bool:
    return bool(event.get("taskSucceededEventDetails", {}).get("resource") == resource)


@pytest.fixture
def story(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Story]:
    seed = int(getattr(request, "param", 1))
    train, test = draw(tmp_path / "train", IMAGES, LABELS), draw(tmp_path / "test", IMAGES, LABELS)
    with home_in(tmp_path) as home:
        server = Server(home)
        try:
            server.start()
            yield Story(server, train, test, random.Random(seed))
        finally:
            server.end()


def test_a_run_ends_deployed_whatever_is_killed_on_the_way(story: Story) -> None:
    story.run("5s", Counter({SERVER: 2, TRAINING: 1, UNIT: 1}))

    story.check()
    print(story.table())


TORTURE_KILLS = int(os.environ.get("CUSTOMLABELS_TORTURE_KILLS", "30"))  # of each kind
TORTURE_SEED = int(os.environ.get("CUSTOMLABELS_TORTURE_SEED", time.time()))


@pytest.mark.torture
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("story", [TORTURE_SEED], indirect=True, ids=["seed"])
def test_runs_end_deployed_after_thirty_kills_of_each_kind(story: Story) -> None:
    print(f"CUSTOMLABELS_TORTURE_SEED={TORTURE_SEED}")
    while wanted := [kind for kind in KINDS if story.kills[kind] < TORTURE_KILLS]:
        quota = Counter({kind: 6 if kind in wanted else 2 for kind in KINDS})
        story.run(story.chance.choice(("6s", "25s")), quota)
        print(story.table(), flush=True)

    story.check()
    print(story.table())


def import_under_kills(story: Story, lines: int, kills: int) -> None:
    """Create a dataset from a long manifest while the server is killed again and again."""
    folder = story.train.parent / "manifests"
    folder.mkdir()
    line = {
        "label": 1,
        "label-metadata": {
            "class-name": "red",
            "confidence": 1,
            "type": "groundtruth/image-classification",
            "human-annotated": "yes",
            "creation-date": "2026-01-01T00:00:00",
            "job-name": "drawn",
        },
    }
    (folder / "long.manifest").write_text(
        "".join(json.dumps({"source-ref": f"s3://drawn/{n}.png"} | line) + "\n" for n in range(lines))
    )
    rekognition = story.server.client("rekognition")
    story.server.client("customlabels").put_bucket(Name="manifests", Folder=str(folder))
    project = rekognition.create_project(ProjectName="long")["ProjectArn"]
    place = {"S3Object": {"Bucket": "manifests", "Name": "long.manifest"}}
    dataset = rekognition.create_dataset(
        ProjectArn=project, DatasetType="TRAIN", DatasetSource={"GroundTruthManifest": place}
    )["DatasetArn"]

    def described() -> dict[str, Any]:
        answer = story.server.client("rekognition").describe_dataset(DatasetArn=dataset)
        return dict(answer["DatasetDescription"])

    for _ in range(kills):
        time.sleep(story.chance.uniform(0.05, 1.0))
        story.kill_server()
        story.kills[SERVER] += 1
    until(lambda: described()["Status"] != "CREATE_IN_PROGRESS", 120, "the import does not end", pause=0.1)

    assert described()["Status"] == "CREATE_COMPLETE", described()
    assert described()["DatasetStats"]["TotalEntries"] == lines
    (revision,) = story.server.rows("SELECT * FROM revisions")
    assert (revision["status"], revision["total_entries"]) == ("READY", lines)
    assert story.server.rows("SELECT count(*) AS n FROM entries") == [{"n": lines}]
    assert story.server.rows("SELECT count(*) AS n FROM entry_labels") == [{"n": lines}]


def test_a_dataset_has_each_line_once_however_often_its_import_was_killed(story: Story) -> None:
    import_under_kills(story, 10_000, 2)


@pytest.mark.torture
@pytest.mark.parametrize("story", [TORTURE_SEED], indirect=True, ids=["seed"])
def test_a_dataset_has_each_line_once_after_thirty_kills(story: Story) -> None:
    import_under_kills(story, 60_000, TORTURE_KILLS)

    print(story.table())
