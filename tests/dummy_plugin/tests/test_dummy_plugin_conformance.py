"""The dummy keeps the rules that it helps to test."""

from core.testing.conformance import PluginConformance


class TestDummyPlugin(PluginConformance):
    plugin = "dummy_plugin"
