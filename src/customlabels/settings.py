"""Everything that can be set: one frozen value, with defaults and the reason of each.

Layer: settings. Only `app` and `cli` read it; rooms below are handed values.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from customlabels.errors import InvalidInput

__all__ = ["AccessKey", "S3Settings", "Settings", "SettingsError"]

DEFAULT_PORT = 4577
DEFAULT_ACCOUNT = "123456789012"  # the account of requests without a configured key: AWS's example number
DEFAULT_REGION = "us-east-1"


class SettingsError(InvalidInput):
    """A setting cannot be used; the text names it, its value and what would be right."""


@dataclass(frozen=True)
class AccessKey:
    """A secret, the account that it opens, and for a temporary key the token that goes with it."""

    secret: str
    account: str
    session_token: str = ""

    def __post_init__(self) -> None:
        if not (self.account.isascii() and self.account.isdigit() and len(self.account) == 12):
            raise ValueError(f"account {self.account!r}: an account is 12 digits")
        if not self.secret:
            raise ValueError("a secret is empty")


@dataclass(frozen=True)
class S3Settings:
    """Where buckets that are no registered folder live; without it they do not exist."""

    endpoint_url: str
    access_key: str
    secret_key: str
    region: str


@dataclass(frozen=True)
class Settings:
    """How one home is run. Built by `from_environment`, checked at construction."""

    home: Path
    host: str = "127.0.0.1"  # off loopback only with access keys
    port: int = DEFAULT_PORT
    account: str = DEFAULT_ACCOUNT
    region: str = DEFAULT_REGION
    database_url: str = ""  # default: SQLite in the home; a postgresql:// address for PostgreSQL
    access_keys: Mapping[str, AccessKey] = field(default_factory=dict)
    s3: S3Settings | None = None
    endpoints: Mapping[str, str] = field(default_factory=dict)  # of services elsewhere: `SQS` -> its address
    endpoint_access_key: str = "local"  # for all of them; emulators take any
    endpoint_secret_key: str = "local"  # noqa: S105
    wait_scale: float = 1.0  # of the Wait states: 0 tries a definition in seconds
    idle_seconds: float = 20.0  # a detached server without work ends after this long
    idle_stop_seconds: float | None = None  # a version that nobody asks for so long stops; None for never
    log_json: bool = False  # one JSON object a line instead of text, with a line for each API call
    concurrent_trainings: int = 1  # two cores: a second training at once would only slow the first
    running_versions: int = 10  # each unit is a process of about 100 MB
    functions_file: Path | None = None  # Python functions that Task states reach by `lambda:invoke`
    mock_file: Path | None = None  # answers for Task states, in the format of AWS's Step Functions Local

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise SettingsError(f"port {self.port}: a port is a number from 0 (any free one) to 65535")
        if not 0 <= self.wait_scale <= 1:
            raise SettingsError(f"CUSTOMLABELS_WAIT_SCALE={self.wait_scale}: give a number from 0 to 1")
        if self.idle_stop_seconds is not None and not self.idle_stop_seconds > 0:
            raise SettingsError(
                f"idle stop after {self.idle_stop_seconds} s: give a time above 0, such as 30m"
            )
        if not (self.account.isdigit() and len(self.account) == 12):
            raise SettingsError(f"account {self.account!r}: an account is 12 digits")
        if not self.is_loopback and not self.access_keys:
            raise SettingsError(
                f"host {self.host}: without access keys the server listens on this machine only; first write "
                f'{self.access_keys_file} as {{"AKID": {{"secret": "...", "account": "{DEFAULT_ACCOUNT}"}}}}'
            )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ, **overrides: object) -> Settings:
        """The settings of this environment; `overrides` (from command line flags) win where not None.

        Raises SettingsError.
        """
        home = Path(
            str(overrides.pop("home", None) or environment.get("CUSTOMLABELS_HOME") or "~/.customlabels")
        )
        home = home.expanduser().absolute()
        values: dict[str, object] = {
            "home": home,
            "port": _number(environment, "CUSTOMLABELS_PORT", int),
            "region": environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION"),
            "database_url": environment.get("CUSTOMLABELS_DATABASE_URL"),
            "wait_scale": _number(environment, "CUSTOMLABELS_WAIT_SCALE", float),
            "idle_seconds": _number(environment, "CUSTOMLABELS_IDLE_SECONDS", float),
            "idle_stop_seconds": _number(environment, "CUSTOMLABELS_IDLE_STOP_SECONDS", float),
            "log_json": environment.get("CUSTOMLABELS_LOG") == "json" or None,
            "functions_file": _path(environment.get("CUSTOMLABELS_FUNCTIONS")),
            "mock_file": _path(environment.get("SFN_MOCK_CONFIG")),  # the name that AWS's program knows
            "access_keys": _access_keys(home / "access-keys.json"),
            "s3": _s3(environment),
            "endpoints": _endpoints(environment),
            "endpoint_access_key": environment.get("AWS_ACCESS_KEY_ID"),
            "endpoint_secret_key": environment.get("AWS_SECRET_ACCESS_KEY"),
        }
        values |= {name: value for name, value in overrides.items() if value is not None}
        given = {name: value for name, value in values.items() if value is not None}
        return cls(**given)  # type: ignore[arg-type]  # a table of values cannot carry each one's type

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def operator(self) -> str:
        """The account of the person whose machine this is: that of the first access key."""
        return next((key.account for key in self.access_keys.values()), self.account)

    @property
    def records_url(self) -> str:
        """The database's address."""
        return self.database_url or f"sqlite:///{self.home / 'records.db'}"

    @property
    def access_keys_file(self) -> Path:
        """Where access keys are read from."""
        return self.home / "access-keys.json"

    @property
    def manifests_folder(self) -> Path:
        """The bucket that `run` writes manifests of folders into."""
        return self.home / "buckets" / "customlabels-manifests"

    @property
    def backbones(self) -> Path:
        """Pretrained weights that `backbone fetch` brought."""
        return self.home / "backbones"

    @property
    def output_folder(self) -> Path:
        """The bucket that receives what trainings write."""
        return self.home / "buckets" / "customlabels-output"


