"""`plan`: what a run would do, before anything starts; no server, no account."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.journeys.stage import draw

from customlabels.cli.program import main

Typed = Callable[..., tuple[int, str]]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Typed:
    """Runs `plan` in an empty home; returns its exit code and stdout."""
    monkeypatch.setenv("CUSTOMLABELS_HOME", str(tmp_path / "home"))

    def run(*arguments: str | Path) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["customlabels", "plan", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not (tmp_path / "home").exists()
        return int(ended.value.code or 0), capsys.readouterr().out

    return run


def test_on_aws_it_counts_and_says_how_old_its_prices_are(typed: Typed) -> None:
    code, plain = typed("--aws")
    _, text = typed("--aws", "--json")
    told = json.loads(text)

    assert code == 0
    assert "not looked up" in plain
    short, long = told["Runs"]
    assert (short["TrainingHours"], long["TrainingHours"]) == (0.5, 24)
    assert long["Events"] < 25_000
    assert long["Dollars"]["Training"] == 24 * told["Prices"]["TrainingHour"]
    assert told["Prices"]["AsRememberedOn"] in plain
    assert "rekognition:CreateProjectVersion" in told["IamActions"]


def test_here_it_times_the_training_and_measures_the_disk(typed: Typed, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    train, test = draw(tmp_path / "train", 12), draw(tmp_path / "test", 6)

    code, text = typed(train, test, "--json")
    told = json.loads(text)

    assert code == 0
    assert [(one["Images"], one["Labels"]) for one in told["Data"]["Sources"]] == [(36, 3), (18, 3)]
    assert told["Training"]["Kind"] == "single-label"
    assert (told["Training"]["Courses"], told["Training"]["Steps"]) == (4, 450)
    assert told["Training"]["ExpectedSeconds"] > 4 * 450 * told["Training"]["StepSeconds"]
    assert told["Disk"]["FreeBytes"] > told["Disk"]["NeededBytes"] > 0
    assert told["Run"]["Calls"]["rekognition:CreateDataset"] == 2


def test_a_budget_decides_in_how_many_courses_a_small_set_is_learned(typed: Typed, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    train, test = draw(tmp_path / "train", 60), draw(tmp_path / "test", 6)

    _, text = typed(train, test, "--budget", "5", "--json")
    _, plain = typed(train, test, "--budget", "5")
    training = json.loads(text)["Training"]

    assert (training["ExpectedSeconds"], training["Courses"]) == (5, 1)
    assert training["Steps"] > 0
    assert "5 s, the budget, on this machine: 1 x" in plain


def test_data_that_cannot_be_trained_on_has_no_plan(typed: Typed, tmp_path: Path) -> None:
    code, text = typed(draw(tmp_path / "train", 2, ("red",)), draw(tmp_path / "test", 2, ("blue",)))

    assert (code, "errors" in text, "training" in text.replace("train", "", 1)) == (5, True, False)


def test_nothing_to_plan_is_said(typed: Typed) -> None:
    assert typed()[0] == 2
