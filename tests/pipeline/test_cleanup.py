"""The definition that deletes a project, executed by the engine against a service in memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.pipeline.driver import CallRefused, Ending, run
from tests.pipeline.fake_aws import BASE, FakeAws
from tests.pipeline.test_scenarios import states_of

from customlabels import asl
from customlabels.drawing import workflow_svg
from customlabels.pipeline import cleanup_definition

DEFINITION = cleanup_definition()
MACHINE = asl.parse(DEFINITION)
INPUT = {"ProjectName": "demo", "Confirmation": "demo", "PollSeconds": 10, "MaxSeconds": 60}
IN_USE = CallRefused("Rekognition.ResourceInUseException", "in use")
GONE = CallRefused("Rekognition.ResourceNotFoundException", "gone", heard=True)


class Doomed(FakeAws):
    """An account whose project can be deleted: pages of two versions, deletions that take a look or two.

    lingers: looks at the project until it is gone
    """

    lingers = 1
    stops_into = "STOPPED"

    def describe_project_versions(self, params: dict[str, Any]) -> dict[str, Any]:
        answer = super().describe_project_versions(params)
        self.versions = [one for one in self.versions if one.status != "GONE"]
        shown = [one for one in answer["ProjectVersionDescriptions"] if one["Status"] != "GONE"]
        first = int(params.get("NextToken", 0))
        more = (
            {"NextToken": str(first + 2)} if "VersionNames" not in params and len(shown) > first + 2 else {}
        )
        page = shown if "VersionNames" in params else shown[first : first + 2]
        return {"ProjectVersionDescriptions": page} | more

    def stop_project_version(self, params: dict[str, Any]) -> dict[str, Any]:
        version = self.version(params["ProjectVersionArn"])
        if version.status != "RUNNING":
            raise IN_USE
        version.status, version.next = "STOPPING", [self.stops_into]
        return {"Status": "STOPPING"}

    def delete_project_version(self, params: dict[str, Any]) -> dict[str, Any]:
        version = self.version(params["ProjectVersionArn"])
        version.status, version.next = "DELETING", ["DELETING", "GONE"]
        return {"Status": "DELETING"}

    def delete_project(self, params: dict[str, Any]) -> dict[str, Any]:
        if self.versions or any(at_rest[0] == "CREATE_COMPLETE" for at_rest in self.datasets.values()):
            raise IN_USE
        self.patches["describe_projects"] = self._fading
        return {"Status": "DELETING"}

    def _fading(self, params: dict[str, Any]) -> dict[str, Any]:
        self.lingers -= 1
        answer = super().describe_projects(params)
        return answer if self.lingers >= 0 else {"ProjectDescriptions": []}


def full() -> Doomed:
    """Five versions at rest, in service and in between; both datasets."""
    aws = Doomed()
    for name, status in (("a", "TRAINING_FAILED"), ("b", "STOPPED"), ("c", "RUNNING"), ("d", "FAILED")):
        aws.with_version(name, status)
    aws.with_version("e", "STARTING", next=["STARTING", "RUNNING"]).with_datasets()
    return aws


def only(status: str, *then: str, **about: Any) -> Callable[[], Doomed]:
    """One version, in that status; later looks find `then`."""

    def made() -> Doomed:
        aws = Doomed()
        aws.with_version("v", status, next=list(then))
        for name, value in about.items():
            setattr(aws, name, value)
        return aws

    return made


def busy_on_the_second_page() -> Doomed:
    """The newest three are at rest, the oldest is in training."""
    aws = Doomed()
    aws.with_version("old", "TRAINING_IN_PROGRESS")
    for name in ("a", "b", "c"):
        aws.with_version(name, "STOPPED")
    return aws


def changed(aws: Doomed, **about: Any) -> Doomed:
    """The account with other attributes."""
    for name, value in about.items():
        setattr(aws, name, value)
    return aws


SCENARIOS: dict[str, tuple[str, Callable[[], Doomed], dict[str, Any], dict[str, Any]]] = {
    # ending (an error's name, or "found: ..."), what is there, what is asked, what calls are answered with
    "everything": ("found: True", full, {}, {}),
    "nothing": ("found: False", Doomed, {}, {}),
    "no confirmation": ("NotConfirmed", full, {"Confirmation": ""}, {}),
    "another name": ("NotConfirmed", full, {"Confirmation": "Demo"}, {}),
    "in training": ("ProjectBusy", busy_on_the_second_page, {}, {}),
    "being copied": ("ProjectBusy", only("COPYING_IN_PROGRESS"), {}, {}),
    "training begins meanwhile": ("VersionInTheWay", only("STOPPED", "TRAINING_IN_PROGRESS"), {}, {}),
    "never stops": ("VersionTimeout", only("RUNNING", stops_into="STOPPING"), {}, {}),
    "stopped by another": ("found: True", only("RUNNING"), {}, {"Stop version": [IN_USE]}),
    "deleted by another": ("found: True", only("STOPPED"), {}, {"Delete version": [IN_USE]}),
    "version gone": ("found: True", only("STOPPED", "GONE"), {}, {}),
    "dataset gone": ("found: True", full, {}, {"Delete dataset": [GONE]}),
    "dataset stays": ("DatasetTimeout", lambda: changed(full(), deleting=20), {}, {}),
    "project gone": ("found: True", full, {}, {"Delete project": [GONE]}),
    "project stays": ("ProjectTimeout", lambda: changed(full(), lingers=20), {}, {}),
}


@cache
def played(name: str) -> tuple[Ending, Doomed]:
    """How a scenario ended, and the account afterwards."""
    _, aws_of, asked, refusals = SCENARIOS[name]
    aws = aws_of()
    return run(MACHINE, aws, INPUT | asked, refusals), aws


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_ends_as_expected(name: str) -> None:
    ending, _ = played(name)

    assert (ending.error or f"found: {ending.output['Found']}") == SCENARIOS[name][0], ending.cause


@pytest.mark.parametrize("name", ["no confirmation", "another name"])
def test_without_the_name_again_nothing_is_even_looked_at(name: str) -> None:
    _, aws = played(name)

    assert aws.calls == []


def test_with_a_training_on_any_page_nothing_is_deleted() -> None:
    _, aws = played("in training")

    assert {operation for operation, _ in aws.calls} == {"describeProjects", "describeProjectVersions"}
    assert sorted(version.name for version in aws.versions) == ["a", "b", "c", "old"]


def test_everything_goes_in_the_order_that_the_service_demands() -> None:
    _, aws = played("everything")
    order = [operation for operation, _ in aws.calls if operation.startswith(("stop", "delete"))]

    assert (aws.versions, aws.datasets) == ([], {})
    assert order.count("stopProjectVersion") == 2
    assert order.count("deleteProjectVersion") == 5
    assert order[-3:] == ["deleteDataset", "deleteDataset", "deleteProject"]


def test_it_deletes_the_project_that_was_named() -> None:
    _, aws = played("everything")
    [(_, last)] = [call for call in aws.calls if call[0] == "deleteProject"]

    assert last == {"ProjectArn": f"{BASE}demo/1"}


def test_the_scenarios_pass_every_state_and_every_way_out_of_a_choice() -> None:
    endings = [played(name)[0] for name in SCENARIOS]
    states = dict(states_of(DEFINITION))
    ways = {
        (name, target)
        for name, state in states.items()
        if state["Type"] == "Choice"
        for target in [*(rule["Next"] for rule in state["Choices"]), state["Default"]]
    }

    assert set(states) - {state for ending in endings for state in ending.states} == set()
    assert ways - {way for ending in endings for way in ending.ways} == set()


def test_the_committed_picture_is_what_the_definition_draws() -> None:
    root = Path(__file__).parents[2]
    written = yaml.safe_load((root / "statemachine" / "cleanup.yaml").read_text(encoding="utf-8"))

    assert (root / "docs" / "cleanup.svg").read_text(encoding="utf-8") == workflow_svg(written)
