"""Homes that several stories share: one with a deployed model, one that is served without any."""

import json
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.journeys.browser import Browser, browser_at
from tests.journeys.stage import BUDGET, Finished, Home, draw, home_in, lines_until

pytest.importorskip("torch")

# A shell that runs tests in the background lets them ignore Ctrl-C; what they start would ignore it too.
signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Deployed:
    """A home in which the first run of project `colours` has ended."""

    home: Home
    train: Path
    test: Path
    first: Finished

    @property
    def version(self) -> str:
        """The ARN that the first run's output names."""
        return next(line.split()[1] for line in self.first.out.splitlines() if line.startswith("model "))

    @property
    def current(self) -> Path:
        """The object that names the version in service."""
        return self.home.path / "buckets/customlabels-output/custom-labels/colours/current.json"

    def run(self, *options: str | Path) -> tuple[str | Path, ...]:
        """The arguments of another run of the same data."""
        return ("run", "--train", self.train, "--test", self.test, *BUDGET, *options)


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A model that was trained by `customlabels run` and is in service."""
    folder = tmp_path_factory.mktemp("deployed")
    train, test = draw(folder / "colours" / "train", 12), draw(folder / "colours" / "test", 6)
    with home_in(folder) as home:
        first = home.typed("run", "--train", train, "--test", test, *BUDGET)
        assert first.code == 0, first.err + first.out
        yield Deployed(home, train, test, first)


@pytest.fixture
def answering(deployed: Deployed) -> Deployed:
    """The same, its first version in service, and named as current, whatever other stories did with it."""
    rekognition = deployed.home.client("rekognition")
    project = rekognition.describe_projects(ProjectNames=["colours"])["ProjectDescriptions"][0]["ProjectArn"]
    named = {"ProjectArn": project, "VersionNames": [deployed.version.split("/")[3]]}
    [version] = rekognition.describe_project_versions(**named)["ProjectVersionDescriptions"]
    if version["Status"] not in ("RUNNING", "STARTING"):
        rekognition.start_project_version(ProjectVersionArn=deployed.version, MinInferenceUnits=1)
    rekognition.get_waiter("project_version_running").wait(
        **named, WaiterConfig={"Delay": 0.2, "MaxAttempts": 200}
    )
    rekognition.close()
    if json.loads(deployed.current.read_bytes())["ProjectVersionArn"] != deployed.version:
        promoted = deployed.home.typed("promote", deployed.version)
        assert promoted.code == 0, promoted.err
    return deployed


@pytest.fixture(scope="session")
def rejected(deployed: Deployed) -> Finished:
    """A second run of the same data, below its threshold."""
    return deployed.home.typed(*deployed.run("--min-f1", "1.0", "--json"))


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home without anything in it, served in the foreground."""
    with home_in(tmp_path_factory.mktemp("served")) as home:
        server = home.started("serve")
        lines_until(server, "customlabels serves http")
        yield home
        server.terminate()
        server.communicate(timeout=30)
        assert server.returncode == 0


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home of the test's own; nothing runs."""
    with home_in(tmp_path) as home:
        yield home


@pytest.fixture
def foreground(home: Home) -> Iterator["subprocess.Popen[str]"]:
    """The test's own home, served in the foreground."""
    server = home.started("serve")
    lines_until(server, "customlabels serves http")
    yield server
    server.terminate()
    server.communicate(timeout=30)


@pytest.fixture(scope="session")
def browser(deployed: Deployed) -> Iterator[Browser]:
    """One browser for all stories, at the server of `deployed`."""
    with browser_at(deployed.home.server.url) as browser:
        yield browser


@pytest.fixture
def clean(browser: Browser) -> Iterator[None]:
    """Afterwards: no script failed, no policy was broken, no file was missing."""
    browser.complaints()
    yield
    assert browser.complaints() == []
