"""What serving costs beside the bare model, and beside two other servers of the same ONNX file.

    python benchmarks/serving.py [--quick]

A model is trained for some seconds on scenes that we draw, then asked with JPEGs of 0.1 to 1 MB. "Bare" is
one process with one thread that decodes and asks the model, measured right before each load, for the ratio
of CPU times right after it too. Other work on the machine changes times; ratios taken seconds apart change
less. BentoML and LitServe run where the folder `.others` (or $CUSTOMLABELS_OTHERS) is a virtual environment
that has them, with onnxruntime and pillow:

    python -m venv .others && .others/bin/pip install bentoml litserve onnxruntime pillow numpy
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import numpy as np
from PIL import Image, ImageDraw

from customlabels.app import served
from customlabels.inference import Predictor, detect

ROOT = Path(__file__).parents[1]
LOAD = ROOT.parent / "shared" / "tools" / "serve_load.py"
OTHERS = Path(os.environ.get("CUSTOMLABELS_OTHERS", ROOT / ".others"))
QUICK = "--quick" in sys.argv
SECONDS, ROUNDS = (4, 1) if QUICK else (6, 7)

BENTO = """
import base64, os
from pathlib import Path
import bentoml
from customlabels.inference import Predictor, detect

@bentoml.service(workers=1)
class Detect:
    def __init__(self):
        self.predictor = Predictor.load(Path(os.environ["MODEL"]))

    @bentoml.api(route="/detect")
    def detect(self, Image: dict, ProjectVersionArn: str = "", MinConfidence: float = 0) -> dict:
        found = detect(self.predictor, base64.b64decode(Image["Bytes"]), MinConfidence)
        return {"CustomLabels": [{"Name": one.name, "Confidence": one.confidence} for one in found]}
"""
LITSERVE = """
import base64, os, sys
from pathlib import Path
import litserve
from customlabels.inference import Predictor, detect

class Detect(litserve.LitAPI):
    def setup(self, device):
        self.predictor = Predictor.load(Path(os.environ["MODEL"]))

    def decode_request(self, request):
        return base64.b64decode(request["Image"]["Bytes"]), request["MinConfidence"]

    def predict(self, asked):
        return detect(self.predictor, *asked)

    def encode_response(self, found):
        return {"CustomLabels": [{"Name": one.name, "Confidence": one.confidence} for one in found]}

if __name__ == "__main__":
    server = litserve.LitServer(Detect(api_path="/detect"), accelerator="cpu", workers_per_device=1)
    server.run(port=int(sys.argv[1]), generate_client_file=False, log_level="error")
