"""Without a connection: the styles and one honest page are kept, and no page of anybody."""

from __future__ import annotations

import re
import threading

import pytest
from werkzeug.serving import make_server

from core.testing.installation import ADMIN, PASSWORD

# A browser sees no difference between databases: one of them is enough.
pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite")]

#: All that the browser keeps, by cache: the addresses, and whether a text stands in one of the answers.
_KEPT = """async (word) => {
    const found = {};
    for (const name of await caches.keys()) {
        const cache = await caches.open(name);
        for (const request of await cache.keys()) {
            const text = await (await cache.match(request)).text();
            (found[name] ??= []).push([new URL(request.url).pathname, text.includes(word)]);
        }
    }
    return found;
}"""
#: Whether the worker has kept a page whose address holds a text, within five seconds. Asked in a loop
#: of its own: Playwright's ``wait_for_function`` needs ``eval``, which the policy of our pages refuses.
_READY = """async (part) => {
    await navigator.serviceWorker.ready;
    for (let turn = 0; turn < 100; turn++) {
        if (await caches.has("offline")) {
            const kept = await (await caches.open("offline")).keys();
            if (kept.length && kept[0].url.includes(part)) return true;
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return false;
}"""


class Server:
    """The application, which can be stopped and started again on the same port."""

    def __init__(self, app):
        self.app, self.port = app, 0
        self.start()

    def start(self):
        self.server = make_server("127.0.0.1", self.port, self.app, threaded=True)
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def server(app):
    found = Server(app)
    yield found
    found.stop()


@pytest.fixture
def tab(chromium, server):
    context = chromium.new_context(base_url=f"http://127.0.0.1:{server.port}", locale="zh-CN")
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


def sign_in(tab):
    tab.goto("/sign-in")
    tab.fill("[name=email]", ADMIN)
    tab.fill("[name=password]", PASSWORD)
    tab.click("main button")
    tab.wait_for_url("**/")


def test_no_page_of_anybody_is_kept(tab, unit_of_work):
    """Pages, lists, a record, a form, suggestions and REST are looked at; files alone are kept."""
    from core.entities import service

    with unit_of_work() as uow:
        (key,) = service.create(uow, "order", [{"title": "Rosenholz 4711"}])
    sign_in(tab)
    assert tab.evaluate(_READY, "")
    for path in (
        "/",
        "/r/order",
        f"/r/order/{key}",
        f"/r/order/{key}/edit",
        "/profile",
        "/admin/people",
    ):
        assert tab.goto(path).status == 200
    assert "4711" in tab.goto(f"/r/order/{key}").text()
    tab.evaluate(f"fetch('/api/v1/records/order/{key}').then((answer) => answer.text())")
    kept = tab.evaluate(_KEPT, "Rosenholz")
    assert set(kept) == {"files", "offline"}
    assert [path for path, _has in kept["offline"]] == ["/offline"]
    assert all(path.startswith(("/static/", "/theme/")) for path, _has in kept["files"])
    assert not any(has for entries in kept.values() for _path, has in entries)
    for word in (ADMIN, "管理员"):
        found = tab.evaluate(_KEPT, word)
        assert not any(has for _path, has in found["offline"]), word


def test_a_server_that_is_away_is_told_of_and_one_that_is_back_goes_on(tab, server):
    sign_in(tab)
    assert tab.evaluate(_READY, "")
    tab.goto("/r/order")
    server.stop()
    tab.goto("/r/order")
    assert tab.locator("h1").inner_text() == "连不上服务器"
    assert tab.url.endswith("/r/order")
    ground = tab.evaluate("getComputedStyle(document.querySelector('.card')).backgroundColor")
    assert ground == "rgb(255, 255, 255)", "drawn with the styles of the theme"
    server.start()
    tab.locator("main a.button").click()
    tab.wait_for_load_state()
    assert tab.locator("h1").inner_text() != "连不上服务器"
    assert tab.url.endswith("/r/order")


def test_a_form_that_is_sent_without_a_connection_waits_and_is_saved_once(tab, unit_of_work):
    """S-247: nothing of it is kept on the device; however often it is sent, it is one record."""
    from core.entities import query

    def made():
        with unit_of_work(write=False) as uow:
            return query.count(uow, "order", query.ListQuery(search="Ackerwalze"))

    sign_in(tab)
    tab.goto("/r/order/new")
    tab.fill("[name=title]", "Ackerwalze")
    tab.context.set_offline(True)
    for _try in range(2):
        tab.locator(".form-actions button").first.click()
    assert tab.get_by_role("status").filter(has_text="尚未保存").count() == 1
    assert tab.input_value("[name=title]") == "Ackerwalze"
    assert made() == 0
    tab.context.set_offline(False)
    tab.wait_for_url(re.compile(r"/r/order/\d+"))
    assert made() == 1


def test_it_works_signed_out_and_follows_the_language(tab, server):
    tab.goto("/sign-in")
    assert tab.evaluate(_READY, "")
    tab.context.add_cookies(
        [{"name": "locale", "value": "en", "url": f"http://127.0.0.1:{server.port}"}]
    )
    tab.goto("/sign-in")
    assert tab.evaluate(_READY, "locale=en")
    server.stop()
    tab.goto("/sign-in")
    assert tab.locator("h1").inner_text() == "No connection"
    server.start()


@pytest.mark.long
def test_only_the_newest_of_each_file_is_kept(tab, unit_of_work):
    from core.settings.service import put_settings

    sign_in(tab)
    assert tab.evaluate(_READY, "")
    for theme in ("qinglu", "default"):
        with unit_of_work() as uow:
            put_settings(uow, "core", {"theme": theme})
        tab.goto("/r/order")
        tab.wait_for_load_state("networkidle")
    paths = [path for path, _has in tab.evaluate(_KEPT, "x")["files"]]
    assert len(paths) == len(set(paths))
