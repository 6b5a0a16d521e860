"""Configuration: chosen, changed by the environment, refused when it cannot work."""

from __future__ import annotations

import os
import secrets

import pytest
from quart import Quart

from config import Development
from config.loading import CHOICES, load
from service.app import create_app
from service.connections import ConfigurationError

KEY = secrets.token_hex()
COMPLETE = {
    "SERVICE_SECRET_KEY": KEY,
    "SERVICE_CONNECTIONS__a": "postgresql://u:secret@db/service",
    "SERVICE_CONNECTIONS__b": "rethinkdb://db/service",
    "SERVICE_CONNECTIONS__client": "redis://db/0",
}

Environment = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def environment(monkeypatch: Environment) -> Environment:
    """An environment without any value of the service's."""
    for name in os.environ:
        if name.startswith("SERVICE_"):
            monkeypatch.delenv(name)
    return monkeypatch


def loaded(choice: object = None) -> dict[str, object]:
    app = Quart("tests")
    load(app, choice)
    return dict(app.config)


def set_all(environment: Environment, values: dict[str, str]) -> None:
    for name, value in values.items():
        environment.setenv(name, value)


@pytest.mark.parametrize("name", CHOICES)
def test_service_config_chooses(environment: Environment, name: str) -> None:
    set_all(environment, COMPLETE | {"SERVICE_CONFIG": name})
    assert loaded()["TESTING"] == (name == "Testing")


def test_an_argument_goes_before_service_config(environment: Environment) -> None:
    environment.setenv("SERVICE_CONFIG", "Testing")
    assert not loaded("Development")["TESTING"]


def test_a_dotted_path_chooses() -> None:
    assert loaded("config.Testing")["TESTING"]


def test_an_object_is_a_configuration() -> None:
    class Mine(Development):
        TOKEN_LIFETIME = 5

    assert loaded(Mine)["TOKEN_LIFETIME"] == 5


@pytest.mark.parametrize("name", ["Nonsense", "config.Nonsense", "no.such.module"])
def test_an_unknown_name_is_one_error_that_lists_the_known(name: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        loaded(name)
    assert name in str(raised.value)
    if "." not in name:
        assert all(choice in str(raised.value) for choice in CHOICES)


def test_every_value_may_come_from_the_environment(environment: Environment) -> None:
    set_all(environment, {"SERVICE_TOKEN_LIFETIME": "60", "SERVICE_READY_TIMEOUT": "0.5"})
    environment.setenv("SERVICE_ARGON2__time_cost", "7")
    config = loaded("Development")

    assert config["TOKEN_LIFETIME"] == 60
    assert config["READY_TIMEOUT"] == 0.5
    assert config["ARGON2"] == {"time_cost": 7, "memory_cost": 65_536, "parallelism": 1}


def test_what_the_environment_says_stays_with_one_app(environment: Environment) -> None:
    environment.setenv("SERVICE_ARGON2__time_cost", "7")
    environment.setenv("SERVICE_CONNECTIONS__a__max_size", "7")
    loaded("Development")
    environment.undo()
    config = loaded("Development")

    assert config["ARGON2"] == {"time_cost": 3, "memory_cost": 65_536, "parallelism": 1}
    assert config["CONNECTIONS"]["a"] == {"url": Development.CONNECTIONS["a"]}  # type: ignore[index]


def test_a_connection_changes_in_part_or_whole(environment: Environment) -> None:
    set_all(
        environment,
        {
            "SERVICE_CONNECTIONS__a__max_size": "20",
            "SERVICE_CONNECTIONS__b": "rethinkdb://elsewhere/service",
            "SERVICE_CONNECTIONS__c": "redis://one-more/0",
            "SERVICE_CONNECTIONS__c__max_size": "3",
        },
    )
    assert loaded("Development")["CONNECTIONS"] == {
        "a": {"url": Development.CONNECTIONS["a"], "max_size": 20},
        "b": {"url": "rethinkdb://elsewhere/service", "max_size": 10},
        "client": {"url": Development.CONNECTIONS["client"]},
        "c": {"url": "redis://one-more/0", "max_size": 3},
    }


def test_all_connections_come_at_once(environment: Environment) -> None:
    environment.setenv("SERVICE_CONNECTIONS", '{"only": "redis://db/0"}')
    assert loaded("Development")["CONNECTIONS"] == {"only": {"url": "redis://db/0"}}
    environment.setenv("SERVICE_CONNECTIONS__only__max_size", "3")
    with pytest.raises(ConfigurationError, match="either SERVICE_CONNECTIONS"):
        loaded("Development")


def test_a_mapping_goes_before_the_environment(environment: Environment) -> None:
    set_all(environment, {"SERVICE_CONFIG": "Testing", "SERVICE_TOKEN_LIFETIME": "60"})
    config = loaded({"TOKEN_LIFETIME": 5, "CONNECTIONS": {"x": "redis://db/0"}})

    assert config["TESTING"]
    assert config["TOKEN_LIFETIME"] == 5
    assert config["CONNECTIONS"] == {"x": {"url": "redis://db/0"}}


def test_a_key_of_digits_is_a_text(environment: Environment) -> None:
    environment.setenv("SERVICE_SECRET_KEY", "1234567890")
    environment.setenv("SERVICE_SECRET_KEY_FALLBACKS", "987654321")
    config = loaded("Development")

    assert config["SECRET_KEY"] == "1234567890"
    assert config["SECRET_KEY_FALLBACKS"] == ["987654321"]


@pytest.mark.parametrize("value", ["soon", "-1", "true", "1.5"])
def test_what_is_no_number_is_refused(environment: Environment, value: str) -> None:
    environment.setenv("SERVICE_TOKEN_LIFETIME", value)
    with pytest.raises(ConfigurationError, match="SERVICE_TOKEN_LIFETIME"):
        loaded("Development")


@pytest.mark.parametrize("choice", ["Development", "Production"])
@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("SERVICE_CONNECTIONS__a", "5", r"CONNECTIONS\['a'\]: a int is no URL"),
        ("SERVICE_CONNECTIONS__b", "true", r"CONNECTIONS\['b'\]: a bool is no URL"),
        (
            "SERVICE_CONNECTIONS__client",
            '["redis://db"]',
            r"CONNECTIONS\['client'\]: a list is no URL",
        ),
        ("SERVICE_CONNECTIONS__a__url", "5", r"CONNECTIONS\['a'\]: a int is no URL"),
        ("SERVICE_CONNECTIONS", '["x"]', "CONNECTIONS is a list"),
        ("SERVICE_CONNECTIONS", "5", "CONNECTIONS is a int"),
    ],
)
def test_what_is_no_connection_is_refused(
    environment: Environment, choice: str, name: str, value: str, named: str
) -> None:
    kept = {key: url for key, url in COMPLETE.items() if not key.startswith(name)}
    set_all(environment, kept | {name: value})
    with pytest.raises(ConfigurationError, match=named):
        create_app(choice)


