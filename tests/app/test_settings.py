"""Settings: from the environment and the flags, checked before anything is started."""

from pathlib import Path

import pytest

from customlabels.settings import AccessKey, Settings, SettingsError

KEYS = '{"AKID": {"secret": "s", "account": "111122223333"}}'


def test_the_environment_is_read_and_flags_win_where_they_are_given(tmp_path: Path) -> None:
    environment = {"CUSTOMLABELS_HOME": str(tmp_path), "CUSTOMLABELS_PORT": "0", "AWS_REGION": "eu-west-1"}

    without = Settings.from_environment(environment, host=None, port=None)
    with_flag = Settings.from_environment(environment, port=8080)

    assert (without.port, without.host, without.region) == (0, "127.0.0.1", "eu-west-1")
    assert with_flag.port == 8080
    assert without.records_url == f"sqlite:///{tmp_path / 'records.db'}"


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"CUSTOMLABELS_PORT": "high"}, "CUSTOMLABELS_PORT='high' is not a number"),
        ({"CUSTOMLABELS_PORT": "65536"}, "port 65536"),
        ({"CUSTOMLABELS_WAIT_SCALE": "2"}, "CUSTOMLABELS_WAIT_SCALE=2"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(environment: dict[str, str], told: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=told):
        Settings.from_environment(environment | {"CUSTOMLABELS_HOME": str(tmp_path)})


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "example.org", "::"])
def test_off_loopback_needs_access_keys(host: str, tmp_path: Path) -> None:
    environment = {"CUSTOMLABELS_HOME": str(tmp_path)}
    with pytest.raises(SettingsError, match=r"access-keys\.json"):
        Settings.from_environment(environment, host=host)
    (tmp_path / "access-keys.json").write_text(KEYS)

    settings = Settings.from_environment(environment, host=host)

    assert settings.access_keys == {"AKID": AccessKey("s", "111122223333")}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_this_machine_alone_needs_none(host: str, tmp_path: Path) -> None:
    assert Settings(tmp_path, host=host).is_loopback


def test_the_operator_is_the_account_of_the_first_key(tmp_path: Path) -> None:
    text = '{"A": {"secret": "s", "account": "111122223333", "session_token": "t"}}'
    (tmp_path / "access-keys.json").write_text(text)

    settings = Settings.from_environment({"CUSTOMLABELS_HOME": str(tmp_path)})

    assert settings.access_keys == {"A": AccessKey("s", "111122223333", "t")}
    assert settings.operator == "111122223333"
    assert Settings(tmp_path).operator == Settings(tmp_path).account


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"AKID": {"secret": "s"}}',
        '{"AKID": "s"}',
        '{"AKID": {"secret": "s", "account": "12"}}',
        '{"AKID": {"secret": "", "account": "111122223333"}}',
        '{"AKID": {"secret": "s", "account": "111122223333", "token": "t"}}',
    ],
)
def test_an_access_keys_file_that_cannot_be_read_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "access-keys.json").write_text(text)

    with pytest.raises(SettingsError, match=r"access-keys\.json: expected"):
        Settings.from_environment({"CUSTOMLABELS_HOME": str(tmp_path)})
