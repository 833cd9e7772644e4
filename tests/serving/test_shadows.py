"""A newer version beside the one in service: what its figures say, and what callers see meanwhile."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.inference.tiny_model import fragile_graph, graph, write_model
from tests.serving.living import BLUE, RED, play, until

from customlabels.inference import Found
from customlabels.serving import (
    PROMOTE,
    ROLL_BACK,
    Counts,
    DetectionFailed,
    NotServing,
    Overloaded,
    Pair,
    Rules,
    Shadow,
    Supervisor,
)
from customlabels.serving.shadows import differ, verdict

RULES = Rules(sample=1.0, compared=10)
ANY_PACE = 1e6  # what else the machine does is no matter
GOOD = Counts(asked=10, compared=10, newer_seconds=1.0, older_seconds=1.0)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (GOOD, PROMOTE),
        (replace(GOOD, compared=9), None),
        (replace(GOOD, disagreed=1), PROMOTE),  # a tenth may differ
        (replace(GOOD, disagreed=2), ROLL_BACK),
        (replace(GOOD, newer_seconds=2.0), PROMOTE),
        (replace(GOOD, newer_seconds=2.1), ROLL_BACK),
        (Counts(asked=10, failed=2), None),  # two may be chance
        (Counts(asked=10, failed=3), ROLL_BACK),  # at once, before anything was compared
        (Counts(asked=1000, failed=3), None),  # within one per cent
    ],
)
def test_the_figures_decide(counts: Counts, said: str | None) -> None:
    told = verdict(counts, RULES)

    assert (told and told[0]) == said


BOX = (0.1, 0.1, 0.2, 0.2)


@pytest.mark.parametrize(
    ("ours", "theirs", "differs"),
    [
        ([], [], False),
        ([Found("a", 90)], [Found("a", 60)], False),  # confidence alone is no other answer
        ([Found("a", 90)], [], True),
        ([Found("a", 90), Found("b", 80)], [Found("b", 90), Found("a", 80)], True),
        ([Found("a", 90, BOX)], [Found("a", 90, (0.12, 0.1, 0.2, 0.2))], False),
        ([Found("a", 90, BOX)], [Found("a", 90, (0.3, 0.1, 0.2, 0.2))], True),
        ([Found("a", 90, BOX)] * 2, [Found("a", 90, BOX), Found("a", 80, (0.6, 0.6, 0.2, 0.2))], True),
    ],
)
def test_answers_differ_where_a_caller_would_act_differently(
    ours: list[Found], theirs: list[Found], differs: bool
) -> None:
    assert differ(ours, theirs) is differs
    assert differ(theirs, ours) is differs


def swapped(folder: Path) -> Path:
    """A model that takes red for green and green for red."""
    model = graph(16)
    weights = next(each for each in model.graph.initializer if each.name == "weights")
    weights.raw_data = b"".join(weights.raw_data[at : at + 12] for at in (12, 0, 24))
    return write_model(folder, model=model)


class Told:
    """What a shadow hands out."""

    def __init__(self, live: str, rules: Rules, chance: float = 0.5) -> None:
        self.differences: list[tuple[bytes, str, str]] = []
        self.verdicts: list[str] = []
        self.shadow = Shadow(
            Pair("old", "new", live),
            rules,
            lambda image, new, old: self.differences.append((image, new[0].name, old[0].name)),
            lambda what, _why: self.verdicts.append(what),
            chance=lambda: chance,
        )


def test_a_silent_challenger_changes_no_answer_and_its_differences_are_handed_out(
    model: Path, tmp_path: Path
) -> None:
    told = Told("old", Rules(sample=1.0, compared=4, disagreement=0.6, slower=ANY_PACE))

    async def story(supervisor: Supervisor) -> None:
        await asyncio.gather(supervisor.start("old", model), supervisor.start("new", swapped(tmp_path)))
        supervisor.watch(told.shadow)

        for image, name in [(RED, "red"), (BLUE, "blue")] * 2:
            assert (await supervisor.detect("old", image))[0].name == name
            await until(lambda: not told.shadow._asking)

        counts = told.shadow.counts
        assert (counts.asked, counts.compared, counts.disagreed, counts.failed) == (4, 4, 2, 0)
        assert told.differences == [(RED, "green", "red")] * 2
        assert told.verdicts == []  # it keeps the rules, but nobody asked for a promotion

    play(story)


def test_a_canary_that_fails_is_rolled_back_and_no_caller_notices(model: Path, tmp_path: Path) -> None:
    told = Told("old", Rules(sample=0.0, answering=1.0))

    async def story(supervisor: Supervisor) -> None:
        fragile = write_model(tmp_path, model=fragile_graph(16))
        await asyncio.gather(supervisor.start("old", model), supervisor.start("new", fragile))
        supervisor.watch(told.shadow)

        answers = [await supervisor.detect("old", RED) for _ in range(4)]

        assert [found[0].name for found in answers] == ["red"] * 4
        assert told.verdicts == [ROLL_BACK]
        assert told.shadow.counts.failed == 3  # the fourth was no longer put to it

    play(story)


async def _scripted(version: str, _image: bytes, _wishes: Any) -> list[Found]:
    if version == "new":
        raise DetectionFailed("no usable scores")
    return [Found("a", 90)]


def test_after_a_promotion_the_older_one_stands_in_until_it_is_taken_back() -> None:
    told = Told("new", Rules(sample=0.0))

    async def story() -> None:
        for _ in range(3):
            assert (await told.shadow.detect(_scripted, b"", {}))[0].name == "a"

    asyncio.run(story())
    assert told.verdicts == [ROLL_BACK]


@pytest.mark.parametrize("refusal", [Overloaded("full"), NotServing("stopped")])
def test_what_the_version_in_service_refuses_stays_refused(refusal: Exception) -> None:
    told = Told("old", RULES)

    async def refuse(_version: str, _image: bytes, _wishes: Any) -> list[Found]:
        raise refusal

    with pytest.raises(type(refusal)):
        asyncio.run(told.shadow.detect(refuse, b"", {}))
    assert told.shadow.counts == Counts()


def test_a_challenger_is_never_asked_more_than_a_few_things_at_once() -> None:
    told, waiting = Told("old", RULES), asyncio.Event()

    async def ask(version: str, _image: bytes, _wishes: Any) -> list[Found]:
        if version == "new":
            await waiting.wait()
        return [Found("a", 90)]

    async def story() -> None:
        for _ in range(20):
            await told.shadow.detect(ask, b"", {})
            await asyncio.sleep(0)
        assert told.shadow.counts.left_out == 16
        waiting.set()
        await until(lambda: told.shadow.counts.compared == 4)

    asyncio.run(story())


def test_the_promotion_by_rule_is_told_once() -> None:
    told = Told("old", replace(RULES, promote=True, slower=ANY_PACE))

    async def ask(_version: str, _image: bytes, _wishes: Any) -> list[Found]:
        await asyncio.sleep(0.001)
        return [Found("a", 90)]

    async def story() -> None:
        for _ in range(20):
            await told.shadow.detect(ask, b"", {})
            await until(lambda: not told.shadow._asking)

    asyncio.run(story())
    assert told.verdicts == [PROMOTE]
