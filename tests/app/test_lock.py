"""One server to a home: the kernel's lock tells, not the file that a dead server left."""

from pathlib import Path

import pytest

from customlabels.app import AlreadyServed, HomeLock, Served, served


def test_a_home_without_a_server_is_not_served(tmp_path: Path) -> None:
    assert served(tmp_path) is None


def test_the_lock_names_its_server_while_it_is_held(tmp_path: Path) -> None:
    server = Served(4711, "http://127.0.0.1:4577", detached=True)

    with HomeLock(tmp_path / "home").held() as lock:
        starting = served(tmp_path / "home")
        lock.publish(server)
        serving = served(tmp_path / "home")

    assert starting is not None
    assert starting.url == ""
    assert serving == server
    assert served(tmp_path / "home") is None


def test_a_second_server_is_refused_with_the_address_of_the_first(tmp_path: Path) -> None:
    with HomeLock(tmp_path).held() as lock:
        lock.publish(Served(4711, "http://127.0.0.1:4577", detached=False))

        with (
            pytest.raises(AlreadyServed, match=r"http://127\.0\.0\.1:4577 \(process 4711\)"),
            HomeLock(tmp_path).held(),
        ):
            pass


def test_what_a_killed_server_left_in_the_file_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "server.lock").write_text('{"pid": 4711, "url": "http://127.0.0.1:4577", "detached": true}')

    assert served(tmp_path) is None
    with HomeLock(tmp_path).held():
        assert served(tmp_path) != Served(4711, "http://127.0.0.1:4577", detached=True)