"""


def draw_jpegs(folder: Path, count: int = 21) -> None:
    """Discs on coloured ground with a camera's noise: 1,024 to 3,024 pixels wide, 0.1 to 1 MB."""
    folder.mkdir()
    chance = np.random.default_rng(0)
    for number in range(count):
        width = int(chance.integers(1024, 3025))
        height = width * 3 // 4
        image = Image.new("RGB", (width, height), tuple(map(int, chance.integers(60, 200, 3))))
        pen = ImageDraw.Draw(image)
        for _ in range(40):
            left, top, side = (int(chance.integers(0, most)) for most in (width, height, width // 6))
            pen.ellipse(
                (left, top, left + side, top + side), fill=tuple(map(int, chance.integers(0, 255, 3)))
            )
        noisy = np.asarray(image) + chance.normal(0, 2 + number % 7 * 2, (height, width, 1))
        image = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
        for quality in (92, 80, 65, 45, 25):
            image.save(folder / f"{number:02}.jpg", quality=quality)
            if (folder / f"{number:02}.jpg").stat().st_size < 1_000_000:
                break


def bare(model: Path, jpegs: Path, seconds: float, *, fastest: bool = False) -> dict[str, Any]:
    """Decode and model in this process and thread: CPU and wall time of an image."""
    predictor = Predictor.load(model, fastest=fastest)
    images = [file.read_bytes() for file in sorted(jpegs.iterdir())]
    for image in images[:3]:
        detect(predictor, image)
    took, cpu, begun = [], time.process_time(), time.perf_counter()
    while time.perf_counter() - begun < seconds or len(took) % len(images):
        asked = time.perf_counter()
        detect(predictor, images[len(took) % len(images)])
        took.append(time.perf_counter() - asked)
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - begun
    figures = {"cpu_ms": 1e3 * cpu / len(took), "p50_ms": 1e3 * statistics.median(took)}
    figures["rps"] = len(took) / seconds
    return figures | {"p99_ms": 1e3 * float(np.quantile(took, 0.99)), "engine": predictor.engine}


def bare_elsewhere(model: Path, jpegs: Path, *, fastest: bool = False) -> dict[str, Any]:
    """`bare` in a process of its own."""
    told = subprocess.run(
        [sys.executable, __file__, "--bare", model, jpegs, str(SECONDS / 2), *["--fastest"] * fastest],
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(told.stdout))


def loaded(url: str, jpegs: Path, pid: int, *options: str, clients: int = 4) -> dict[str, Any]:
    """serve_load.py's figures, with the CPU time of a request in the server and its units."""
    command = [sys.executable, LOAD, url, jpegs, "--json", "--pid", str(pid)]
    done = subprocess.run(
        [*command, "-c", str(clients), "-d", str(SECONDS), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    if set(told["status"]) != {"200"}:
        print(f"  !! answers other than 200: {told['status']} {told.get('first_bad_reply', '')}")
    return told | {"cpu_ms": 1e3 * told["server_cpu_s"] / max(1, told["ok"])}


def pss_mib(pid: int) -> float:
    """Memory of a process, what it shares counted by its share."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024


class Served:
    """A home with one trained version, and its server."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.environment = os.environ | {"CUSTOMLABELS_HOME": str(self.home), "CUSTOMLABELS_PORT": "0"}
        self.environment |= {"CUSTOMLABELS_WAIT_SCALE": "0", "CUSTOMLABELS_ENGINE": "onnxruntime"}
        self.typed("sample", "labels", "--to", str(folder / "shapes"))
        source = [f"--{part}={folder / 'shapes' / part}.manifest" for part in ("train", "test")]
        told = self.typed("run", *source, "--project=shapes", "--min-f1=0.01", "--budget=10s", "--json")
        self.arn = json.loads(told)["ProjectVersionArn"]
        server = served(self.home)
        assert server is not None
        self.url, self.pid = server.url, server.pid
        (self.model,) = {card.parent for card in self.home.glob("models/**/model.json")}
        keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "us-east-1"}
        self.client = boto3.client("rekognition", endpoint_url=self.url, **keys)

    def typed(self, *arguments: str) -> str:
        """A command's standard output."""
        command = [Path(sys.executable).with_name("customlabels"), *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{arguments[0]} failed: {done.stderr}")
        return done.stdout

    def restart(self, units: int, image: bytes) -> float:
        """Serve with so many units; seconds from asking for the start to the first answer."""
        self.client.stop_project_version(ProjectVersionArn=self.arn)
        self.wait_until("STOPPED")
        begun = time.monotonic()
        self.client.start_project_version(ProjectVersionArn=self.arn, MinInferenceUnits=units)
        self.wait_until("RUNNING")
        self.client.detect_custom_labels(ProjectVersionArn=self.arn, Image={"Bytes": image})
        return time.monotonic() - begun

    def wait_until(self, status: str) -> None:
        """Poll until the version has this status."""
        project = self.client.describe_projects()["ProjectDescriptions"][0]["ProjectArn"]
        while True:
            told = self.client.describe_project_versions(ProjectArn=project)["ProjectVersionDescriptions"]
            if told[0]["Status"] == status:
                return
            time.sleep(0.01)

    def units(self) -> list[int]:
        """Process ids of the units."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return list(map(int, children.split()))


def ours(folder: Path, jpegs: Path) -> Path:
    """The table of our own server; returns the model's folder."""
    home = Served(folder)
    image = next(iter(sorted(jpegs.iterdir()))).read_bytes()
    asked = ("--arn", home.arn)
    try:
        ratios, gains, bounds, pairs = [], [], [], []
        for turn in range(ROUNDS):
            home.restart(1, image)
            plain, one = bare_elsewhere(home.model, jpegs), loaded(home.url, jpegs, home.pid, *asked)
            after = bare_elsewhere(home.model, jpegs)
            bares = plain["cpu_ms"], after["cpu_ms"]
            ratios.append(one["cpu_ms"] / statistics.mean(bares))
            home.restart(2, image)
            two = loaded(home.url, jpegs, home.pid, *asked, clients=8)
            gains.append(two["rps"] / one["rps"])
            client = 1e3 * two["client_cpu_s"] / max(1, two["ok"])
            bounds.append(2e3 / (two["cpu_ms"] + client) / one["rps"])
            with ThreadPoolExecutor() as both:
                halves = list(both.map(lambda _: bare_elsewhere(home.model, jpegs)["rps"], range(2)))
            pairs.append(sum(halves) / plain["rps"])
            print(
                f"  round {turn + 1}: bare {bares[0]:.1f} and {bares[1]:.1f} ms CPU, "
                f"served {one['cpu_ms']:.1f} ms (ratio {ratios[-1]:.2f}), one unit {one['rps']:.0f}/s, "
                f"two {two['rps']:.0f}/s ({gains[-1]:.2f} times of {bounds[-1]:.2f}), "
                f"load {os.getloadavg()[0]:.1f}"
            )
        memory = [pss_mib(pid) for pid in home.units()]
        row("CPU of a request / bare decode and model", f"{statistics.median(ratios):.2f}", "<= 1.15")
        row("two units / one unit, on two cores", f"{statistics.median(gains):.2f}", ">= 1.6")
        row("the same of the bare model, two processes", f"{statistics.median(pairs):.2f}", "")
        row("most that two cores' CPU time allows", f"{statistics.median(bounds):.2f}", "")
        starts = [home.restart(1, image) for _ in range(ROUNDS)]
        queues, tails = [], []
        for _ in range(ROUNDS):
            plain, one = bare_elsewhere(home.model, jpegs), loaded(home.url, jpegs, home.pid, *asked)
            rate = ("--rate", str(0.8 * one["rps"]))
            open_loop = loaded(home.url, jpegs, home.pid, *asked, *rate, clients=16)
            queues.append(open_loop["p99_ms"] / plain["p50_ms"])
            tails.append(plain["p99_ms"] / plain["p50_ms"])
        row("p99 at 80 % of capacity / bare median", f"{statistics.median(queues):.1f}", "< 5")
        row("the same of the bare model, without a queue", f"{statistics.median(tails):.1f}", "")
        row("memory of a unit (PSS)", f"{statistics.mean(memory):.0f} MiB", "")
        row("memory of the server (PSS)", f"{pss_mib(home.pid):.0f} MiB", "")
        row("start of a version to its first answer", f"{statistics.median(starts):.2f} s", "< 1 s")
        slow, fast = (bare_elsewhere(home.model, jpegs, fastest=fastest) for fastest in (False, True))
        if fast["engine"] == "openvino":
            row("bare with OpenVINO / with ONNX Runtime", f"{fast['cpu_ms'] / slow['cpu_ms']:.2f}", "")
        else:
            print("  OpenVINO is not installed, or disagrees: skipped")
    finally:
        home.typed("down")
    return home.model


def row(name: str, figure: str, goal: str) -> None:
    """A line of the table."""
    print(f"  {name:<44}{figure:>12}   {goal}")


@contextlib.contextmanager
def other(folder: Path, name: str, program: str, model: Path) -> Iterator[tuple[str, int]]:
    """Another server of the same file, with its address and process id."""
    (folder / f"{name}_server.py").write_text(program)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    python = OTHERS / "bin" / "python"
    served_by = {
        "bentoml": [python, "-m", "bentoml", "serve", "bentoml_server:Detect", "--port", str(port)],
        "litserve": [python, "litserve_server.py", str(port)],
    }
    environment = {"PYTHONPATH": str(ROOT / "src"), "MODEL": str(model), "BENTOML_DO_NOT_TRACK": "True"}
    with (folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            served_by[name], cwd=folder, env=os.environ | environment, stdout=log, stderr=log
        )
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end and process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 2):
                break
            time.sleep(0.2)
        time.sleep(3)  # its workers load the model
        yield f"http://127.0.0.1:{port}/detect", process.pid
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
        process.kill()


def beside(folder: Path, jpegs: Path, model: Path) -> None:
    """The CPU ratio of the others, with the same decoding and the same model."""
    for name, program in {"bentoml": BENTO, "litserve": LITSERVE}.items():
        if not (OTHERS / "bin" / name).exists():
            print(f"  {name} is not in {OTHERS}: skipped")
            continue
        ratios = []
        with other(folder, name, program, model) as (url, pid):
            for _ in range(ROUNDS):
                plain = bare_elsewhere(model, jpegs)
                told = loaded(url, jpegs, pid, "-H", "Content-Type: application/json")
                ratios.append(told["cpu_ms"] / plain["cpu_ms"])
        what = f"{name}: CPU of a request / bare"
        row(
            what, f"{statistics.median(ratios):.2f}", f"{told['rps']:.0f}/s, {told['server_pss_mib']:.0f} MiB"
        )


def main() -> None:
    """Print the table."""
    if not LOAD.exists():
        print(f"  {LOAD} is not there: skipped")
        return
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.split(":")[1].strip() for line in cpuinfo if "model name" in line), "?")
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    print(f"  {processor}, {cores} cores, Python {platform.python_version()}, load {load:.1f}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jpegs = folder / "jpegs"
        draw_jpegs(jpegs)
        sizes = [file.stat().st_size / 1e6 for file in jpegs.iterdir()]
        print(f"  {len(sizes)} JPEGs of {min(sizes):.1f} to {max(sizes):.1f} MB")
        beside(folder, jpegs, ours(folder, jpegs))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--bare"]:
        model, jpegs, seconds = sys.argv[2:5]
        told = bare(Path(model), Path(jpegs), float(seconds), fastest="--fastest" in sys.argv)
        print(json.dumps(told))
    else:
        main()
