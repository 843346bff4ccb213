"""Pages that follow rules, and the page where they are set; tried to get around."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest

from core.entities import query
from core.testing.installation import PASSWORD

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

DONE = {"field": "status", "op": "eq", "value": "done"}
NESTED = {"any": [DONE, {"all": [{"field": "site.name", "op": "is_set"}, {"field": "amount", "op": "ge", "value": 5}]}]}  # fmt: skip
RULES = "/admin/fields/order/hours/rules"


@pytest.fixture
def browser(sign_in):
    """The administrator's."""
    return sign_in()


@pytest.fixture
def workers(worker, sign_in, unit_of_work):
    """The worker's browser."""
    with unit_of_work(write=False) as uow:
        return sign_in(query.get(uow, "user", worker).values["email"], PASSWORD)


@pytest.fixture
def post():
    """``post(browser, path, **data)`` with the token of a page."""

    def send(browser, path, **data):
        page = browser.get("/r/order/new").get_data(as_text=True)
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
        return browser.post(path, data={"csrf_token": token, **data})

    return send


def test_the_form_is_told_how_its_fields_stand(rule, browser, post):
    """S2: by what it holds at the moment, with nothing written."""
    rule("hours", visible_when=DONE, required=True)
    assert post(browser, "/r/order/follow", title="A", status="open").json == {
        "fields": {"hours": {"applies": False, "required": False}}
    }
    assert post(browser, "/r/order/follow", title="A", status="done").json == {
        "fields": {"hours": {"applies": True, "required": True}}
    }


def test_of_a_record_what_is_not_sent_is_as_it_was(rule, make, browser, post):
    rule("hours", required_when={"field": "pieces", "op": "ge", "value": 5})
    order = make(pieces=7, hours=1)
    (found,) = (
        post(browser, "/r/order/follow", record=str(order), title="B").json["fields"].values()
    )
    assert found == {"applies": True, "required": True}


def test_nobody_is_told_of_records_and_fields_out_of_reach(
    rule, make, workers, post, worker, client
):
    """Z1: another's record is a missing one; a hidden field is not named; who is not signed in, leaves."""
    rule("hours", required_when=DONE)
    rule("secret", required_when=DONE)
    others, own = make(), make(owner=worker)
    assert post(workers, "/r/order/follow", record=str(others), title="B").status_code == 404
    answer = post(workers, "/r/order/follow", record=str(own), status="done")
    assert list(answer.json["fields"]) == ["hours"]
    assert post(workers, "/r/site/follow", name="B").status_code == 403
    assert client.post("/r/order/follow", data={"title": "B"}).status_code in (302, 303, 400, 401)


def test_without_scripts_what_does_not_apply_is_off(rule, make, browser):
    """It is drawn disabled, so that no browser sends it; the page of the record leaves it out."""
    rule("hours", visible_when=DONE)
    order, done = make(), make(status="done", hours="4")
    form = browser.get(f"/r/order/{order}/edit").get_data(as_text=True)
    assert re.search(r'data-follows="hours"[^>]* disabled hidden', form)
    form = browser.get(f"/r/order/{done}/edit").get_data(as_text=True)
    assert not re.search(r'data-follows="hours"[^>]* disabled', form)
    assert "Hours" not in browser.get(f"/r/order/{order}").get_data(as_text=True)
    assert "Hours" in browser.get(f"/r/order/{done}").get_data(as_text=True)


@pytest.mark.databases("sqlite")
def test_a_form_without_conditions_asks_nothing_while_it_is_filled_in(rule, browser):
    rule("hours", minimum=1)
    assert "data-follow" not in browser.get("/r/order/new").get_data(as_text=True)


def test_rules_are_weighed_told_and_put_into_force(make, browser, post):
    """K3: the page counts what breaks the rule and says what it comes to before it holds."""
    make(status="done"), make(status="done")
    address = f"{RULES}?check=1&part=required_when&filter_field=status&filter_op=in&filter_value=done&part="
    page = browser.get(address).get_data(as_text=True)
    assert "#1、#2" in page or "#1, #2" in page
    body = json.loads(re.search(r'name="rules" value="([^"]*)"', page)[1].replace("&#34;", '"'))
    assert body == {"required_when": {"all": [{"field": "status", "op": "in", "value": ["done"]}]}}
    assert post(browser, RULES, rules=json.dumps(body)).status_code == 303
    assert post(browser, "/r/order/new", title="A", status="done", form_key="a").status_code == 422


@pytest.mark.databases("sqlite")
def test_the_page_asks_for_whom_a_rule_holds(rule, browser):
    """Ticked it is skipped for who may not see; the page says so of the rules in force."""
    asked = browser.get(f"{RULES}?check=1&validation=hours+%3E+1&unseen=1").get_data(as_text=True)
    found = unescape(re.search(r'name="rules" value="([^"]*)"', asked)[1])
    assert json.loads(found) == {"validation": "hours > 1", "unseen": "skip"}
    rule("hours", **json.loads(found))
    assert re.search(r'name="unseen"[^>]*checked', browser.get(RULES).get_data(as_text=True))


@pytest.mark.databases("sqlite")
def test_what_is_wrong_is_said_beside_its_part(browser):
    answer = browser.get(f"{RULES}?check=1&validation=hours+%2B&minimum=5&maximum=1")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert 'id="error-validation"' in page
    assert 'id="error-maximum"' in page
    assert 'name="rules"' not in page


@pytest.mark.databases("sqlite")
def test_a_condition_that_needs_more_than_rows_is_kept(rule, browser):
    """Set over REST: shown in words, and kept while its box is ticked."""
    rule("hours", required_when=NESTED)
    page = browser.get(RULES).get_data(as_text=True)
    assert 'name="keep_required_when"' in page
    assert "Site · Site name" in page
    kept = browser.get(f"{RULES}?check=1&keep_required_when=1&minimum=1").get_data(as_text=True)
    assert "&#34;any&#34;" in kept
    assert "&#34;any&#34;" not in browser.get(f"{RULES}?check=1").get_data(as_text=True)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("rules", ["", "[]", "{", '{"required": "yes"}'])
def test_nonsense_is_refused(browser, post, rules):
    assert post(browser, RULES, rules=rules).status_code == 422


@pytest.mark.databases("sqlite")
def test_the_page_is_for_administrators(workers, post):
    assert workers.get(RULES).status_code == 403
    assert post(workers, RULES, rules="{}").status_code == 403


def test_a_broken_rule_is_told_to_the_administrator(
    rule, own_field, browser, unit_of_work, admin_id
):
    """It names a field that is gone, as with a module: nobody is held up, and the page says so."""
    from sqlalchemy import update

    from core.customize.tables import custom_field_table
    from core.runtime import bump_structure

    own_field("x_kind", "text")
    rule("hours", required_when={"field": "x_kind", "op": "is_empty"})
    with unit_of_work(admin_id) as uow:  # as a restored backup of another time would leave it
        uow.execute(update(custom_field_table).values(retired=True))
        bump_structure(uow.connection)
    assert browser.get(RULES).status_code == 200
    assert "notice-warn" in browser.get(RULES).get_data(as_text=True)
    assert browser.get("/r/order/new").status_code == 200
