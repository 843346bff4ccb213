"""A8 and C1: what a limited token opens of all routes, and which sessions a CSRF token is good for."""

from __future__ import annotations

from typing import Any

import pytest
from test_requests import _rules, digest

from core.entities import service
from core.http.requests import route_policy

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

#: Open to every token, whatever its scopes: what belongs to its own person, and what is public.
OWN = {
    "api.get_me", "api.get_schema", "api.openapi", "api.docs_page", "api.list_imports", "web.home",
    "web.search", "web.suggest_all", "api.search_all", "web.jobs", "web.profile", "web.suggest_region",
    "web.all_imports", "web.entity_imports", "web.upload_file", "web.sign_out",
    "web.end_sign_in_as", "web.notifications", "web.set_single_keys", "web.set_navigation",
    "web.help_index", "web.suggest_related",
}  # fmt: skip
#: Reading routes about the records of one entity, and the right that each of them needs.
READING = {
    "api.list_records": "read", "api.get_record": "read", "api.read_timeline": "read",
    "api.aggregate_records": "read", "api.read_document": "read", "web.print_record": "read",
    "api.export_records": "export", "web.list_records": "read",
    "web.show_record": "read", "web.recycle_bin": "delete", "web.new_record": "create",
    "web.edit_record": "update", "web.export_records": "export", "web.import_start": "import",
    "web.suggest": "read", "web.show_row": "read", "web.look_at_record": "read",
    "web.list_totals": "read", "web.live_rows": "read",
}  # fmt: skip
SCOPES = ("oracle_deal.read", "oracle_deal.create", "oracle_deal.update", "oracle_deal.export", "*.read",
          "oracle_deal.*", "oracle_account.*", "oracle_deal.import", "oracle_deal.approve")  # fmt: skip


def declared(scope: str, entity: str, action: str) -> bool:
    """What a scope stands for, told naively."""
    of, _dot, right = scope.partition(".")
    return of in ("*", entity) and right in ("*", action)


def _path(app: Any, rule: Any, key: int) -> str:
    values = {"entity": "oracle_deal", "record_id": key, "format": "csv", "template": "sheet"}
    with app.test_request_context():
        chosen = {name: values[name] for name in rule.arguments}
        return app.url_map.bind("localhost").build(rule.endpoint, chosen)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_token_reads_exactly_what_its_scope_declares(
    app, client, bearer, admin_id, unit_of_work, scope
):
    """A8: of an administrator, who without the scope reads all of it."""
    with unit_of_work(admin_id) as uow:
        (key,) = service.create(uow, "oracle_deal", [{"title": "t"}])
    headers, asked = bearer(admin_id, [scope]), set()
    for rule in app.url_map.iter_rules():
        action = READING.get(rule.endpoint)
        if action is None:
            continue
        asked.add(rule.endpoint)
        answer = client.get(_path(app, rule, key), headers=headers)
        answer.get_data()
        seen = declared(scope, "oracle_deal", "read")
        wanted = declared(scope, "oracle_deal", action)
        if action in ("export", "update", "delete") and rule.endpoint.startswith("web."):
            wanted = wanted and seen  # the page shows what is there
        if rule.endpoint == "api.export_records":
            wanted = wanted and seen
        if action == "import":
            wanted = wanted and declared(scope, "oracle_deal", "create")
        assert (answer.status_code == 200) is wanted, (rule.endpoint, answer.status_code)
    assert asked == set(READING)


def test_a_limited_token_opens_nothing_else(app, client, bearer, admin_id, unit_of_work):
    """A8: every other route, with every method, is closed to it, and nothing is written."""
    headers = bearer(admin_id, ["oracle_account.read"])
    logs = ("core_session", "core_sign_in", "core_api_token", "core_audit_entry", "core_event")
    before, closed = digest(unit_of_work, without=logs), 0
    endpoints = {endpoint: route_policy(view) for endpoint, view in app.view_functions.items()}
    adapter = app.url_map.bind("localhost")
    for writing in (False, True):
        for method, path in _rules(app, writing=writing):
            endpoint, _values = adapter.match(path, method=method)
            if endpoint in OWN or endpoints[endpoint] == "public":
                continue
            answer = client.open(path, method=method, headers=headers)
            if endpoint == "web.export_run":  # without a format it shows the dialog
                answer = client.get(answer.headers["Location"], headers=headers)
            answer.get_data()
            assert answer.status_code in (400, 403, 404, 415, 422), (method, path)
            closed += answer.status_code in (403, 404)
    assert closed >= 80
    assert digest(unit_of_work, without=logs) == before


#: What changes how somebody sees the suite: a form that would do so, by the path.
PREFERENCES: dict[str, dict[str, Any]] = {
    "/language": {"locale": "en"},
    "/profile": {"name": "Another", "locale": "en"},
    "/notifications/kinds": {"kinds": ["core.mentioned"]},
    "/r/oracle_deal/columns": {"columns": ["title"]},
    "/r/oracle_deal/columns/widths": {"title": "333"},
    "/r/oracle_deal/board-limits": {"by": "stage", "limit_of": "new", "limit": "3"},
    "/r/oracle_deal/views": {"title": "Mine", "query": "search=x"},
}
#: Public routes that write, each with a form that would change something for whoever is signed in.
PUBLIC_WRITES: dict[str, dict[str, Any]] = {
    "web.sign_in": {"email": "x@example.com", "password": "wrong"},
    "web.set_language": {"locale": "en"},
    "web.set_color_scheme": {"color_scheme": "dark"},
    "web.ask_for_password": {"email": "x@example.com"},
    "web.use_password_link": {"new_password": "a very calm horse", "repeated_password": "x"},
    "web.take_sign_in_step": {"code": "123456"},
}
LOGS = ("core_session", "core_sign_in", "core_api_token", "core_audit_entry", "core_event")


