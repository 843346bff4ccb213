"""What every plugin owes the suite."""

from __future__ import annotations

from core.testing.conformance import PluginConformance


class TestContracts(PluginConformance):
    plugin = "contracts"
