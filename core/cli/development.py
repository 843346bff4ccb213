"""For tests only: moving the clock of a running installation."""

from __future__ import annotations

import re
from datetime import timedelta

import click

__all__ = ["dev"]

_STEP = re.compile(r"([+-])(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@click.group()
def dev() -> None:
    """For tests: refused unless DOUGONG_TEST_CLOCK=1."""


@dev.command(context_settings={"ignore_unknown_options": True})
@click.argument("step", metavar="+3d")
def clock(step: str) -> None:
    """Move the clock of every process of this installation, by +90s, +5m, +2h, +3d or -1w."""
    from core.clock import move_shared_clock
    from core.config import Config
    from core.errors import Refused

    found = _STEP.fullmatch(step)
    if found is None:
        raise click.UsageError("say by how much: +90s, +5m, +2h, +3d or -1w")
    config = Config.from_environment()
    if not config.test_clock:
        raise Refused("the clock is moved only with DOUGONG_TEST_CLOCK=1, in every process")
    sign, number, unit = found.groups()
    by = timedelta(**{_UNITS[unit]: int(f"{sign}{number}")})
    offset = move_shared_clock(config.home / "clock.offset", by)
    click.echo(f"{offset.total_seconds():+.0f} s")
