"""A pytest plugin for CI: a run in which something was skipped, or much was tried twice, has failed."""

from __future__ import annotations

import pytest

#: Second attempts of browser tests that a run may need: more than a busy machine is to blame for.
SECOND_ATTEMPTS = 3


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Skipping is for machines that lack something; in CI nothing is lacking."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or session.exitstatus != pytest.ExitCode.OK:
        return
    stats = reporter.stats
    for count, allowed, what in (
        (len(stats.get("skipped", [])), 0, "skipped"),
        (len(stats.get("rerun", [])), SECOND_ATTEMPTS, "passed at the second attempt only"),
    ):
        if count > allowed:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
            reporter.write_line(f"\n{count} {what}, which CI does not allow", red=True)
