"""How good models are for the time they are given: a table of figures beside their goals.

    python benchmarks/training.py --data DIR [--seeds 3] [--clock wall] [--from-scratch] [--only clothing ...]

Trains as `customlabels run` does, below the API: both manifests, a budget, a seed. A result is one line in
the results file, kept under a digest of the code that decides it, so that a run that was interrupted goes on
where it stopped, and a change of the code measures anew.

The clock: `cpu` (the default) counts the seconds of one processor, whatever else the machine does meanwhile;
110 of them are about a minute on both cores of the machine that the goals were set on. `wall` gives the
training all cores and the time on the wall: on a machine that does nothing else.
"""

import argparse
import hashlib
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ROOMS = ("training", "inference", "evaluation", "images")
CPU_SECONDS_A_MINUTE = 110.0  # of one thread, for a minute of two
TINY = 1e-9


@dataclass(frozen=True)
class Case:
    """One line of the table. minutes: on both cores     goals: figure -> at least

    each: training images of a label, for a learning curve; None for all
    """

    name: str
    manifests: tuple[str, str]
    minutes: float
    goals: dict[str, float]
    each: int | None = None


def _case(name: str, minutes: float, suffix: str = "", **goals: float) -> Case:
    folder = name.split()[0]
    return Case(name, (f"{folder}/train{suffix}.manifest", f"{folder}/test{suffix}.manifest"), minutes, goals)


CASES = (
    _case("digits", 0.5, f1=0.98),
    _case("clothing", 1 / 6, f1=0.53),
    _case("clothing", 1, f1=0.56),
    _case("clothing", 3, f1=0.70),
    _case("clothing", 10, f1=0.76),
    _case("cards", 3, f1=0.76),
    _case("cards boxes", 4, "-boxes", f1=0.71, average_precision=0.80),
    _case("cells", 5, f1=0.86, average_precision=0.90),
    _case("cells", 10, f1=0.875, average_precision=0.915),
    *(
        replace(_case(name, 1, suffix, **dict.fromkeys(figures, 0.0)), each=each)
        for name, suffix, figures in (
            ("clothing", "", ["f1"]),
            ("cards", "", ["f1"]),
            ("cards boxes", "-boxes", ["f1", "average_precision"]),
            ("cells", "", ["f1", "average_precision"]),
        )
        for each in (10, 20, 50, 100)
    ),
)