def _number(environment: Mapping[str, str], name: str, kind: type[int] | type[float]) -> float | None:
    text = environment.get(name)
    if not text:
        return None
    try:
        return kind(text)
    except ValueError:
        raise SettingsError(f"{name}={text!r} is not a number") from None


def _path(text: str | None) -> Path | None:
    return Path(text).expanduser().absolute() if text else None


def _access_keys(file: Path) -> dict[str, AccessKey]:
    try:
        found = json.loads(file.read_text("utf-8"))
        return {name: _access_key(key) for name, key in found.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f'{file}: expected {{"AKID": {{"secret": "...", "account": "12 digits"}}}}: {error}'
        ) from error


def _endpoints(environment: Mapping[str, str]) -> dict[str, str]:
    # Only those that name their service: AWS_ENDPOINT_URL is where clients find this very server.
    prefix = "AWS_ENDPOINT_URL_"
    return {
        name.removeprefix(prefix): url for name, url in environment.items() if name.startswith(prefix) and url
    }


def _access_key(found: dict[str, object]) -> AccessKey:
    if unknown := found.keys() - {"secret", "account", "session_token"}:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    return AccessKey(str(found["secret"]), str(found["account"]), str(found.get("session_token", "")))


def _s3(environment: Mapping[str, str]) -> S3Settings | None:
    endpoint = environment.get("AWS_ENDPOINT_URL_S3")
    if not endpoint:
        return None
    return S3Settings(
        endpoint,
        environment.get("AWS_ACCESS_KEY_ID", "local"),
        environment.get("AWS_SECRET_ACCESS_KEY", "local"),
        environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or DEFAULT_REGION,
    )
