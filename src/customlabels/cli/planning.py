"""`plan`: what a run would do, take and cost, before anything starts.

Layer: cli. States and calls are counted by a rehearsal of the definition, the training's time by some steps
on this machine. Money is from a table that carries its date.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from customlabels.cli.data import OUTPUT_BUCKET, existing, looked_at
from customlabels.cli.durations import seconds_of
from customlabels.cli.exits import Exit, UsageError
from customlabels.cli.printing import print_json, say, show
from customlabels.cli.running import AUTOMATIC_BUDGET_SECONDS
from customlabels.datasets import Dropped, Findings, bucket_name, open_source, read_line, split_ref
from customlabels.errors import CustomLabelsError
from customlabels.images import ImageLimits, check_header
from customlabels.inference import BOXES, MULTI_LABEL, SINGLE_LABEL
from customlabels.pipeline import (
    RunInput,
    definition,
    iam_actions,
    local_substitutions,
    poll_seconds,
    rehearse,
)
from customlabels.settings import Settings
from customlabels.storage import Objects
from customlabels.training import estimate

SAMPLE = 50  # images whose size is looked at
MODEL_BYTES = 50_000_000  # what stays of a model (20 MB of digits), and the checkpoint while it learns
LOCAL_HOSTING_SECONDS, AWS_HOSTING_SECONDS = 3.0, 900.0
EVENTS = 25_000
# US dollars in us-east-1. As remembered on the date, not looked up; the pages that count are named beside.
PRICES_OF = "2026-11-26"
PRICES = {"TrainingHour": 1.0, "InferenceUnitHour": 4.0, "ThousandTransitions": 0.025}
PRICE_PAGES = "aws.amazon.com/rekognition/pricing, aws.amazon.com/step-functions/pricing"
AWS_TRAINING_HOURS = (0.5, 24.0)  # what the service's guide says that a training takes


def plan_run(sources: Sequence[str], budget: str, *, aws: bool, as_json: bool) -> Exit:
    """Print what a run on these sources would do (training data, then test data); DATA_INVALID if none."""
    if not (aws or sources):
        raise UsageError("name the training data, then the test data; or --aws for a plan without data")
    budget_seconds = seconds_of(budget) if budget else None
    findings = looked_at([existing(source) for source in sources]) if sources else None
    told: dict[str, Any] = {"Data": _data(findings)} if findings else {}
    invalid = findings is not None and bool(findings.errors)
    if aws:
        told |= _on_aws()
    elif findings and not invalid:
        told |= _here(findings, sources[0], budget_seconds)
    print_json(told) if as_json else _show(told)
    return Exit.DATA_INVALID if invalid else Exit.DONE


def _data(findings: Findings) -> dict[str, Any]:
    counts = {"Errors": findings.errors, "Unusable": findings.unusable, "Warnings": findings.warnings}
    return {
        "Sources": [
            {
                "Source": one.source,
                "Images": one.usable,
                "Labels": len(one.images_by_label),
                "Boxes": one.boxes,
            }
            for one in findings.summary
        ],
        **{name: len(problems) for name, problems in counts.items()},
    }


def _here(findings: Findings, source: str, budget: float | None) -> dict[str, Any]:
    train, images = findings.summary[0], sum(one.usable for one in findings.summary)
    labels = sum(train.images_by_label.values())
    kind = BOXES if train.boxes else SINGLE_LABEL if labels == train.usable else MULTI_LABEL
    say("timing some steps of a training on this machine")
    timed = estimate(kind, train.usable, len(train.images_by_label), _sides(existing(source)), budget)
    training: dict[str, Any] = {"Kind": kind, "BudgetSeconds": budget}
    if timed is None:
        training["Problem"] = "training needs torch: pip install 'customlabels[train]'"
    else:
        training |= {"ExpectedSeconds": round(budget or timed.seconds), "Courses": timed.courses}
        training |= {"StepSeconds": timed.step_seconds, "Steps": timed.steps}
    seconds = budget or (timed.seconds if timed else AUTOMATIC_BUDGET_SECONDS)
    cache = timed.cache_bytes * images // max(train.usable, 1) if timed else 0
    home = Settings.from_environment().home
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    inputs = RunInput(output_bucket=OUTPUT_BUCKET, waits=poll_seconds(budget or AUTOMATIC_BUDGET_SECONDS))
    return {
        "Training": training,
        "Disk": {"NeededBytes": cache + MODEL_BYTES, "FreeBytes": shutil.disk_usage(there).free},
        "Run": _counted(inputs, seconds, LOCAL_HOSTING_SECONDS),
    }


def _sides(path: Path) -> list[tuple[int, int]]:
    """Width and height of some training images; those elsewhere or unreadable are left out."""
    source = open_source(path)
    bucket = bucket_name(source.root)
    objects = Objects({bucket: source.root}.get)
    lines = list(source.lines(bucket))
    sides = []
    for line in lines[:: max(1, len(lines) // SAMPLE)]:
        try:
            entry = read_line(line, 1)
            if isinstance(entry, Dropped):
                continue
            header = check_header(objects.read(*split_ref(entry.source_ref)), ImageLimits())
        except CustomLabelsError:
            continue  # `check` has told of it
        sides.append((header.width, header.height))
    return sides or [(1, 1)]


def _counted(inputs: RunInput, training_seconds: float, hosting_seconds: float) -> dict[str, Any]:
    found = rehearse(definition(local_substitutions()), inputs.to_json(), training_seconds, hosting_seconds)
    return {
        "States": list(found.states),
        "Transitions": found.transitions,
        "Events": found.events,
        "PollEvents": found.poll_events,
        "Calls": dict(sorted(found.calls.items())),
    }


def _on_aws() -> dict[str, Any]:
    runs = []
    for hours in AWS_TRAINING_HOURS:
        counted = _counted(RunInput(), hours * 3600, AWS_HOSTING_SECONDS)
        cost = {
            "Training": hours * PRICES["TrainingHour"],
            "Transitions": counted["Transitions"] * PRICES["ThousandTransitions"] / 1000,
            "HostingEachHour": PRICES["InferenceUnitHour"],
        }
        runs.append({"TrainingHours": hours, "Dollars": cost} | counted)
    prices = PRICES | {"AsRememberedOn": PRICES_OF, "Pages": PRICE_PAGES}
    return {"Runs": runs, "IamActions": iam_actions(definition(local_substitutions())), "Prices": prices}


def _show(told: dict[str, Any]) -> None:
    if data := told.get("Data"):
        for one in data["Sources"]:
            boxes = f", {one['Boxes']} boxes" if one["Boxes"] else ""
            show(f"data      {one['Images']} images, {one['Labels']} labels{boxes}  {one['Source']}")
        counts = {name: data[name] for name in ("Errors", "Unusable", "Warnings")}
        advice = "  (customlabels check lists them)" if any(counts.values()) else ""
        show("problems  " + ", ".join(f"{count} {name.lower()}" for name, count in counts.items()) + advice)
    if training := told.get("Training"):
        show(f"training  {training['Kind']}, {_time_told(training)}")
        disk = told["Disk"]
        show(f"disk      about {disk['NeededBytes'] / 1e6:.0f} MB, {disk['FreeBytes'] / 1e9:.1f} GB are free")
        _show_run(told["Run"])
    for run in told.get("Runs", []):
        dollars = run["Dollars"]
        show(f"a training of {run['TrainingHours']:g} hours")
        _show_run(run)
        show(
            f"cost      about ${dollars['Training']:.2f} training, ${dollars['Transitions']:.4f} transitions"
        )
    if prices := told.get("Prices"):
        show(f"hosting   about ${prices['InferenceUnitHour']:.2f} an hour and unit, until it is stopped")
        show(f"prices    us-east-1, remembered {prices['AsRememberedOn']}, not looked up: {prices['Pages']}")
        show(f"actions   {', '.join(told['IamActions'])}")


def _time_told(training: dict[str, Any]) -> str:
    if "Problem" in training:
        return str(training["Problem"])
    steps = f"{training['Courses']} x {training['Steps']} steps of {training['StepSeconds']:.3f} s"
    seconds = training["ExpectedSeconds"]
    most = f"{seconds} s, the budget" if training["BudgetSeconds"] else f"at most about {seconds} s"
    return f"{most}, on this machine: {steps} (without a backbone of the hub)"


def _show_run(run: dict[str, Any]) -> None:
    show(f"states    {len(run['States'])} on the way, {run['Transitions']} transitions")
    show(f"events    {run['Events']} of {EVENTS}, {run['PollEvents']} of them looking and waiting")
    show("calls     " + ", ".join(f"{name} x{count}" for name, count in run["Calls"].items()))
