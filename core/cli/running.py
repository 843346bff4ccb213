"""Serving pages, and working in the background."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any

import click

__all__ = ["end_when_told", "serve", "worker"]


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--workers", type=click.IntRange(1, 256), help="Processes; default: DOUGONG_WORKERS, or 2."
)
@click.option(
    "--setup/--no-setup", default=True, help="Offer to install in the browser where nothing is yet."
)
def serve(host: str, port: int, workers: int | None, setup: bool) -> None:
    """Serve the pages and the REST interface, and work in the background.

    With DOUGONG_REDIS_URL the background work goes to `dougong worker`, as long as one runs.
    """
    told = end_when_told()
    from core.cli.server import serve as run

    if not told.is_set():
        run(host, port, workers, setup=setup)


@click.command()
def worker() -> None:
    """Relay events, start schedules and run jobs until told to stop."""
    stopping = end_when_told()
    from core.cli.installation import open_runtime
    from core.logging import configure_logging
    from core.ops.readiness import require_ready
    from core.worker import run_worker

    with open_runtime() as runtime:
        require_ready(runtime.config)
        configure_logging(runtime.config.log_level, sys.stderr)
        run_worker(runtime, stopping)


def end_when_told() -> threading.Event:
    """Who is told to end before it has begun does so, and nothing went wrong.

    The event says it again: what is imported meanwhile may swallow the exception.
    """
    told = threading.Event()

    def leave(*_signal: Any) -> None:
        told.set()
        sys.exit(0)

    signal.signal(signal.SIGTERM, leave)
    return told
