"""gunicorn around our application: one porter thread in each of its processes.

The master imports the code of the core but no plugin, and opens no connection that it keeps: what
a process forks from is the same for each, and ``kill -HUP`` takes in new and changed plugins.
"""

from __future__ import annotations

import gc
import os
import secrets
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication

from core.cli.neighbours import NeighbourlyArbiter, Neighbours
from core.cli.patience import PatientWorker
from core.config import Config

if TYPE_CHECKING:
    from core.work.worker import EmbeddedWorker

__all__ = ["Server", "serve"]

#: Seconds that requests and the job in hand are given when the server stops.
GRACE = 30


def serve(host: str, port: int, workers: int | None, *, setup: bool = True) -> None:
    """Serve until told to stop. Raises `Refused` when the database is not ready for it.

    With ``setup``, where nothing is installed yet, pages stand in that install it.
    """
    from core.i18n import use_locale
    from core.ops.readiness import require_ready
    from core.setup import is_empty
    from core.work.rq import open_doorbell

    config = Config.from_environment()
    token = secrets.token_urlsafe(32) if setup and is_empty(config) else ""
    with use_locale(config.locale):
        if not token:
            require_ready(config)
        open_doorbell(config.redis_url)  # says now what is not installed
    Server(config, f"{host}:{port}", workers or config.workers, token).run()


class Server(BaseApplication):  # type: ignore[misc]
    """What gunicorn asks us for: its settings, and the application in each process.

    With a ``setup_token`` one process stands in with the pages of the set-up until there is something
    to serve; then all is loaded anew, as after ``kill -HUP``, and the token opens nothing any more.
    """

    def __init__(self, config: Config, address: str, workers: int, setup_token: str = "") -> None:
        self._config = config
        self._host = address.rpartition(":")[0]
        self._setup_token = setup_token
        self._settings: dict[str, Any] = {
            "bind": address,
            "workers": workers,
            "threads": config.threads,
            "worker_class": PatientWorker,
            "timeout": 120,
            "graceful_timeout": GRACE,
            "keepalive": 5,
            "proc_name": "dougong",
            "control_socket_disable": True,
            "loglevel": config.log_level.lower(),
            # Who to believe about forwarded addresses is told by DOUGONG_PROXY_HOPS alone.
            "forwarded_allow_ips": "",
            "when_ready": lambda _arbiter: _announce(address, setup_token, config.locale),
            "post_worker_init": self._start_porter,
            "worker_exit": self._stop_porter,
        }
        self._porter: EmbeddedWorker | None = None
        _count_together(config.home / "run" / "metrics")
        import core.app  # noqa: F401 - shared by all processes from here on

        super().__init__()

    def run(self) -> None:
        """See gunicorn; a workspace has no neighbours of its own."""
        if self._config.workspace is not None:
            super().run()
            return
        NeighbourlyArbiter(self, Neighbours(self._config.home, self._host)).run()

    def load_config(self) -> None:
        """See gunicorn."""
        for name, value in self._settings.items():
            self.cfg.set(name, value)
        if self._is_set_up_first():
            self.cfg.set("workers", 1)  # it knows how far the work is

    def _is_set_up_first(self) -> bool:
        from core.setup import is_empty

        if self._setup_token and not is_empty(self._config):
            self._setup_token = ""  # for good, whatever becomes of the database
        return bool(self._setup_token)

    def load(self) -> Any:
        """The application of one process, made after the fork."""
        from core.app import create_app
        from core.logging import configure_logging

        configure_logging(self._config.log_level, sys.stderr)
        if self._setup_token:
            return self._load_setup()
        application = create_app()
        gc.freeze()  # all this stays: the collector need not look through it again
        return application

    def _load_setup(self) -> Any:
        from core.setup import Setup, create_setup_app

        master = os.getppid()
        setup = Setup(self._config, lambda: os.kill(master, signal.SIGHUP))
        given = bool(os.environ.get("DOUGONG_TIMEZONE", "").strip())
        return create_setup_app(self._config, self._setup_token, setup, zone_is_given=given)

    def _start_porter(self, worker: Any) -> None:
        from core.work.rq import open_doorbell, porter

        runtime = worker.wsgi.extensions.get("dougong")
        if runtime is None:
            return  # nothing is set up yet
        self._porter = porter(runtime, open_doorbell(runtime.config.redis_url))
        self._porter.start()

    def _stop_porter(self, _arbiter: Any, _worker: Any) -> None:
        if self._porter is not None:
            self._porter.stop(timeout=GRACE)


def _count_together(folder: Path) -> None:
    """Let the processes to come share what they measure; what earlier ones left is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(folder))


def _announce(address: str, setup_token: str, locale: str) -> None:
    from core.i18n import gettext as _
    from core.i18n import use_locale

    print(f"Dougong: http://{address}", file=sys.stderr, flush=True)
    if setup_token:
        link = f"http://{address}/setup/{setup_token}"
        with use_locale(locale):
            text = _("Nothing is installed yet. Set it up in the browser, or with dougong init:")
        print(f"{text}\n  {link}", file=sys.stderr, flush=True)
