"""The extension keeps the rules, too; it depends on a plugin in another folder."""

from pathlib import Path

import pytest

from core.testing.conformance import PluginConformance

TESTS = Path(__file__).resolve().parents[3]


class TestDummyExtension(PluginConformance):
    plugin = "dummy_extension"

    @classmethod
    def _folders(cls):
        return (TESTS, TESTS / "plugins")


@pytest.mark.parametrize("name", ["dummy_plugin", "dummy_extension"])
def test_the_two_lie_where_the_class_says(name):
    assert any((folder / name / "plugin.cfg").is_file() for folder in TestDummyExtension._folders())
