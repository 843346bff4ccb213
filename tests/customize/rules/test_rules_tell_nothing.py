"""A rule that looks at what its writer may not see: it holds and says only that, or tells nothing."""

from __future__ import annotations

import re

import pytest

from core.entities import field_rules, query, service
from core.testing.installation import PASSWORD

SECRET = {"field": "secret", "op": "eq", "value": "alphaville"}
#: What differs between two answers of the same page in any case.
_NOISE = re.compile(
    r'value="[\w.=-]{16,}"|content="[\w.=-]{16,}"|nonce-[\w-]+|"[0-9a-f-]{32,}"|#?\d+'
)
ATTACKS = (
    "the form",
    "the form as it is filled in",
    "the record's page",
    "what is asked of the form",
    "emptying",
    "a value",
    "a value with a validation",
    "saving the form",
)


@pytest.fixture
def unseen():
    return "skip"


@pytest.fixture
def answers(unit_of_work, make_person, sign_in, bearer, client, rule, unseen):
    """``answers("worker", "alphaville") -> {attack: what is told}`` in that world."""
    rule("hours", required_when=SECRET, unseen=unseen)
    rule("pieces", visible_when={"not": SECRET}, unseen=unseen)
    asked = "secret <> 'alphaville' OR note = 'free'"
    rule("note", validation=asked, message={"en": "alpha"}, unseen=unseen)
    people = {}
    for role in ("worker", "foreman"):
        key = make_person(role, roles=(role,), password=PASSWORD)
        with unit_of_work(write=False) as uow:
            email = query.get(uow, "user", key).values["email"]
        people[role] = (key, sign_in(email, PASSWORD), bearer(key))

    def play(role, secret):
        key, browser, headers = people[role]
        with unit_of_work() as uow:
            item = {"title": "T", "hours": 1, "owner": key, "secret": secret, "note": "free"}
            (order,) = service.create(uow, "order", [item])
        base, record = f"/r/order/{order}", f"/api/v1/records/order/{order}"
        page = browser.get(f"{base}/edit").get_data(as_text=True)
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
        form = {"csrf_token": token, "record": str(order), "title": "U", "hours": ""}

        def patch(body):
            return client.patch(record, json=body, headers=headers)

        def save():
            page = browser.get(f"{base}/edit").get_data(as_text=True)
            version = re.search(r'name="version" value="(\d+)"', page)[1]
            return browser.post(f"{base}/edit", data={**form, "version": version, "note": "N"})

        asked = {
            "the form": lambda: browser.get(f"{base}/edit"),
            "the form as it is filled in": lambda: browser.post("/r/order/follow", data=form),
            "the record's page": lambda: browser.get(base),
            "what is asked of the form": lambda: browser.get("/r/order/new"),
            "emptying": lambda: patch({"hours": None}),
            "a value": lambda: patch({"pieces": 3}),
            "a value with a validation": lambda: patch({"note": "other"}),
            "saving the form": save,
        }
        found = {}
        for name, ask in asked.items():
            answer = ask()
            text = _NOISE.sub("", answer.get_data(as_text=True)).replace(secret, "")
            found[name] = (answer.status_code, text)
        return found

    return play


def test_the_answers_are_the_same_in_both_worlds(answers):
    """Z6: for somebody to whom the field is hidden, forms, pages and refusals do not hang on it."""
    one, other = answers("worker", "alphaville"), answers("worker", "omegapoint")
    assert [attack for attack in ATTACKS if one[attack] != other[attack]] == []


@pytest.mark.parametrize("unseen", ["enforce"])
def test_they_hold_for_who_may_not_see_unless_the_company_says_otherwise(answers):
    """The writer is told that a rule refuses, and no more; forms and pages show nothing of it."""
    held, free = answers("worker", "alphaville"), answers("worker", "omegapoint")
    shown = [attack for attack in ATTACKS if attack.startswith(("the ", "what "))]
    assert [attack for attack in shown if held[attack] != free[attack]] == []
    for attack, field in (
        ("emptying", "hours"),
        ("a value", "pieces"),
        ("a value with a validation", "note"),
    ):
        assert free[attack][0] == 200
        status, text = held[attack]
        codes = re.findall(r'"field":"(\w*)","code":"(\w+)"', text)
        assert (status, codes) == (422, [(field, "refused_by_rule")])
        assert "alpha" not in text
    assert (held["saving the form"][0], free["saving the form"][0]) == (422, 303)
    assert "公司的规则" in held["saving the form"][1]


@pytest.mark.databases("sqlite")
def test_for_whom_it_is_open_they_differ(answers):
    """Positive control: the same rules do act, and these answers would tell."""
    one, other = answers("foreman", "alphaville"), answers("foreman", "omegapoint")
    told = {attack for attack in ATTACKS if one[attack] != other[attack]}
    assert told >= {"the form", "the form as it is filled in", "emptying", "a value"}
    assert "a value with a validation" in told


@pytest.mark.databases("sqlite")
def test_without_the_guard_they_would_tell(answers, monkeypatch):
    """Positive control: were rules asked of whoever writes, whatever they may see, it would show."""
    monkeypatch.setattr(field_rules, "may_use", lambda *_given: True)
    one, other = answers("worker", "alphaville"), answers("worker", "omegapoint")
    told = {attack for attack in ATTACKS if one[attack] != other[attack]}
    assert told >= {"emptying", "a value", "a value with a validation"}
