"""How a run of the pipeline was judged, as pages say it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from customlabels.console.site import Ask
from customlabels.errors import InvalidInput, ServiceError
from customlabels.pipeline import RunResult


@dataclass(frozen=True)
class Verdict:
    """A run's decision with the interval of its F1 score, where the model's evaluation is on this server."""

    result: RunResult
    low: float | None = None
    high: float | None = None


async def verdict_of(ask: Ask, run: Mapping[str, Any]) -> Verdict | None:
    """The verdict of a run as DescribeExecution tells it; None for one that has none, or is no pipeline's."""
    try:
        result = RunResult.from_output(run.get("output", ""))
    except InvalidInput:
        return None
    asked = {"ProjectVersionArn": result.project_version_arn}
    try:
        honest = (await ask("customlabels", "DescribeEvaluation", asked))["Honest"]
    except ServiceError:  # it has none, or is gone
        return Verdict(result)
    return Verdict(result, honest["F1Low"], honest["F1High"])


async def verdicts_of(ask: Ask, runs: Sequence[Mapping[str, Any]]) -> list[Verdict | None]:
    """The verdict of each run of a list."""

    async def one(run: Mapping[str, Any]) -> Verdict | None:
        if run["status"] != "SUCCEEDED":
            return None
        told = await ask("stepfunctions", "DescribeExecution", {"executionArn": run["executionArn"]})
        return await verdict_of(ask, told)

    return await asyncio.gather(*map(one, runs))
