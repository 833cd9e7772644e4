"""Shadow, canary and promotion, as calls of our own service."""

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select
from tests.operations.world import OUTPUT, World

from customlabels.inference import Found
from customlabels.operations import resume_shadows
from customlabels.serving import DetectionFailed, Shadow
from customlabels.storage import ObjectNotFound, schema

CURRENT = "runs/animals/current.json"


@dataclass
class Pair:
    """Two running versions of one project."""

    world: World
    older: str
    newer: str

    def call(self, operation: str, **params: Any) -> dict[str, Any]:
        return self.world.customlabels(operation, ProjectVersionArn=self.newer, **params)

    def listed(self) -> dict[str, Any]:
        newest: dict[str, Any] = self.world.customlabels("ListShadows")["Shadows"][0]
        return newest

    def shadow(self, live: str) -> Shadow:
        found = self.world.units.shadow(live)
        assert found is not None
        return found

    def ask(self, live: str, times: int, newer_says: str = "cat", *, fails: bool = False) -> None:
        """Calls of the live version; every answer of the older one is `cat`."""

        async def answer(version: str, _image: bytes, _wishes: Any) -> list[Found]:
            if version == self.newer and fails:
                raise DetectionFailed("it broke")
            return [Found(newer_says if version == self.newer else "cat", 90)]

        shadow = self.shadow(live)
        for number in range(times):
            self.world.loop.run(shadow.detect(answer, b"image %d" % number, {}))
            self.world.until(lambda: not shadow._asking)

    def current(self) -> dict[str, Any]:
        named: dict[str, Any] = json.loads(self.world.objects.read(OUTPUT, CURRENT))
        return named

    def status(self, arn: str) -> str:
        return str(self.world.version(arn)["Status"])


@pytest.fixture
def pair(world: World) -> Pair:
    older = world.trained()
    newer = world.train(world.project_of(older), "v2")
    world.settle()
    for arn in (older, newer):
        world.rekognition("StartProjectVersion", ProjectVersionArn=arn, MinInferenceUnits=1)
    world.settle()
    return Pair(world, older, newer)


def test_a_shadow_tells_what_it_saw_and_keeps_what_differs(pair: Pair) -> None:
    begun = pair.call("StartShadow", SampleShare=1.0, CompareAtLeast=3, MaxDisagreement=1.0)
    pair.ask(pair.older, 3, "dog")
    pair.world.until(lambda: len(pair.call("ListDisagreements")["Disagreements"]) == 3)

    listed, kept = pair.listed(), pair.call("ListDisagreements")["Disagreements"]

    assert begun["OlderVersionArn"] == pair.older
    assert (listed["Status"], listed["LiveVersionArn"]) == ("SHADOW", pair.older)
    assert (listed["Asked"], listed["Compared"], listed["Disagreed"]) == (3, 3, 3)
    assert listed["Rules"]["CompareAtLeast"] == 3
    assert kept[0]["Newer"] == [{"Name": "dog", "Confidence": 90}]
    assert kept[0]["Older"] == [{"Name": "cat", "Confidence": 90}]
    images = {pair.world.objects.read(OUTPUT, each["Image"]["Name"]) for each in kept}
    assert images == {b"image 0", b"image 1", b"image 2"}


