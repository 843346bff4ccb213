"""SIGHUP takes in new code while requests go on: none of them fails."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import threading

import pytest

#: What is served does not depend on the database.
pytestmark = pytest.mark.databases("sqlite")
DOUGONG = [sys.executable, "-c", "from core.cli import main; main()"]
CONFIGURATION = """[plugin]
name = notice
title = Notice
version = 1.0
"""
CODE = """
from flask import Blueprint

from core.http.requests import public
from core.plugins import hookimpl

pages = Blueprint("notice", __name__, url_prefix="/notice")


@pages.get("/")
@public
def show():
    return "{text}"


@hookimpl
def register_blueprints():
    return [pages]
"""


@pytest.fixture
def notice(tmp_path):
    """``notice(code)`` writes the plugin into ``notice.folder``."""

    def write(code: str) -> None:
        target = write.folder / "notice"
        target.mkdir(parents=True, exist_ok=True)
        (target / "__init__.py").write_text("")
        (target / "plugin.cfg").write_text(CONFIGURATION)
        (target / "plugin.py").write_text(code)

    write.folder = tmp_path / "plugins"
    write(CODE.replace("{text}", "the first"))
    return write


@pytest.fixture
def served(site, notice):
    """``with served() as port``: a server of two processes, with the plugin on."""
    environment = {
        "DOUGONG_PLUGINS_PATH": os.pathsep.join(
            [site.environment()["DOUGONG_PLUGINS_PATH"], str(notice.folder)]
        ),
        # Two versions within one second: compiled files are told apart by seconds only.
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [*DOUGONG, "plugin", "enable", "notice"]
    done = subprocess.run(command, env=site.environment(**environment), capture_output=True)
    assert done.returncode == 0, done.stderr
    return lambda: site.serving(2, **environment)


class Reader(threading.Thread):
    """Asks for the page again and again, on a new connection each time, and keeps every answer."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.stopping = threading.Event()
        self.answers: list[str] = []
        self.failures: list[str] = []

    def run(self) -> None:
        while not self.stopping.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                connection.request("GET", "/notice/")
                answer = connection.getresponse()
                text = answer.read().decode()
                (self.answers if answer.status == 200 else self.failures).append(text)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
            finally:
                connection.close()
            self.stopping.wait(0.005)


@pytest.mark.long
def test_new_code_is_served_after_sighup_and_no_request_fails(site, served, notice):
    with served() as port:
        readers = [Reader(port) for _ in range(4)]
        for reader in readers:
            reader.start()
        site.wait_until(lambda: all(reader.answers for reader in readers), what="an answer")
        notice(CODE.replace("{text}", "the second"))
        site.processes[-1].send_signal(signal.SIGHUP)
        site.wait_until(
            lambda: all(set(reader.answers[-8:]) == {"the second"} for reader in readers),
            60,
            what="the new code",
        )
        for reader in readers:
            reader.stopping.set()
            reader.join(30)
    told = [text for reader in readers for text in reader.answers]
    assert [text for reader in readers for text in reader.failures] == []
    assert set(told) == {"the first", "the second"}


@pytest.mark.long
def test_a_plugin_that_fails_in_new_code_is_held_back_and_the_rest_is_served(site, served, notice):
    """What was on when the code went wrong is named on the pages, not served, and nothing else ends."""

    def status(path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", path)
        found = connection.getresponse().status
        connection.close()
        return found

    with served() as port:
        assert status("/notice/") == 200
        notice("raise ValueError('broken')")
        site.processes[-1].send_signal(signal.SIGHUP)
        site.wait_until(lambda: {status("/notice/") for _ in range(6)} == {404}, 60, "the new code")
        assert {status("/healthz") for _ in range(6)} == {200}
        assert {status("/sign-in") for _ in range(6)} == {200}
    assert "plugin notice cannot be loaded" in site.logs()


@pytest.mark.long
def test_processes_count_their_requests_together(site, served, bearer, admin_id):
    """Whichever of the processes is asked for its measurements tells those of all."""

    def get(path: str) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", path, headers=bearer_header)
        text = connection.getresponse().read().decode()
        connection.close()
        return text

    bearer_header = bearer(admin_id)
    with served() as port:
        for _request in range(20):
            get("/notice/")
        series = 'dougong_request_seconds_count{method="GET",route="/notice/",status="200"} 20.0'
        assert all(series in get("/metrics") for _try in range(6))
