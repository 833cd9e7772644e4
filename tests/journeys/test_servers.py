"""Servers: one to a home, on a free port, behind keys off this machine, gone when nothing is open."""

import os
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.journeys.stage import Home, ended, home_in, lines_until, processes_of, until

from customlabels.storage import Records

KEYS = '{"AKIDJOURNEY": {"secret": "open sesame", "account": "111122223333"}}'


@pytest.fixture
def short_lived(tmp_path: Path) -> Iterator[Home]:
    """A home whose detached server ends after a second without work."""
    with home_in(tmp_path, CUSTOMLABELS_IDLE_SECONDS="1") as home:
        yield home


def test_a_second_server_of_a_home_is_refused_and_told_where_the_first_is(
    home: Home, foreground: "subprocess.Popen[str]"
) -> None:
    second = home.typed("serve")

    assert second.code == 1
    assert f"served already at {home.server.url} (process {foreground.pid})" in second.err
    assert "customlabels down" in second.err
    assert home.typed("bucket", "list").code == 0


def test_down_ends_a_server_in_the_foreground_too(home: Home, foreground: "subprocess.Popen[str]") -> None:
    down = home.typed("down")

    assert (down.code, home.path.joinpath("server.lock").read_text()) == (0, "")
    assert foreground.wait(timeout=10) == 0


def test_a_taken_port_is_named_and_another_way_told(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        refused = home.typed("serve", "--port", port)

    assert refused.code == 1
    assert f"127.0.0.1:{port}: Address already in use" in refused.err
    assert "--port 0" in refused.err
    assert "Traceback" not in refused.err


def test_a_detached_server_takes_a_free_port_when_the_usual_one_is_taken(tmp_path: Path) -> None:
    with home_in(tmp_path, CUSTOMLABELS_PORT="") as home, taken_or_busy(4577):
        listed = home.typed("bucket", "list")

        assert listed.code == 0, listed.err
        assert not home.server.url.endswith(":4577")


def taken_or_busy(port: int) -> socket.socket:
    """Hold the usual port, unless something else on this machine does already."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return socket.socket()


def test_a_home_of_a_newer_version_is_refused_and_left_as_it_is(home: Home) -> None:
    Records.open(f"sqlite:///{home.path / 'records.db'}").close()
    database = sqlite3.connect(home.path / "records.db")
    database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.commit()
    database.close()

    refused = home.typed("bucket", "list")
    in_front = home.typed("serve")

    for said in (refused, in_front):
        assert "9999" in said.err
        assert "install that version, or use another CUSTOMLABELS_HOME" in said.err
        assert "Traceback" not in said.err
    assert (refused.code, in_front.code) == (7, 1)


def test_off_loopback_a_server_without_keys_does_not_start(home: Home) -> None:
    refused = home.typed("serve", "--host", "0.0.0.0")

    assert refused.code == 2
    assert "access-keys.json" in refused.err
    assert not home.path.exists()


def test_with_access_keys_only_their_holders_are_answered(home: Home) -> None:
    home.path.mkdir()
    (home.path / "access-keys.json").write_text(KEYS)
    server = home.started("serve", "--host", "0.0.0.0")
    lines_until(server, "customlabels serves http")

    listed = home.typed("bucket", "list", "--json")
    holder = home.client("rekognition", key="AKIDJOURNEY", secret="open sesame")
    project = holder.create_project(ProjectName="mine")["ProjectArn"]
    for key, secret in (("AKIDJOURNEY", "open sesam"), ("AKIDOTHER", "open sesame")):
        stranger = home.client("rekognition", key=key, secret=secret)
        with pytest.raises(ClientError, match=r"InvalidSignature|UnrecognizedClient"):
            stranger.describe_projects()
        stranger.close()
    holder.close()
    (home.path / "access-keys.json").write_text(KEYS.replace("open sesame", "forgotten"))
    with_a_wrong_secret = home.typed("bucket", "list")
    (home.path / "access-keys.json").write_text(KEYS)
    home.typed("down")

    assert listed.code == 0, listed.err
    assert project.startswith("arn:aws:rekognition:us-east-1:111122223333:project/mine/")
    assert (with_a_wrong_secret.code, "InvalidSignatureException" in with_a_wrong_secret.err) == (7, True)
    assert ended(server).code == 0


def test_a_detached_server_ends_by_itself_when_nothing_is_open(short_lived: Home) -> None:
    listed = short_lived.typed("bucket", "list")

    assert "server started at http" in listed.err
    assert until(lambda: not processes_of(short_lived), seconds=30)
    assert short_lived.typed("down").err.startswith("no server runs")


def test_a_killed_server_is_not_mistaken_for_a_running_one(home: Home, tmp_path: Path) -> None:
    home.typed("bucket", "add", "photos", tmp_path)
    os.kill(home.server.pid, signal.SIGKILL)
    assert until(lambda: not processes_of(home), seconds=10)

    listed = home.typed("bucket", "list", "--json")

    assert listed.code == 0, listed.err
    assert [one["Name"] for one in listed.json["Buckets"]] == ["photos"]


def test_two_commands_at_once_share_the_server_that_one_of_them_starts(home: Home) -> None:
    both = [home.started("bucket", "list") for _ in range(2)]

    assert [ended(each).code for each in both] == [0, 0]
    # The one that came second is told so by the lock, and ends.
    assert until(
        lambda: len([line for line in processes_of(home).values() if "customlabels.app" in line]) == 1,
        seconds=10,
    )


def test_the_machine_s_aws_configuration_does_not_matter(tmp_path: Path) -> None:
    elsewhere = {
        "AWS_PROFILE": "gone",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    }
    with home_in(tmp_path, **elsewhere) as home:
        listed = home.typed("bucket", "list")

        assert listed.code == 0, listed.err
