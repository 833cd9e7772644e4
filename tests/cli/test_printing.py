"""What is printed: long work is named while it goes on, short work is not."""

import time

import pytest

from customlabels.cli.printing import said_if_long


def test_work_is_named_once_it_takes_long(capsys: pytest.CaptureFixture[str]) -> None:
    with said_if_long("looking at each image", seconds=30.0):
        pass
    assert capsys.readouterr().err == ""

    with said_if_long("looking at each image", seconds=0.01):
        told, until = "", time.monotonic() + 10
        while not told and time.monotonic() < until:
            told = capsys.readouterr().err
    assert told == "looking at each image\n"
