"""A served installation with the workshop plugin, and a browser that reports every complaint."""

from __future__ import annotations

import shutil
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.testing.installation import ADMIN, PASSWORD

sys.path.insert(0, str(Path(__file__).parent))  # the modules beside the tests
pytest.register_assert_rewrite("journeys")

#: The one without a window does the same in half the time.
PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser")
CHROMIUM = next(filter(None, map(shutil.which, PROGRAMS)), "")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("workshop",)


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return (Path(__file__).parents[1] / "web" / "workshop_plugins",)


@pytest.fixture(scope="session")
def chromium():
    """A running Chromium."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM:
        pytest.skip("there is no chromium on this machine")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def served(app):
    """The address of the application on a free port of this machine."""
    from werkzeug.serving import make_server

    doors = Doors(app)
    server = make_server("127.0.0.1", 0, doors, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    doors.close()
    server.shutdown()
    thread.join()
    server.server_close()


class Doors:
    """Lets requests in until it is closed, and then waits for those inside.

    A page that is left may still send a draft; the next test begins with other files of the
    database, and none may be open by then.
    """

    def __init__(self, app):
        self._app, self._inside, self._open = app, 0, True
        self._changed = threading.Condition()

    def __call__(self, environ, start_response):
        with self._changed:
            if not self._open:
                start_response("503 Service Unavailable", [])
                return []
            self._inside += 1
        try:
            return self._app(environ, start_response)
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def close(self):
        with self._changed:
            self._open = False
            assert self._changed.wait_for(lambda: self._inside == 0, timeout=30)


@pytest.fixture
def open_tab(chromium, served):
    """``open_tab(size, scripts=True, locale="zh-CN", policy=True)``: nobody is signed in, and nothing is
    complained of.

    ``policy=False`` ignores the Content-Security-Policy: only escaping keeps scripts out then.
    A refused form is answered 422, 409 or 401, which Chromium logs: that alone is no complaint.
    """
    opened, complaints = [], []

    def make(size=DESK, *, scripts=True, locale="zh-CN", policy=True):
        context = chromium.new_context(
            viewport=size,
            java_script_enabled=scripts,
            base_url=served,
            locale=locale,
            bypass_csp=not policy,
            # Pages that a test makes up are no business of the worker.
            service_workers="allow" if policy else "block",
        )
        context.set_default_timeout(10_000)
        tab = context.new_page()
        opened.append(context)
        if policy:  # without it, what a page does wrong is the very question
            tab.on("pageerror", lambda error: complaints.append(str(error)))
            tab.on("console", lambda message: _note(message, complaints))
        return tab

    yield make
    for context in opened:
        context.close()
    assert complaints == []


@pytest.fixture
def open_page(open_tab, served):
    """``open_page(size, email=ADMIN, password=PASSWORD, …)``: a signed-in tab, as of `open_tab`."""

    def make(size=DESK, *, email=ADMIN, password=PASSWORD, **more):
        tab = open_tab(size, **more)
        tab.goto("/sign-in")
        tab.fill("[name=email]", email)
        tab.fill("[name=password]", password)
        tab.click("main button")
        tab.wait_for_url(f"{served}/")
        return tab

    return make


@pytest.fixture
def open_as(open_page, unit_of_work):
    """``open_as(person, way)``: a tab of that size in which the person reads that language."""
    from core.entities import query, service
    from core.security.credentials import set_password

    def make(person, way):
        with unit_of_work() as uow:
            service.update(uow, "user", {person: {"locale": way.locale}})
            who = query.get(uow, "user", person).values
            set_password(uow, person, PASSWORD, email=who["email"], name=who["name"])
        return open_page(way.size, email=who["email"])

    return make


@pytest.fixture
def elsewhere():
    """Another site on this machine: ``elsewhere.body`` is its page, ``elsewhere.port`` where it is.

    By ``localhost`` it is another site to the browser than by ``127.0.0.1``, where the application is.
    """

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            page = f"<!doctype html><html lang=zh><title>elsewhere</title><body>{site.body}"
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page.encode())))
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_given):
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    site = SimpleNamespace(body="", port=server.server_port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield site
    server.shutdown()
    server.server_close()


def _note(message, complaints):
    expected = any(status in message.text for status in ("422", "409", "401"))
    if message.type in ("error", "warning") and not expected:
        complaints.append(f"{message.type}: {message.text}")