def test_no_public_route_writes_for_a_token(app, client, bearer, admin_id, unit_of_work):
    """A8: they are closed to nobody, so each must know by itself what a token may not."""
    headers = bearer(admin_id, ["oracle_account.read"])
    before, asked = digest(unit_of_work, without=(*LOGS, "core_job")), set()
    adapter = app.url_map.bind("localhost")
    for method, path in _rules(app, writing=True):
        endpoint, _values = adapter.match(path, method=method)
        if route_policy(app.view_functions[endpoint]) != "public":
            continue
        asked.add(endpoint)
        answer = client.open(path, method=method, data=PUBLIC_WRITES[endpoint], headers=headers)
        assert answer.status_code < 500, path
    assert asked == set(PUBLIC_WRITES)
    assert digest(unit_of_work, without=(*LOGS, "core_job")) == before


@pytest.mark.parametrize("scopes", [["oracle_deal.*", "user.*"], None])
def test_no_token_changes_what_its_person_prefers(
    client, bearer, admin_id, sign_in, unit_of_work, scopes
):
    """A8: whatever its scopes; the person's own session does."""
    headers, browser = bearer(admin_id, scopes), sign_in()
    before = digest(unit_of_work, without=LOGS)
    for path, form in PREFERENCES.items():
        assert client.post(path, data=form, headers=headers).status_code == 403, path
    assert digest(unit_of_work, without=LOGS) == before
    for path, form in PREFERENCES.items():
        own = browser.post(path, data={**form, "csrf_token": browser.csrf})
        assert own.status_code in (204, 302, 303), path
        now = digest(unit_of_work, without=LOGS)
        assert now != before, path
        before = now


def test_without_a_scope_the_same_routes_are_open(app, client, bearer, admin_id, unit_of_work):
    """Positive control."""
    with unit_of_work(admin_id) as uow:
        (key,) = service.create(uow, "oracle_deal", [{"title": "t"}])
    headers = bearer(admin_id)
    for rule in app.url_map.iter_rules():
        if rule.endpoint in READING:
            answer = client.get(_path(app, rule, key), headers=headers)
            answer.get_data()
            assert answer.status_code == 200, rule.endpoint


# C1


def test_a_csrf_token_is_good_for_its_own_session_alone(app, sign_in, make_person, unit_of_work):
    """C1: another person's token, and that of an earlier session of the same person."""
    make_person("Other", password="a very calm horse stands")
    browser, other = sign_in(), sign_in("person1@example.com", "a very calm horse stands")
    earlier = sign_in()
    old = earlier.csrf
    earlier.post("/sign-out", headers={"X-CSRF-Token": old})
    logs = ("core_session", "core_sign_in")
    before = digest(unit_of_work, without=logs)
    almost = (browser.csrf[:-1], browser.csrf + "x", browser.csrf.upper())
    wrong = (other.csrf, old, *almost)
    assert browser.csrf not in wrong
    tries: list[dict[str, Any]] = [
        *({"json": {}, "headers": {"X-CSRF-Token": token}} for token in wrong),
        *({"data": {"csrf_token": token}} for token in (other.csrf, old)),
    ]
    for number, (method, path) in enumerate(_rules(app, writing=True)):
        few = (tries[number % 5], tries[5 + number % 2])  # each route two, each try dozens of times
        for more in tries if number % 20 == 0 else few:
            answer = browser.open(path, method=method, **more)
            assert answer.status_code == 403, (method, path, answer.status_code)
    assert digest(unit_of_work, without=logs) == before


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""],
)
def test_what_a_form_elsewhere_can_send_is_no_json(app, sign_in, unit_of_work, kind):
    """C1: even with the right token, REST takes JSON alone."""
    browser = sign_in()
    headers = {"X-CSRF-Token": browser.csrf}
    before = digest(unit_of_work, without=("core_session",))
    for method, path in _rules(app, writing=True):
        if not path.startswith("/api/v1/records/") or method == "DELETE":
            continue
        body = b'{"title": "x"}'
        answer = browser.open(path, method=method, headers=headers, data=body, content_type=kind)
        assert 400 <= answer.status_code < 500, (method, path, answer.status_code)
    assert digest(unit_of_work, without=("core_session",)) == before


def test_no_other_method_does_what_a_writing_one_does(app, sign_in, unit_of_work):
    """C1: GET, HEAD and overrides of the method at each writing route."""
    browser = sign_in()
    trail = ("core_session", "core_audit_entry")
    before = digest(unit_of_work, without=trail)
    for method, path in _rules(app, writing=True):
        for way in ("GET", "HEAD"):
            answer = browser.open(
                path,
                method=way,
                headers={"X-HTTP-Method-Override": method},
                query_string={"_method": method, "title": "x"},
            )
            answer.get_data()
            assert answer.status_code < 500, (way, path)
    assert digest(unit_of_work, without=trail) == before
