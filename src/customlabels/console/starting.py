"""The start page: runs and models, newest first, and what can be done with them."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from customlabels.console.guarding import form_of
from customlabels.console.site import Ask, Site, every
from customlabels.console.verdicts import verdicts_of

RUNS_SHOWN, MODELS_SHOWN = 25, 25
PASSING = ("TRAINING_IN_PROGRESS", "STARTING", "STOPPING", "COPYING_IN_PROGRESS", "DELETING")


async def start_page(site: Site, request: Request) -> Response:
    """`/`."""
    ask = site.ask(request)
    runs, models, units = await asyncio.gather(_newest_runs(ask), _newest_models(ask), _units(ask))
    verdicts = await verdicts_of(ask, runs)
    changing = any(run["status"] == "RUNNING" for run in runs)
    changing |= any(model["Status"] in PASSING for model in models) or bool(units)
    return site.page(
        request,
        "start.html",
        runs=list(zip(runs, verdicts, strict=True)),
        models=models,
        units=units,
        live=changing,
    )


async def projects_page(site: Site, request: Request) -> Response:
    """`/datasets`: every project with its datasets."""
    ask = site.ask(request)
    projects = await every(ask, "rekognition", "DescribeProjects", "ProjectDescriptions")
    found = []
    for project in projects:
        described = []
        for dataset in project.get("Datasets", []):
            told = await ask("rekognition", "DescribeDataset", {"DatasetArn": dataset["DatasetArn"]})
            described.append(dataset | told["DatasetDescription"])
        found.append((project, described))
    return site.page(request, "projects.html", projects=found)


async def change_model(site: Site, request: Request) -> Response:
    """Start a version, or take it out of service."""
    ask, form = site.ask(request), form_of(request)
    asked: dict[str, Any] = {"ProjectVersionArn": form.get("model", "")}
    if form.get("do") == "start":
        await ask("rekognition", "StartProjectVersion", asked | {"MinInferenceUnits": 1})
    else:
        await ask("rekognition", "StopProjectVersion", asked)
    return RedirectResponse(request.headers.get("referer", "/"), 303)


async def _newest_runs(ask: Ask) -> list[dict[str, Any]]:
    """Runs of all state machines, newest first."""
    machines = await every(ask, "stepfunctions", "ListStateMachines", "stateMachines")
    wanted = [
        {"stateMachineArn": machine["stateMachineArn"], "maxResults": RUNS_SHOWN}
        for machine in machines
        if machine["type"] == "STANDARD"
    ]
    lists = await asyncio.gather(*(ask("stepfunctions", "ListExecutions", each) for each in wanted))
    return _newest(lists, "executions", "startDate")[:RUNS_SHOWN]


async def _newest_models(ask: Ask) -> list[dict[str, Any]]:
    """Versions of all projects, newest first."""
    projects = await every(ask, "rekognition", "DescribeProjects", "ProjectDescriptions")
    wanted = [{"ProjectArn": project["ProjectArn"], "MaxResults": MODELS_SHOWN} for project in projects]
    lists = await asyncio.gather(*(ask("rekognition", "DescribeProjectVersions", each) for each in wanted))
    return _newest(lists, "ProjectVersionDescriptions", "CreationTimestamp")[:MODELS_SHOWN]


def _newest(lists: list[dict[str, Any]], member: str, time: str) -> list[dict[str, Any]]:
    return sorted((one for each in lists for one in each[member]), key=lambda one: -float(one[time]))


async def _units(ask: Ask) -> dict[str, dict[str, Any]]:
    """What serves, by the version's ARN."""
    told = await ask("customlabels", "ListUnits", {})
    return {version["ProjectVersionArn"]: version for version in told["Versions"]}
