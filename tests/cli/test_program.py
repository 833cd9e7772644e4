"""The command line by itself: what needs no server and no data."""

import subprocess
import sys
from pathlib import Path

import pytest

from customlabels import __version__
from customlabels.cli.durations import seconds_of
from customlabels.cli.exits import UsageError
from customlabels.cli.program import main

COMMANDS = (
    "run",
    "follow",
    "status",
    "stop",
    "redrive",
    "plan",
    "approve",
    "refuse",
    "detect",
    "check",
    "sample",
    "serve",
    "down",
    "bucket",
    "execution",
    "verify",
)


def typed(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of the program with these arguments."""
    monkeypatch.setattr(sys, "argv", ["customlabels", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("3m", 180), ("1.5h", 5400), (" 45 ", 45)])
def test_a_duration_is_a_number_with_a_unit(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-3", "0", "0s", "3d", "1h30m", "inf", "1e3"])
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match="90s, 3m or 1h"):
        seconds_of(text)


def test_help_names_every_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = typed("--help", monkeypatch=monkeypatch)

    shown = capsys.readouterr().out
    assert code == 0
    assert [command for command in COMMANDS if f"\n  {command} " not in shown] == []


def test_the_version_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("--version", monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out == f"customlabels {__version__}\n"


def test_every_command_explains_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in COMMANDS:
        assert typed(command, "--help", monkeypatch=monkeypatch) == 0
        assert f"Usage: customlabels {command}" in capsys.readouterr().out


def test_a_mistyped_command_is_answered_with_the_one_that_was_meant(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("detct", monkeypatch=monkeypatch) == 2
    assert "'detect'" in capsys.readouterr().err


def test_status_of_a_home_without_anything_says_how_to_begin_and_leaves_no_trace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("CUSTOMLABELS_HOME", str(tmp_path / "home"))

    assert typed("status", monkeypatch=monkeypatch) == 0
    assert "customlabels run --train DIR --test DIR" in capsys.readouterr().err
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--min-f1", "2"], ["--min-f1", "'2'", "from 0 to 1"]),
        (["--min-f1", "nan"], ["--min-f1", "'nan'", "from 0 to 1"]),
        (["--budget", "soon"], ["'soon'", "90s"]),
        (["--budget", "-3"], ["'-3'", "90s"]),
        (["--budget", "999h"], ["budget", "172800"]),
        (["--project", "a b"], ["'a b'", "letters"]),
        (["--name", "a/b"], ["a/b", "letters"]),
        (["--min-units", "3", "--max-units", "2"], ["2", "below"]),
        (["--train", "arn:aws:rekognition:us-east-1:1:project/p"], ["must be a dataset ARN"]),
        (["--trian", "x"], ["--trian", "--train"]),
    ],
    ids=lambda value: " ".join(value) if "--" in value[0] else "",
)
def test_options_that_cannot_be_meant_are_refused_before_the_data_is_read(
    options: list[str],
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("CUSTOMLABELS_HOME", str(tmp_path / "home"))

    code = typed("run", "--train", "not-read", "--test", "not-read", *options, monkeypatch=monkeypatch)

    refused = capsys.readouterr().err
    assert code == 2, refused
    assert [word for word in words if word not in refused] == []
    assert not (tmp_path / "home").exists()


def test_help_loads_nothing_heavy() -> None:
    heavy = "'numpy', 'botocore', 'sqlalchemy', 'torch', 'onnxruntime', 'rich'"
    look = f"import sys, customlabels.cli; print([name for name in ({heavy}) if name in sys.modules])"

    looked = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)

    assert looked.stdout == "[]\n"
