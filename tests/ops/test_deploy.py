"""What lies in deploy/ fits the program: its commands, their options, the port, the settings."""

from __future__ import annotations

import re
import shlex
from configparser import ConfigParser
from dataclasses import replace
from pathlib import Path

import click
import pytest

from core.app import create_app
from core.cli.main import dougong
from core.config import Config

DEPLOY = Path(__file__).parents[2] / "deploy"
CONFIG = Path(__file__).parents[2] / "core" / "config.py"
SETTINGS = set(re.findall(r"\"(DOUGONG_[A-Z_]+)\"", CONFIG.read_text()))
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def _check_command(words: list[str]) -> None:
    """``dougong …`` as the command line itself reads it, without running it."""
    assert Path(words[0]).name == "dougong", words
    context = click.Context(dougong)
    name, command, rest = dougong.resolve_command(context, words[1:])
    assert command is not None
    command.make_context(name, list(rest), parent=context)


def test_a_command_that_there_is_not_is_noticed():
    """The positive control of the check."""
    with pytest.raises(click.UsageError):
        _check_command(["dougong", "serve", "--no-such-option"])


def test_compose_runs_commands_that_there_are():
    yaml = pytest.importorskip("yaml")
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services = compose["services"]
    assert {"web", "worker", "database", "redis", "proxy"} <= set(services)
    for name in ("web", "worker", "setup"):
        _check_command(services[name]["command"])
        assert set(services[name]["environment"]) <= SETTINGS
        assert services[name]["build"]["dockerfile"] == "deploy/Containerfile"
    assert (DEPLOY.parent / services["web"]["build"]["dockerfile"]).is_file()
    port = services["web"]["command"][-1]
    assert f"web:{port}" in (DEPLOY / "Caddyfile").read_text()
    assert f"EXPOSE {port}" in (DEPLOY / "Containerfile").read_text()
    named = {v.split(":")[0] for s in services.values() for v in s.get("volumes", ())}
    assert {each for each in named if not each.startswith(".")} <= set(compose["volumes"])


def test_no_proxy_takes_the_suite_away_with_redis(runtime, monkeypatch):
    """The proxy and the container ask ``/readyz``; without Redis everything goes on, and that is told."""
    assert "health_uri /readyz" in (DEPLOY / "Caddyfile").read_text()
    nobody = replace(runtime.config, redis_url="redis://127.0.0.1:1/0")
    monkeypatch.setattr(runtime, "config", nobody)
    answer = create_app(runtime).test_client().get("/readyz")
    assert (answer.status_code, answer.json["database"]) == (200, "ok")
    assert answer.json["redis"] == "ConnectionError"


def test_the_container_runs_commands_that_there_are():
    lines = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ").splitlines()
    command = next(line for line in lines if line.startswith("CMD "))
    _check_command([word for word in re.findall(r'"([^"]+)"', command)])
    assert set(re.findall(r"DOUGONG_[A-Z_]+", "\n".join(lines))) <= SETTINGS
    assert any(line.startswith("USER ") and "root" not in line for line in lines)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_units_run_commands_that_there_are(path):
    unit = _read(path)
    service = unit["Service"]
    _check_command(shlex.split(service["ExecStart"]))
    assert service["User"] != "root"
    if service.get("Type") == "oneshot":  # a timer starts it
        assert _read(path.with_suffix(".timer"))["Install"]["WantedBy"] == "timers.target"
    else:
        assert unit["Install"]["WantedBy"] == "multi-user.target"


def _read(path):
    unit = ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str
    unit.read(path)
    return unit


def test_the_settings_of_the_units_are_read_by_the_program():
    lines = (DEPLOY / "systemd" / "dougong.env").read_text().splitlines()
    pairs = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert set(pairs) <= SETTINGS
    key = {"DOUGONG_SECRET_KEY": "a key of thirty-two characters, or of more"}
    config = Config.from_environment({**pairs, **key})
    assert (config.proxy_hops, config.workers) == (1, 2)
