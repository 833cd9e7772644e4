"""Names under which a server of this machine is asked."""

import pytest
from tests.wire.asgi import app_of, call, posted, scope_of

from customlabels.wire import Services
from customlabels.wire.hosts import has_own_host


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:4577",
        "127.0.0.1:80",
        "127.8.8.8",
        "[::1]:4577",
        "[::1]",
        "sync-localhost:1",
        "a.localhost",
    ],
)
def test_addresses_of_this_machine_are_its_own(host: str) -> None:
    assert has_own_host({"headers": [(b"host", host.encode())]})


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        ["evil.example"],
        ["evil.example:4577"],
        ["127.0.0.1.evil.example"],
        ["localhost.evil.example"],
        ["192.168.1.2"],
        ["evil]localhost"],
        ["[::2]"],
        [""],
        ["localhost", "evil.example"],
        ["localhost@evil.example"],
    ],
)
def test_every_other_host_is_foreign(hosts: list[str]) -> None:
    assert not has_own_host({"headers": [(b"host", host.encode()) for host in hosts]})


def test_a_call_under_a_foreign_name_is_refused(tiny: Services) -> None:
    scope = scope_of()
    foreign = scope | {"headers": [(b"host", b"evil.example"), *scope["headers"][1:]]}

    own = call(app_of(tiny, own_host_only=True), scope, posted(b'{"Word":"abc"}'))
    refused = call(app_of(tiny, own_host_only=True), foreign, posted(b'{"Word":"abc"}'))
    behind_keys = call(app_of(tiny), foreign, posted(b'{"Word":"abc"}'))

    assert (own.status, refused.status, behind_keys.status) == (200, 400, 200)
    assert refused.json["__type"] == "AccessDeniedException"