def test_only_so_many_differences_are_kept_with_their_images(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("customlabels.operations.comparing.KEPT", 2)
    pair.call("StartShadow", SampleShare=1.0, CompareAtLeast=100, MaxDisagreement=1.0)

    pair.ask(pair.older, 6, "dog")

    def kept() -> set[str]:
        return {each["Image"]["Name"] for each in pair.call("ListDisagreements")["Disagreements"]}

    def stored() -> set[str]:
        return {info.key for info in pair.world.objects.list(OUTPUT) if "disagreements" in info.key}

    def images() -> set[bytes]:
        found = set()
        for key in kept():
            with suppress(ObjectNotFound):  # it has gone meanwhile
                found.add(pair.world.objects.read(OUTPUT, key))
        return found

    pair.world.until(lambda: kept() == stored() and len(stored()) == 2 and b"image 5" in images())


def test_too_many_differences_end_the_comparison_and_nothing_changes_for_clients(pair: Pair) -> None:
    pair.call("StartShadow", SampleShare=1.0, CompareAtLeast=2, AutoPromote=True)
    pair.ask(pair.older, 2, "dog")
    pair.world.until(lambda: pair.listed()["Status"] == "ROLLED_BACK")

    assert "2 of 2 answers differ" in pair.listed()["Reason"]
    assert pair.listed()["EndTimestamp"] >= pair.listed()["StartTimestamp"]
    pair.world.until(lambda: pair.world.units.shadow(pair.older) is None)
    assert pair.status(pair.older) == "RUNNING"


def test_a_version_that_keeps_the_rules_is_promoted_watched_and_then_replaces_the_older_one(
    pair: Pair,
) -> None:
    pair.call("StartShadow", SampleShare=1.0, CompareAtLeast=2, MaxTimesSlower=1000.0, AutoPromote=True)
    pair.ask(pair.older, 2)
    pair.world.until(lambda: pair.world.units.shadow(pair.newer) is not None)

    assert pair.listed()["Status"] == "WATCHING"
    assert pair.current()["ProjectVersionArn"] == pair.newer
    assert pair.current()["Replaces"] == pair.older
    assert pair.status(pair.older) == "RUNNING"

    pair.ask(pair.newer, 2)
    pair.world.until(lambda: pair.status(pair.older) == "STOPPED")

    assert pair.listed()["Status"] == "PROMOTED"
    assert (pair.older, True) in pair.world.units.stops  # gently: the newer one serves


def test_a_promotion_on_request_is_taken_back_where_the_newer_version_fails(pair: Pair) -> None:
    pair.call("PromoteVersion")
    assert pair.current()["ProjectVersionArn"] == pair.newer

    pair.ask(pair.newer, 3, fails=True)
    pair.world.until(lambda: pair.status(pair.newer) == "STOPPED")

    assert pair.listed()["Status"] == "ROLLED_BACK"
    assert "3 of 3 calls failed" in pair.listed()["Reason"]
    pair.world.until(lambda: pair.current()["ProjectVersionArn"] == pair.older)
    assert pair.status(pair.older) == "RUNNING"
    told = pair.world.customlabels("ListServiceHistory", ProjectName="animals")["Entries"]
    turns = [(each["ProjectVersionArn"], each["Reason"]) for each in told if "Reason" in each]
    assert (pair.newer, "promoted on request") in turns
    assert any(arn == pair.older and "3 of 3 calls failed" in reason for arn, reason in turns)


def test_a_shadow_can_be_promoted_by_a_person(pair: Pair) -> None:
    pair.call("StartShadow")
    pair.call("PromoteVersion")

    assert pair.listed()["Status"] == "WATCHING"
    assert pair.shadow(pair.newer).pair.live == pair.newer
    assert pair.world.units.shadow(pair.older) is None


def test_the_next_server_goes_on_comparing_and_names_the_promoted_version_again(pair: Pair) -> None:
    pair.call("PromoteVersion")
    pair.world.objects.delete(OUTPUT, CURRENT)  # as if the power had failed before it was written
    pair.world.units.shadows.clear()

    resume_shadows(pair.world.parts)

    assert pair.shadow(pair.newer).pair.older == pair.older
    assert pair.current()["ProjectVersionArn"] == pair.newer


def test_an_ended_comparison_is_over(pair: Pair) -> None:
    pair.call("StartShadow")
    pair.call("EndShadow")

    assert pair.listed()["Status"] == "ENDED"
    assert pair.world.units.shadows == {}
    assert pair.world.refusal("EndShadow", "customlabels", ProjectVersionArn=pair.newer) == (
        "ResourceNotFoundException"
    )


def test_there_is_one_comparison_of_a_project_and_only_of_versions_that_run(pair: Pair) -> None:
    def refused(operation: str, arn: str) -> str:
        return pair.world.refusal(operation, "customlabels", ProjectVersionArn=arn)

    pair.call("StartShadow")
    assert refused("StartShadow", pair.newer) == "ResourceInUseException"
    pair.call("EndShadow")
    pair.world.rekognition("StopProjectVersion", ProjectVersionArn=pair.older)
    pair.world.settle()

    assert refused("StartShadow", pair.older) == "ResourceInUseException"
    assert refused("PromoteVersion", pair.older) == "ResourceInUseException"
    assert refused("StartShadow", pair.newer) == "ResourceInUseException"  # there is nothing to compare with
    for operation in ("StartShadow", "PromoteVersion", "EndShadow", "ListDisagreements", "PutServingOptions"):
        assert refused(operation, pair.newer + "1") == "ResourceNotFoundException"


def test_what_a_version_does_when_nobody_asks_is_said_before_its_start(world: World) -> None:
    arn = world.trained()
    world.customlabels("PutServingOptions", ProjectVersionArn=arn, IdleStopSeconds=1800.0, Wake=True)
    world.rekognition("StartProjectVersion", ProjectVersionArn=arn, MinInferenceUnits=1, MaxInferenceUnits=2)
    world.settle()

    _folder, terms = world.units.up[arn]

    assert (terms.units, terms.max_units, terms.idle_seconds, terms.wake) == (1, 2, 1800.0, True)


def test_an_idle_version_is_stopped_like_by_a_request(world: World) -> None:
    from customlabels.operations import stop_idle

    arn = world.trained()
    world.rekognition("StartProjectVersion", ProjectVersionArn=arn, MinInferenceUnits=1)
    world.settle()

    async def idle() -> None:
        for _ in range(3):
            stop_idle(world.records, world.jobs)(arn)

    world.loop.run(idle())
    world.until(lambda: world.version(arn)["Status"] == "STOPPED")
    time.sleep(0.1)

    jobs = select(schema.jobs.c.id).where(schema.jobs.c.kind == "stop")
    with world.records.read() as reading:
        assert len(reading.execute(jobs).all()) == 1
    assert world.units.stops == [(arn, False)]  # at once: no other version takes its place
