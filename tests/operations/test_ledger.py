"""The ledger: every change of service is on record, in one transaction with it, and stays as written."""

import time
import uuid
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.operations.world import ACCOUNT, CALLER, REGION, World

from customlabels.operations import note_failures
from customlabels.wire import Caller, Invocation

RUN = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:pipeline:run-1"


def history(world: World, **params: Any) -> dict[str, Any]:
    return world.customlabels("ListServiceHistory", ProjectName="animals", **params)


def start(world: World, arn: str, run: str = "") -> None:
    """As an execution's task does, where `run` is given."""
    params = {"ProjectVersionArn": arn, "MinInferenceUnits": 1}
    asked = Invocation("rekognition", "StartProjectVersion", params, CALLER, str(uuid.uuid4()), None, run)
    world.dispatcher.call(asked)
    world.settle()


def stop(world: World, arn: str) -> None:
    world.rekognition("StopProjectVersion", ProjectVersionArn=arn)
    world.settle()


def second(world: World, arn: str) -> str:
    other = world.train(world.project_of(arn), "v2")
    world.settle()
    return other


def tampered(world: World, *statements: str) -> dict[str, Any]:
    """As somebody does who opens the file with another program."""
    with world.records.write() as tx:
        for name in ("update", "delete"):
            tx.execute(text(f"DROP TRIGGER ledger_no_{name}"))
        for statement in statements:
            tx.execute(text(statement))
    return history(world)


def test_who_served_when_by_which_run_and_on_which_figures(world: World) -> None:
    arn = world.trained()
    start(world, arn, RUN)
    between = time.time()
    stop(world, arn)

    told = history(world)

    ended, began = told["Entries"]
    assert (began["Action"], began["ProjectVersionArn"], began["ExecutionArn"]) == ("SERVING", arn, RUN)
    assert (began["F1Score"], len(began["SummarySha256"])) == (0.9, 64)
    assert began["Summary"].endswith("/EvaluationResultSummary-animals-v1.json")
    assert (ended["Action"], "ExecutionArn" in ended) == ("ENDED", False)
    assert (told["Serving"], told["Intact"]) == ([], True)
    assert history(world, At=between)["Serving"] == [arn]
    assert history(world, At=between)["Entries"] == [began]


def test_a_version_that_does_not_come_up_never_served(world: World) -> None:
    arn = world.trained()
    (world.home / "models").rename(world.home / "elsewhere")

    start(world, arn)

    assert world.version(arn)["Status"] == "FAILED"
    assert history(world)["Entries"] == []


def test_the_end_of_a_version_that_fails_is_on_record(world: World) -> None:
    arn = world.trained()
    start(world, arn)

    async def fail() -> None:
        note_failures(world.records)(arn, "no unit came up")

    world.loop.run(fail())
    world.until(lambda: world.version(arn)["Status"] == "FAILED")

    newest = history(world)["Entries"][0]
    assert (newest["Action"], newest["Reason"]) == ("ENDED", "no unit came up")


def test_a_version_is_put_into_service_against_a_verdict_with_the_reason_on_record(world: World) -> None:
    arn = world.trained()

    asked = {"Reason": "REJECTED overridden: a demo", "ExecutionArn": RUN}
    said = world.customlabels("PutIntoService", ProjectVersionArn=arn, **asked)
    world.settle()

    assert said == {"Status": "STARTING"}
    assert world.version(arn)["Status"] == "RUNNING"
    [entry] = history(world)["Entries"]
    assert (entry["Reason"], entry["ExecutionArn"]) == ("REJECTED overridden: a demo", RUN)
    asked_again = {"ProjectVersionArn": arn, "Reason": "again"}
    assert world.refusal("PutIntoService", "customlabels", **asked_again) == "ResourceInUseException"
    assert world.refusal("PutIntoService", "customlabels", ProjectVersionArn=arn) == "ValidationException"


def test_the_version_before_is_the_one_that_served_before_and_still_is_there(world: World) -> None:
    first = world.trained()
    start(world, first)
    assert "Before" not in history(world)
    other = second(world, first)
    start(world, other)
    stop(world, first)
    assert history(world)["Before"] == first

    world.rekognition("DeleteProjectVersion", ProjectVersionArn=first)

    assert "Before" not in history(world)
    assert {entry["ProjectVersionArn"] for entry in history(world)["Entries"]} == {first, other}


def test_the_history_comes_in_pages(world: World) -> None:
    arn = world.trained()
    for _ in range(2):
        start(world, arn)
        stop(world, arn)

    first = history(world, MaxResults=3)
    rest = history(world, MaxResults=3, NextToken=first["NextToken"])

    assert [entry["Number"] for entry in first["Entries"] + rest["Entries"]] == [4, 3, 2, 1]
    assert "NextToken" not in rest


def test_nobody_sees_anothers_history(world: World) -> None:
    start(world, world.trained())

    other = world.call(
        "customlabels", "ListServiceHistory", {"ProjectName": "animals"}, caller=Caller("9" * 12, REGION)
    )

    assert other["Entries"] == other["Serving"] == []


@pytest.mark.parametrize("statement", ["UPDATE ledger SET reason = 'x'", "DELETE FROM ledger"])
def test_the_database_itself_refuses_to_change_an_entry(world: World, statement: str) -> None:
    start(world, world.trained())

    with pytest.raises(DBAPIError, match="only added to"), world.records.write() as tx:
        tx.execute(text(statement))

    assert history(world)["Intact"]


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE ledger SET reason = 'x' WHERE number = 2", "entry 2 was changed"),
        ("UPDATE ledger SET at = at - 1 WHERE number = 1", "entry 1 was changed"),
        ("DELETE FROM ledger WHERE number = 1", "entry 1 is missing"),
        ("DELETE FROM ledger WHERE number = 2", "entry 2 is missing"),
        ("UPDATE ledger SET previous = digest WHERE number = 3", "entry 3 does not follow"),
    ],
)
def test_what_is_changed_behind_the_back_of_the_server_is_found(
    world: World, statement: str, problem: str
) -> None:
    arn = world.trained()
    for _ in range(2):
        start(world, arn)
        stop(world, arn)

    told = tampered(world, statement)

    assert told["Intact"] is False
    assert told["Problem"].startswith(problem)
