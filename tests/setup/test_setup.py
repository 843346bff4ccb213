"""Setting up in the browser: for who has the link of the console, once, and never again (A10)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pytest

from core.app import create_app
from core.boot import boot
from core.config import Config
from core.settings.service import get_setting
from core.setup import Setup, create_setup_app, is_empty
from core.work.uow import Origin, UnitOfWork

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-of-many-characters-that-nobody-guesses"
PASSWORD = "nine quiet cranes at dusk"


@pytest.fixture
def config(tmp_path):
    return Config.from_environment({"DOUGONG_HOME": str(tmp_path / "home")})


@pytest.fixture
def finished():
    return []


@pytest.fixture
def setup(config, finished):
    """The work is done while the request waits, so that a test need not."""
    return Setup(config, lambda: finished.append(True), start=lambda work: work())


@pytest.fixture
def client(config, setup):
    return create_setup_app(config, TOKEN, setup, zone_is_given=False).test_client()


@pytest.fixture
def let_in(client):
    assert client.get(f"/setup/{TOKEN}").status_code == 302
    return client


def text(answer):
    return answer.get_data(as_text=True)


def form(client, **changes):
    """What the form would send."""
    proof = re.search(r'name="csrf_token" value="([^"]*)"', text(client.get("/")))
    values = {
        "csrf_token": proof[1] if proof else "",
        "company": "飞檐公司",
        "locale": "zh_CN",
        "timezone": "Asia/Urumqi",
        "currency": "HKD",
        "name": "李工",
        "email": "li@example.com",
        "password": PASSWORD,
        "repeated": PASSWORD,
        "modules": [],
        "contents": "empty",
    }
    return values | changes


@pytest.mark.parametrize(
    "path", ["/", "/setup/wrong", "/setup/", f"/setup/{TOKEN[:-1]}", "/?locale=en"]
)
def test_without_the_link_nothing_is_shown_and_nothing_can_be_done(client, config, path):
    answer = client.get(path)
    assert answer.status_code in (403, 404)
    assert "<form" not in text(answer)
    assert TOKEN not in text(answer)
    assert client.post("/", data=form(client)).status_code == 403
    assert client.post("/setup/continue", data={}).status_code == 403
    assert is_empty(config)


def test_the_link_lets_in_and_leaves_the_address(client):
    answer = client.get(f"/setup/{TOKEN}")
    assert (answer.status_code, answer.location) == (302, "/")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    page = client.get("/")
    assert page.status_code == 200
    assert 'name="password"' in text(page)
    assert TOKEN not in text(page)
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "attack", [{"csrf_token": ""}, {"csrf_token": "x" * 64}, {"csrf_token": TOKEN}]
)
def test_a_form_from_elsewhere_is_refused(let_in, config, attack):
    assert let_in.post("/", data=form(let_in, **attack)).status_code == 403
    foreign = let_in.post("/", data=form(let_in), headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
    assert is_empty(config)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("company", " "),
        ("name", ""),
        ("email", "no address"),
        ("email", ""),
        ("password", "short"),
        ("password", "li@example.com1"),
        ("repeated", "another one"),
        ("timezone", "Mars/Olympus"),
        ("timezone", "../../etc/passwd"),
        ("currency", "XXX"),
        ("modules", ["nonsense"]),
    ],
)
def test_what_is_wrong_is_marked_and_nothing_is_made(let_in, config, finished, field, value):
    answer = let_in.post("/", data=form(let_in, **{field: value}))
    assert answer.status_code == 422
    assert "notice-bad" in text(answer)
    assert PASSWORD not in text(answer)
    assert is_empty(config)
    assert not finished


def test_an_installation_is_made_and_the_pages_are_gone(let_in, client, config, setup, finished):
    answer = let_in.post("/", data=form(let_in, modules=["crm_leads"]))
    assert answer.status_code == 303
    assert (setup.state, setup.error, finished) == ("done", "", [True])
    assert not is_empty(config)
    again = Config.from_environment({"DOUGONG_HOME": str(config.home)})
    assert str(again.timezone) == "Asia/Urumqi"
    runtime = boot(again)
    try:
        browser = create_app(runtime).test_client()
        sent = {"email": "li@example.com", "password": PASSWORD}
        assert browser.post("/sign-in", data=sent).status_code == 302
        assert browser.get("/admin/apps").status_code == 200
        assert "飞檐公司" in text(browser.get("/"))
        with UnitOfWork(runtime, SYSTEM(), origin=Origin("test"), write=False) as uow:
            assert get_setting(uow, "core", "currency") == "HKD"
            assert uow.snapshot.enabled == {"crm_leads"}
        for path in (f"/setup/{TOKEN}", "/setup/continue", "/setup"):
            assert browser.get(path).status_code == 404
            assert create_app(runtime).test_client().get(path).status_code == 404
    finally:
        runtime.database.dispose()


def SYSTEM():
    from core.security.actor import SYSTEM

    return SYSTEM


@pytest.mark.long
def test_it_cannot_be_done_a_second_time(let_in, config, setup, finished):
    """Neither by the same process, nor by one that was started while nothing was there."""
    late = create_setup_app(
        config, TOKEN, Setup(config, lambda: None, start=lambda work: work()), zone_is_given=False
    )
    other = late.test_client()
    other.get(f"/setup/{TOKEN}")
    values = form(other, email="thief@example.com")
    let_in.post("/", data=form(let_in))
    let_in.post("/", data=form(let_in) | {"email": "second@example.com"})
    other.post("/", data=values)
    assert "<form" not in text(other.get("/"))
    runtime = boot(config)
    try:
        browser = create_app(runtime).test_client()
        for email in ("second@example.com", "thief@example.com"):
            sent = {"email": email, "password": PASSWORD}
            assert browser.post("/sign-in", data=sent).status_code == 401
    finally:
        runtime.database.dispose()


@pytest.mark.long
def test_nobody_of_the_demonstration_can_sign_in_with_the_password_that_all_know(
    let_in, config, setup
):
    """A10: a demonstration that others reach has no known passwords."""
    from plugins.crm_leads.demo import DEMO_PASSWORD

    let_in.post("/", data=form(let_in, modules=["crm_leads"], contents="demo"))
    assert (setup.state, setup.error) == ("done", "")
    runtime = boot(config)
    try:
        browser = create_app(runtime).test_client()
        sent = {"email": "fu.yuheng@yuanheng.example", "password": DEMO_PASSWORD}
        assert browser.post("/sign-in", data=sent).status_code == 401
        own = {"email": "li@example.com", "password": PASSWORD}
        assert browser.post("/sign-in", data=own).status_code == 302
        assert browser.get("/r/lead").status_code == 200
    finally:
        runtime.database.dispose()


@pytest.mark.long
def test_a_demonstration_that_breaks_off_leaves_nobody_with_a_known_password(
    let_in, config, setup, monkeypatch
):
    from core.ops.install import run_demo
    from plugins.crm_leads.demo import DEMO_PASSWORD

    def break_off(runtime, tell):
        run_demo(runtime, tell)
        raise RuntimeError("the next step does not work")

    monkeypatch.setattr("core.setup.installing.run_demo", break_off)
    let_in.post("/", data=form(let_in, modules=["crm_leads"], contents="demo"))
    assert setup.state == "broken"
    runtime = boot(config)
    try:
        browser = create_app(runtime).test_client()
        sent = {"email": "fu.yuheng@yuanheng.example", "password": DEMO_PASSWORD}
        assert browser.post("/sign-in", data=sent).status_code == 401
    finally:
        runtime.database.dispose()


def test_a_step_that_fails_is_told_and_what_is_there_can_be_used(
    let_in, config, setup, finished, monkeypatch
):
    def fail(*_arguments):
        raise RuntimeError("a secret detail")

    monkeypatch.setattr("core.setup.installing.enable", fail)
    let_in.post("/", data=form(let_in, modules=["crm_leads"]))
    assert setup.state == "broken"
    page = text(let_in.get("/"))
    assert "a secret detail" not in page
    proof = re.search(r'name="csrf_token" value="([^"]*)"', page)[1]
    assert let_in.post("/setup/continue", data={"csrf_token": proof}).status_code == 303
    assert finished == [True]


def test_a_set_up_that_lost_its_database_is_told_and_ends_when_there_is_one(
    let_in, config, setup, finished, monkeypatch
):
    from core.ops.install import initialise

    def fail(*_arguments, **_more):
        raise RuntimeError("no connection")

    with monkeypatch.context() as away:
        away.setattr("core.setup.installing.initialise", fail)
        away.setattr("core.setup.installing.is_empty", fail)
        let_in.post("/", data=form(let_in))
        assert setup.state == "failed"
    assert "notice-bad" in text(let_in.get("/"))
    runtime = boot(config)
    initialise(runtime, admin="a@example.com", password=PASSWORD)
    runtime.database.dispose()
    assert "<form" not in text(let_in.get("/"))
    assert finished == [True]


def test_while_it_works_the_page_says_how_far_it_is(config):
    setup = Setup(config, lambda: None, start=lambda work: None)
    client = create_setup_app(config, TOKEN, setup, zone_is_given=True).test_client()
    client.get(f"/setup/{TOKEN}")
    client.post("/", data=form(client, modules=["crm_leads"]))
    page = text(client.get("/"))
    assert '<meta http-equiv="refresh"' in page
    assert "<progress" in page
    assert "<form" not in page


def test_what_was_made_from_the_command_line_meanwhile_is_noticed(let_in, config, finished):
    from core.ops.install import initialise

    runtime = boot(config)
    initialise(runtime, admin="a@example.com", password=PASSWORD)
    runtime.database.dispose()
    assert "<form" not in text(let_in.get("/"))
    assert finished == [True]


def test_the_environment_goes_before_the_browser_s_time_zone(tmp_path):
    home = str(tmp_path)
    (tmp_path / "timezone").write_text("Asia/Urumqi\n")
    assert str(Config.from_environment({"DOUGONG_HOME": home}).timezone) == "Asia/Urumqi"
    given = {"DOUGONG_HOME": home, "DOUGONG_TIMEZONE": "Europe/Berlin"}
    assert str(Config.from_environment(given).timezone) == "Europe/Berlin"


# As it is started


def _free_port():
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _wait_for(what, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.2)
    raise AssertionError("it did not come")


def test_serve_shows_the_link_and_goes_on_as_the_suite(tmp_path):
    """In one process after the other, without a restart by hand."""
    port, log = _free_port(), tmp_path / "log"
    kept = {key: value for key, value in os.environ.items() if "DOUGONG" not in key}
    environment = {**kept, "DOUGONG_HOME": str(tmp_path / "home"), "DOUGONG_LOCALE": "en"}
    command = [sys.executable, "-c", "from core.cli import main; main()", "serve"]
    with log.open("w") as out:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--workers", "2"],
            cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    browser = build_opener(HTTPCookieProcessor(CookieJar()))

    def ask(path, data=None):
        body = None if data is None else urlencode(data, doseq=True).encode()
        with browser.open(f"http://127.0.0.1:{port}{path}", body, timeout=20) as answer:
            return answer.geturl(), answer.read().decode()

    def is_served():
        try:
            address, page = ask("/")
        except URLError:
            return False
        return page if "/sign-in" in address else False

    try:
        link = _wait_for(lambda: re.search(r"/setup/[\w-]{30,}", log.read_text()))[0]
        _address, page = ask(link)
        proof = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
        sent = {
            "csrf_token": proof, "company": "Feiyan", "locale": "en", "timezone": "Asia/Shanghai",
            "currency": "CNY", "name": "Li", "email": "li@example.com", "password": PASSWORD,
            "repeated": PASSWORD, "contents": "empty",
        }  # fmt: skip
        ask("/", sent)
        assert "Feiyan" in _wait_for(is_served)
        with pytest.raises(URLError, match="404"):
            ask(link)
        address, _page = ask("/sign-in", {"email": "li@example.com", "password": PASSWORD})
        assert address == f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        assert process.wait(40) == 0, log.read_text()