def main() -> None:
    """Measure what is not measured yet, then print the table."""
    parser = argparse.ArgumentParser(description="Measure trainings against their goals.")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="folders of data")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks/training-results.jsonl")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--clock", choices=("cpu", "wall"), default="cpu")
    parser.add_argument(
        "--only", nargs="*", default=[], metavar="NAME", help="such as cells, cells:5, curves"
    )
    parser.add_argument(
        "--from-scratch", action="store_true", help="from random weights, beside the usual ones"
    )
    parser.add_argument("--one", nargs=3, metavar=("CASE", "SEED", "FOLDER"), help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.one:
        number, seed, folder = wanted.one
        print(json.dumps(measured(CASES[int(number)], int(seed), wanted, Path(folder))))
        return
    for seed in range(wanted.seeds):  # each case once, then again: an interrupted run has something of all
        for number, case in enumerate(CASES):
            known = {(one["case"], one["seed"]) for one in results(wanted)}
            names = {case.name, f"{case.name}:{case.minutes:g}"} if case.each is None else {"curves"}
            chosen = not wanted.only or names & set(wanted.only)
            there = case.name == "digits" or (wanted.data / case.manifests[0]).is_file()
            if chosen and there and (case_key(case), seed) not in known:
                _measure_apart(number, seed, wanted)
    _print_table(results(wanted))


def case_key(case: Case) -> str:
    some = "" if case.each is None else f", {case.each} a label"
    return f"{case.name} {case.minutes:.3g} min{some}"


def digest() -> str:
    """Of the code, and of the libraries, that decide a result."""
    told = hashlib.sha256()
    for room in ROOMS:
        files = (ROOT / "src/customlabels" / room).rglob("*")
        for file in sorted(file for file in files if file.suffix in (".py", ".safetensors")):
            told.update(f"{room}/{file.name}\0".encode() + file.read_bytes())
    told.update(" ".join(version(name) for name in ("torch", "numpy", "onnxruntime", "pillow")).encode())
    return told.hexdigest()[:16]


def results(wanted: argparse.Namespace) -> list[dict[str, Any]]:
    """What is known of this code by this clock, from such weights."""
    if not wanted.results.exists():
        return []
    asked = {"code": digest(), "clock": wanted.clock, "from_scratch": wanted.from_scratch}
    lines = map(json.loads, wanted.results.read_text(encoding="utf-8").splitlines())
    return [one for one in lines if asked.items() <= one.items()]


def _measure_apart(number: int, seed: int, wanted: argparse.Namespace) -> None:
    """One training in a process of its own, whose clock starts with it; its line is added to the results."""
    code = digest()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--data", str(wanted.data), "--clock", wanted.clock]
        command += ["--from-scratch"] * wanted.from_scratch + ["--one", str(number), str(seed), folder]
        threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"} if wanted.clock == "cpu" else {}
        done = subprocess.run(command, env={**os.environ, **threads}, stdout=subprocess.PIPE, check=False)
    name = case_key(CASES[number])
    if done.returncode:
        print(f"{name}, seed {seed}: failed with status {done.returncode}", file=sys.stderr)
        return
    figures = json.loads(done.stdout.splitlines()[-1])
    line = {"case": name, "seed": seed, "clock": wanted.clock, "code": code}
    line |= {"from_scratch": wanted.from_scratch, **figures}
    with wanted.results.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    print(f"{name}, seed {seed}: {figures}", file=sys.stderr)


def measured(case: Case, seed: int, wanted: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Train once in this process; returns its figures."""
    data, clock = wanted.data, wanted.clock
    if clock == "cpu":  # before anything looks at a clock: all times are the processor's from here on
        time.monotonic = time.perf_counter = time.process_time
    budget = case.minutes * (CPU_SECONDS_A_MINUTE if clock == "cpu" else 60)
    began = time.monotonic()
    from customlabels.datasets import open_source
    from customlabels.training import Progress, TrainingSpec, write_sample
    from customlabels.training.stages import run

    if case.name == "digits":
        write_sample("digits", folder / "digits", "data")
        data = folder
    manifests, root = [], data
    for name in case.manifests:
        source = open_source(data / name)
        root = source.root
        manifests.append(folder / name.replace("/", "-"))
        lines = list(source.lines("data"))
        if case.each is not None and name == case.manifests[0]:
            lines = _some_of_each(lines, case.each, seed)
        manifests[-1].write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    spec = TrainingSpec(
        work_folder=folder / "work",
        train_manifest=manifests[0],
        test_manifest=manifests[1],
        buckets={"data": root, "output": folder},
        output_bucket="output",
        output_prefix="",
        project_name="benchmark",
        version_name="v",
        version_arn="arn:benchmark",
        budget_seconds=budget,
        seed=seed,
        from_scratch=wanted.from_scratch,
        threads=1 if clock == "cpu" else None,
    )
    reading, rates, memory = 0.0, dict[str, float](), 0

    def tell(progress: Progress) -> None:
        nonlocal reading, memory
        if progress.stage == "reading" and progress.images_per_second:
            reading = progress.step / progress.images_per_second
        rates[progress.stage] = progress.images_per_second or 0.0
        memory = max(memory, progress.memory_bytes)

    outcome = run(spec, tell, lambda: datetime.now(UTC))
    card = json.loads((outcome.artefact_folder / "model.json").read_text(encoding="utf-8"))
    test, tuned = card["metrics"]["test"], card["metrics"]["test_tuned"]
    precision = test.get("average_precision")
    return {
        "f1": round(outcome.f1, 4),
        "test_tuned_f1": round(tuned["f1"], 4),
        "validation_f1": round(card["metrics"]["validation"]["f1"], 4),
        **({} if precision is None else {"average_precision": round(precision, 4)}),
        "seconds": round(time.monotonic() - began, 1),
        "reading_share": round(reading / (time.monotonic() - began), 3),  # of reading and decoding
        "images_per_second": {stage: round(rate, 1) for stage, rate in rates.items() if rate},
        "memory_megabytes": round(memory / 1e6),
        "steps": card["card"]["plan"]["steps"],
        "weights": card["card"]["weights"],
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        "machine": f"{_processor()}, {os.cpu_count()} cores",
    }


def _some_of_each(lines: list[str], each: int, seed: int) -> list[str]:
    """Lines at random, until every label has so many images or no more are there."""
    from customlabels.datasets import Entry, read_line

    counts, kept = Counter[str](), []
    for line in random.Random(seed).sample(lines, len(lines)):
        entry = read_line(line, 1)
        labels = set(entry.labels) if isinstance(entry, Entry) else set()
        if any(counts[label] < each for label in labels):
            counts.update(labels)
            kept.append(line)
    return kept


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())


def _print_table(known: list[dict[str, Any]]) -> None:
    print(f"{'':36} {'figure':>18} {'median':>7} {'least':>7} {'most':>7} {'goal':>6}      seeds  seconds")
    for case in CASES:
        lines = [one for one in known if one["case"] == case_key(case)]
        for row in _rows(case, lines):
            print(row)
    if known:
        first, last = known[0], known[-1]
        print(f"{last['machine']}; {first['date']} to {last['date']} UTC; clock: {last['clock']}")


def _rows(case: Case, lines: list[dict[str, Any]]) -> Iterator[str]:
    for figure, goal in case.goals.items():
        values, wanted = [one[figure] for one in lines], f"{goal:6.3f}" if goal else ""
        if not values:
            yield f"{case_key(case):36} {figure:>18} {'not measured':>23} {wanted}"
            continue
        median, seconds = (statistics.median(each) for each in (values, [one["seconds"] for one in lines]))
        verdict = ("met" if median >= goal - TINY else "MISSED") if goal else ""
        yield (
            f"{case_key(case):36} {figure:>18} {median:7.3f} {min(values):7.3f} {max(values):7.3f} "
            f"{wanted:6} {verdict:6} {len(values):3} {seconds:8.1f}"
        )


if __name__ == "__main__":
    main()
