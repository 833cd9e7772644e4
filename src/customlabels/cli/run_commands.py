"""The arguments of run, follow, status, report, stop, redrive, approve and refuse; here or on AWS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from customlabels.cli import actions
from customlabels.cli.durations import seconds_of
from customlabels.cli.exits import UsageError
from customlabels.cli.options import Json, Run, amount, anywhere, flag, share, text
from customlabels.cli.places import Place

SRC, TIME = "SRC", "TIME"
TRAINING_IMAGES = "Training images: folders, manifest, COCO, YOLO, VOC, CSV, s3://, ARN."
BACKBONE = "Weights to start from: `backbone fetch` brought them, or a folder; none for random ones."


Detach = Annotated[bool, flag("--detach", "Return once the run is started.")]
Budget = Annotated[str, text("Training time, such as 90s or 10m.", TIME)]
Better = Annotated[bool, flag("--better-than-deployed", "Better than the version in service.")]
Approval = Annotated[bool, flag("--require-approval", "A person is asked before the start.")]
NoSmokeTest = Annotated[bool, flag("--no-smoke-test", "Take over without asking about a test image.")]


@anywhere
def run(
    train: Annotated[str, text(TRAINING_IMAGES, SRC)] = "",
    test: Annotated[str, text("Test images, in the same forms; on AWS ARNs.", SRC)] = "",
    min_f1: Annotated[float | None, share("Deploy only above this F1 score (default: 0.85).")] = None,
    f1_lower_bound: Annotated[float | None, share("... and its lower bound is above this.")] = None,
    min_label_f1: Annotated[float | None, share("Least F1 score of every label.")] = None,
    min_label_precision: Annotated[float | None, share("Least precision of every label.")] = None,
    min_label_recall: Annotated[float | None, share("Least recall of every label.")] = None,
    min_test_images: Annotated[int | None, amount("Least test images of every label.", "COUNT")] = None,
    forbid_leakage: Annotated[bool, flag("--forbid-leakage", "No test image in the training.")] = False,
    better_than_deployed: Better = False,
    deployed_margin: Annotated[float | None, share("... or worse by less than this F1 score.")] = None,
    max_latency_ms: Annotated[float | None, amount("Longest answer.", "MILLISECONDS")] = None,
    max_model_mb: Annotated[float | None, amount("Largest model.", "MEGABYTES")] = None,
    require_approval: Approval = False,
    approve_within: Annotated[str, text("How long they have, such as 8h (default: three days).", TIME)] = "",
    no_smoke_test: NoSmokeTest = False,
    project: Annotated[str, text("The project (default: from the data).")] = "",
    name: Annotated[str, text("The run's name (default: the time).")] = "",
    budget: Budget = "",
    seed: Annotated[int | None, amount("The same seed and data give the same model.")] = None,
    min_units: Annotated[int | None, amount("Processes that serve.", "COUNT", 1)] = None,
    max_units: Annotated[int | None, amount("Most processes, under load.", "COUNT")] = None,
    backbone: Annotated[str, text(BACKBONE, "auto|none|OWNER/NAME|FOLDER")] = "auto",
    leave_out: Annotated[bool, flag("--leave-out", "Train without unusable images.")] = False,
    detach: Detach = False,
    *,
    place: Place,
    as_json: Json = False,
) -> None:
    """Train, judge, and put into service if good enough."""
    rules: dict[str, Any] = {
        "f1_threshold": min_f1,
        "f1_lower_bound": f1_lower_bound,
        "min_label_f1": min_label_f1,
        "min_label_precision": min_label_precision,
        "min_label_recall": min_label_recall,
        "min_test_images_per_label": min_test_images,
        "forbid_leakage": forbid_leakage or None,
        "better_than_deployed": better_than_deployed or None,
        "deployed_margin": deployed_margin,
        "max_latency_milliseconds": max_latency_ms,
        "max_model_megabytes": max_model_mb,
        "require_approval": require_approval or None,
        "max_approval_seconds": int(seconds_of(approve_within)) if approve_within else None,
        "smoke_test": False if no_smoke_test else None,
        "min_inference_units": min_units,
        "max_inference_units": max_units or None,
    }
    request = actions.RunRequest(train, test, project, name, budget, seed, leave_out, backbone, rules)
    if place.is_home:
        raise typer.Exit(actions.run_pipeline(request, detach=detach, as_json=as_json))
    raise typer.Exit(actions.run_elsewhere(request, place, detach=detach, as_json=as_json))


def plan(
    sources: Annotated[list[str] | None, typer.Argument(help="Training data, then test data.")] = None,
    budget: Budget = "",
    aws: Annotated[bool, flag("--aws", "On AWS: calls, permissions, money.")] = False,
    as_json: Json = False,
) -> None:
    """What a run would do, take and cost, before anything starts."""
    raise typer.Exit(actions.plan_run(sources or [], budget, aws=aws, as_json=as_json))


@anywhere
def follow(name: Run, *, place: Place, as_json: Json = False) -> None:
    """Watch a run until it ends, or waits for a person."""
    raise typer.Exit(actions.follow_run(name, place, as_json=as_json))


@anywhere
def status(
    name: Annotated[str, typer.Argument(help="A run; all when left out.")] = "",
    *,
    place: Place,
    as_json: Json = False,
) -> None:
    """Runs and running models, newest first."""
    raise typer.Exit(actions.show_status(name, place, as_json=as_json))


@anywhere
def report(
    run: Annotated[str, typer.Argument(help="A run's name, or the ARN of an execution or a version.")],
    open_it: Annotated[bool, flag("--open", "Show it in the browser.")] = False,
    to: Annotated[Path | None, text("Where to write it (default: among the results).", "FILE")] = None,
    *,
    place: Place,
    as_json: Json = False,
) -> None:
    """Why a run was decided as it was: one HTML file with figures, curves and pictures."""
    raise typer.Exit(actions.show_report(run, place, to, open_it=open_it, as_json=as_json))


@anywhere
def stop(
    target: Annotated[str, typer.Argument(help="A run, a project, PROJECT/VERSION or an ARN.")],
    *,
    place: Place,
    as_json: Json = False,
) -> None:
    """Stop a run, or take a model out of service."""
    raise typer.Exit(actions.stop_target(target, place, as_json=as_json))


@anywhere
def redrive(name: Run, detach: Detach = False, *, place: Place, as_json: Json = False) -> None:
    """Go on with a run that failed, timed out or was stopped."""
    raise typer.Exit(actions.redrive_run(name, place, detach=detach, as_json=as_json))


@anywhere
def approve(
    name: Run,
    comment: Annotated[str, typer.Option(help="Kept with the decision.")] = "",
    override: Annotated[
        bool, flag("--override", "Against a verdict of REJECTED or UNDECIDED; here only.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Of --override: why; kept in the ledger.")] = "",
    *,
    place: Place,
    as_json: Json = False,
) -> None:
    """Let a run that waits for approval put its version into service; or one that the gate has ended."""
    if override or reason:
        if not place.is_home:
            raise UsageError("--override is for runs of this machine: there is no ledger on AWS")
        raise typer.Exit(actions.override_run(name, reason, override=override, as_json=as_json))
    raise typer.Exit(actions.answer_run(name, place, comment, approve=True, as_json=as_json))


@anywhere
def refuse(
    name: Run,
    reason: Annotated[str, typer.Option(help="Kept with the decision.")] = "",
    *,
    place: Place,
    as_json: Json = False,
) -> None:
    """End a run that waits for approval as REJECTED."""
    raise typer.Exit(actions.answer_run(name, place, reason, approve=False, as_json=as_json))
