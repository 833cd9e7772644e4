"""A home of its own for each story: commands as a user types them, in processes of their own."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.model import OperationModel
from botocore.session import Session
from PIL import Image

from customlabels.app import Served, models_folder, served
from customlabels.wire import check_output

COMMAND = Path(sys.executable).with_name("customlabels")
COLOURS = {"red": (200, 40, 40), "green": (40, 170, 60), "blue": (40, 60, 200), "yellow": (220, 200, 40)}
BUDGET = ("--budget", "5s")
LONGEST_SECONDS = 240.0  # of anything here, on a machine with much else to do


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its standard output, as `--json` promises it."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Home:
    """A home, and the environment in which its commands are typed."""

    path: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    opened: ExitStack = field(default_factory=ExitStack, compare=False)

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the machine's AWS configuration; waits scaled to nothing; any free port."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "CUSTOMLABELS_"))
        }
        return kept | {
            "HOME": str(self.path.parent),
            "CUSTOMLABELS_HOME": str(self.path),
            "CUSTOMLABELS_PORT": "0",
            "CUSTOMLABELS_WAIT_SCALE": "0",
            **self.settings,
        }

    def started(self, *arguments: str | Path) -> "subprocess.Popen[str]":
        """A command under way."""
        return subprocess.Popen(
            [COMMAND, *arguments],
            env=self.environment,
            cwd=self.path.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def typed(self, *arguments: str | Path) -> Finished:
        """A command, once it has ended."""
        return ended(self.started(*arguments))

    @property
    def server(self) -> Served:
        """The server of the home; where there is none one is started as commands do it."""
        if served(self.path) is None:
            self.path.mkdir(parents=True, exist_ok=True)
            log = (str(self.path / "server.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.posix_spawn(
                sys.executable,
                [sys.executable, "-m", "customlabels.app"],
                self.environment,
                file_actions=[(os.POSIX_SPAWN_OPEN, out, *log) for out in (1, 2)],
                setsid=True,
            )
        found = until(lambda: (server := served(self.path)) and server.url and server, seconds=30)
        assert isinstance(found, Served), f"no server of {self.path} comes up"
        return found

    def client(self, service: str, *, key: str = "local", secret: str = "local") -> Any:
        """An unmodified boto3 client; every answer is held to the service's own model."""
        core = Session()
        core.get_component("data_loader").search_paths.append(str(models_folder()))  # for our own service
        client = boto3.session.Session(botocore_session=core).client(
            service,
            endpoint_url=self.server.url,
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=Config(retries={"total_max_attempts": 1}),
        )
        client.meta.events.register(
            f"before-parse.{client.meta.service_model.service_id.hyphenize()}", hold_to_model
        )
        client.meta.events.register("after-call.s3.GetObject", self._closed_later)
        self.opened.callback(client.close)
        return client

    def _closed_later(self, parsed: dict[str, Any], **_: Any) -> None:
        """A body that is not read keeps its connection, for which a later test would be blamed."""
        if "Body" in parsed:
            self.opened.callback(parsed["Body"].close)


def hold_to_model(operation_model: OperationModel, response_dict: dict[str, Any], **_: Any) -> None:
    """An answer's bytes against its output shape, before a client's parser drops what it does not know."""
    if response_dict["status_code"] == 200 and operation_model.service_model.protocol == "json":
        check_output(operation_model, json.loads(response_dict["body"]))


def ended(process: "subprocess.Popen[str]") -> Finished:
    """Wait for a command's end; one that hangs is killed and fails the test."""
    try:
        out, err = process.communicate(timeout=LONGEST_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return Finished(process.returncode, out, err)


@contextmanager
def home_in(folder: Path, **settings: str) -> Iterator[Home]:
    """A home that is gone at the end: its server is ended, and nothing that it started is left."""
    folder.mkdir(parents=True, exist_ok=True)
    home = Home(folder / "home", settings)
    try:
        yield home
    finally:
        home.opened.close()
        if served(home.path) is not None:
            with suppress(ProcessLookupError):
                os.kill(home.server.pid, signal.SIGTERM)  # as `down` does, in a process less
        left = until(lambda: not processes_of(home), seconds=20)
    assert left, f"still there: {processes_of(home)}"


def processes_of(home: Home) -> dict[int, str]:
    """Processes that know this home by their arguments or their environment, by process id."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            command, environment = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
        except OSError:  # it ended while we looked, or it is somebody else's
            continue
        if str(home.path).encode() in command + environment:
            found[int(folder.name)] = command.replace(b"\0", b" ").decode()
    return found


def until(holds: Callable[[], Any], seconds: float = LONGEST_SECONDS) -> Any:
    """What `holds` answers as soon as that is true; its last answer once the time is over."""
    deadline = time.monotonic() + seconds
    while not (answer := holds()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return answer


def lines_until(process: "subprocess.Popen[str]", pattern: str) -> str:
    """What a command under way writes to stderr, up to and with the line that matches."""
    assert process.stderr is not None
    seen = ""
    for line in process.stderr:
        seen += line
        if re.search(pattern, line):
            return seen
    raise AssertionError(f"it ended without {pattern!r}:\n{seen}")


def draw(
    folder: Path, images: int, labels: tuple[str, ...] = ("red", "green", "blue"), seed: int = 0
) -> Path:
    """A folder for each label, with images of 64 pixels in its colour; no two images are the same."""
    chance = random.Random(f"{folder.name} {seed}")
    for label in labels:
        (folder / label).mkdir(parents=True)
        for number in range(images):
            colour = tuple(part + chance.randint(-25, 25) for part in COLOURS[label])
            image = Image.new("RGB", (64, 64), colour)
            image.paste((chance.randrange(256),) * 3, (8, 8, 8 + chance.randrange(4, 20), 20))
            image.save(folder / label / f"{number:02}.png")
    return folder
