"""`dougong plugin new` writes a plugin that passes the conformance suite at once, under 100 lines."""

from __future__ import annotations

import subprocess
import sys

import pytest

from core.errors import Refused
from core.plugins.scaffold import create_plugin


def test_a_new_plugin_conforms(tmp_path):
    create_plugin("fleet_cars", tmp_path, title="Fleet")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "fleet_cars", "-q", "-W", "error", "-p", "no:cacheprovider"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout


def test_a_useful_plugin_is_under_a_hundred_lines(tmp_path):
    files = create_plugin("fleet_cars", tmp_path)
    own = [f for f in files if f.suffix == ".py" and f.parent.name not in ("tests", "migrations")]
    assert 0 < sum(len(file.read_text("utf-8").splitlines()) for file in own) < 100


@pytest.mark.parametrize("name", ["", "Fleet", "1st", "a", "../up", "fleet-cars", "x" * 41])
def test_a_name_that_no_plugin_can_have(tmp_path, name):
    with pytest.raises(Refused):
        create_plugin(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "fleet").mkdir()
    with pytest.raises(Refused, match="fleet"):
        create_plugin("fleet", tmp_path)
