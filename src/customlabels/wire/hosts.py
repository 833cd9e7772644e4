"""Which names of this machine a request may come under.

Layer: wire. A site can let its name point at 127.0.0.1; its pages then ask this server as their own origin.
All that gives them away is the Host header. Where access keys are set, signatures protect instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

FOREIGN_HOST = "this server answers to localhost and to addresses of this machine only"


def has_own_host(scope: Mapping[str, Any]) -> bool:
    """Whether the one Host header is an address of this machine's own, `localhost` or a name below it."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    return len(hosts) == 1 and _is_own(hosts[0])


@lru_cache(maxsize=64)  # nearly all requests come under one name
def _is_own(host: bytes) -> bool:
    given = host.decode("latin-1")
    name = given.rpartition("]")[0].removeprefix("[") or given.partition(":")[0]
    name = name.lower().removeprefix("sync-")  # which botocore puts in front for two calls of Step Functions
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
