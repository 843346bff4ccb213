"""``dougong schema …``: the same doors from the command line."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from core.cli.main import dougong

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


@pytest.fixture
def run(runtime, monkeypatch):
    """``run(*arguments, text="")`` -> what it prints; over the installation of the test."""
    config = runtime.config
    monkeypatch.setenv("DOUGONG_HOME", str(config.home))
    monkeypatch.setenv("DOUGONG_DATABASE_URL", str(config.database_url).replace("+psycopg", ""))
    monkeypatch.setenv("DOUGONG_SECRET_KEY", config.secret_key)
    monkeypatch.setenv("DOUGONG_PLUGINS_PATH", ":".join(map(str, config.plugin_folders)))

    def call(*arguments, text="", status=0):
        done = CliRunner().invoke(dougong, ["schema", *arguments], input=text)
        assert (done.exit_code == 0) is (status == 0), (done.output, done.exception)
        return done

    return call


def test_from_the_first_field_to_the_last(run, api, vehicle):
    run("add-entity", "-", text=json.dumps(vehicle))
    field = {"name": "x_colour", "kind": "text", "label": "Colour"}
    run("add-field", "x_vehicle", "-", text=json.dumps(field))
    api.made("x_vehicle", x_plate="甲", x_colour="红")
    run("retire", "x_vehicle", "x_colour")
    told = json.loads(run("list", "--json").stdout)
    assert {"entity": "x_vehicle", "field": "x_colour", "label": "Colour", "retired": True} in told
    run("restore", "x_vehicle", "x_colour")
    run("retire", "x_vehicle", "x_colour")
    assert json.loads(run("purge", "--yes", "--json").stdout) == {"dropped": []}
    refused = run("purge", "--older-than", "0", text="n\n", status=1)
    assert "x_vehicle.x_colour" in refused.output
    assert len(api.get("/schema/retired")["items"]) == 1
    done = json.loads(run("purge", "--older-than", "0", "--yes", "--json").stdout)
    assert done == {"dropped": ["x_vehicle.x_colour"]}
    run("retire", "x_vehicle")
    assert api.schema("x_vehicle") is None
    run("restore", "x_vehicle")
    assert api.get("/records/x_vehicle")["items"][0]["x_plate"] == "甲"


def test_rules_of_a_field(run):
    """Set as a whole, and told back in words."""
    given = {"max_length": 30, "validation": "title <> 'x'", "unseen": "skip"}
    told = json.loads(run("rules", "note", "title", "-", "--json", text=json.dumps(given)).stdout)
    assert told["rules"] == given
    assert run("rules", "note", "title").stdout.strip().splitlines() == told["told"]
    run("rules", "note", "title", "-", text="{}")
    assert json.loads(run("rules", "note", "title", "--json").stdout) == {"rules": {}, "told": []}


def test_what_is_wrong_is_told(run, vehicle):
    run("add-entity", "-", text="[1]", status=1)
    run("add-entity", "-", text="{", status=1)
    run("add-entity", "-", text=json.dumps({**vehicle, "name": "vehicle"}), status=1)
    run("retire", "x_none", status=1)
    run("retire", "note", "title", status=1)