@pytest.mark.parametrize(
    "values",
    [
        {"SERVICE_CONNECTIONS__a": "5", "SERVICE_CONNECTIONS__a__max_size": "3"},
        {"SERVICE_TOKEN_LIFETIME__soon": "3"},
        {"SERVICE_SECRET_KEY__old": "3"},
    ],
)
def test_a_part_of_what_has_none_is_refused(
    environment: Environment, values: dict[str, str]
) -> None:
    set_all(environment, values)
    with pytest.raises(ConfigurationError, match=sorted(values)[-1]):
        create_app("Development")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SERVICE_ARGON2__time_cost", "x"),
        ("SERVICE_ARGON2__time_cost", "true"),
        ("SERVICE_ARGON2__memory_cost", "1.5"),
        ("SERVICE_ARGON2__memory_cost", "7"),
        ("SERVICE_ARGON2__parallelism", "0"),
        ("SERVICE_ARGON2__speed", "1"),
        ("SERVICE_ARGON2", "7"),
        ("SERVICE_ARGON2", '{"time_cost": 1}'),
    ],
)
def test_what_argon2_cannot_work_with_is_refused(
    environment: Environment, name: str, value: str
) -> None:
    environment.setenv(name, value)
    named = name.removesuffix("__speed")
    with pytest.raises(ConfigurationError, match=named):
        loaded("Development")


def test_an_empty_secret_is_refused(environment: Environment) -> None:
    environment.setenv("SERVICE_SECRET_KEY", "")
    with pytest.raises(ConfigurationError, match="SERVICE_SECRET_KEY is empty"):
        loaded("Development")


def test_event_streams_leave_something_to_other_requests(environment: Environment) -> None:
    environment.setenv("SERVICE_CONNECTIONS__b__max_size", "5")
    with pytest.raises(ConfigurationError, match="SERVICE_EVENT_STREAMS=5"):
        loaded("Development")
    environment.setenv("SERVICE_EVENT_STREAMS", "4")
    assert loaded("Development")["EVENT_STREAMS"] == 4


def test_production_is_what_runs_unless_something_else_is_chosen(environment: Environment) -> None:
    with pytest.raises(ConfigurationError, match="Production"):
        loaded()
    set_all(environment, COMPLETE)
    assert loaded()["SECRET_KEY"] == KEY


@pytest.mark.parametrize("missing", COMPLETE)
def test_production_says_what_it_lacks_and_nothing_secret(
    environment: Environment, missing: str
) -> None:
    set_all(environment, COMPLETE)
    environment.delenv(missing)
    with pytest.raises(ConfigurationError) as raised:
        loaded("Production")

    assert missing in str(raised.value)
    assert not any(name in str(raised.value) for name in set(COMPLETE) - {missing})
    assert KEY not in str(raised.value)
    assert "secret@" not in str(raised.value)


@pytest.mark.parametrize("key", ["", "short", "a" * 64, "abcd" * 16, Development.SECRET_KEY])
def test_production_refuses_a_key_that_can_be_guessed(environment: Environment, key: str) -> None:
    for name, value in (("SERVICE_SECRET_KEY", key), ("SERVICE_SECRET_KEY_FALLBACKS", key)):
        set_all(environment, COMPLETE)
        environment.setenv(name, value)
        with pytest.raises(ConfigurationError, match=name):
            loaded("Production")
