"""What every plugin owes the suite."""

from __future__ import annotations

import pytest

from core.testing.conformance import PluginConformance

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


class TestActivities(PluginConformance):
    plugin = "activities"
