"""Fuzzing by the OpenAPI document (O2): no 5xx, and no answer that the document does not allow."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
#: Two entities that have every type, line and verb between them, and what is not about records.
PATHS = r"^/api/v1/(records/(note|role)(/|$)|schema|jobs|imports/|me$|settings)"
EXAMPLES = 2

#: What is allowed does not depend on the database.
pytestmark = pytest.mark.databases("sqlite")


def operations(app, headers, paths):
    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", app, headers=headers)
    for result in schema.include(path_regex=paths).get_all_operations():
        yield result.ok()


def aim(case, turn: int) -> None:
    """Point a request at something that is there, three times out of four."""
    there = {"id": 1 + turn % 3, "group": "core", "entity": "note"}
    if turn % 4:
        parameters = case.path_parameters or {}
        parameters.update({name: there[name] for name in there.keys() & parameters.keys()})


def fuzz(app, callers, mode, *, examples=EXAMPLES, paths=PATHS) -> int:
    """Call every operation of the first caller's document with generated requests, each sent by all
    callers one after the other; returns how many were sent. To make one takes five times as long as
    to send it."""
    # The client in process unpacks nothing.
    callers = [{**headers, "Accept-Encoding": "identity"} for headers in callers]
    made = sent = 0
    for operation in operations(app, callers[0], paths):
        strategy = operation.as_strategy(generation_mode=mode)

        @given(case=strategy)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def call(case):
            nonlocal made, sent
            made += 1
            if mode == schemathesis.GenerationMode.POSITIVE:
                aim(case, made)
            for headers in callers:
                sent += 1
                case.call_and_validate(headers=headers, checks=CHECKS)

        call()
    return sent


@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"])
def test_every_answer_is_in_the_document(app, bearer, api, admin_id, mode):
    """O2"""
    for n in range(3):
        api.made("note", title=f"n{n}", amount="1", lines=[{"text": "x"}])
    sent = fuzz(app, [bearer(admin_id)], schemathesis.GenerationMode[mode])
    assert sent > 50


#: Who asks, apart from an administrator: roles, and the scopes of the token.
CALLERS = {
    "writer": (("writer",), None),
    "viewer": (("viewer",), None),
    "nobody's": ((), None),
    "limited": (("writer",), ["note.read"]),
}


@pytest.mark.parametrize("who", CALLERS)
def test_so_is_every_answer_to_others(app, bearer, api, make_person, who):
    """O2: each has a document of their own, which their answers keep to."""
    for n in range(3):
        api.made("note", title=f"n{n}", amount="1", lines=[{"text": "x"}])
    roles, scopes = CALLERS[who]
    headers = bearer(make_person(roles=roles), scopes)
    sent = fuzz(app, [headers], schemathesis.GenerationMode.POSITIVE, examples=5)
    assert sent >= 10


@pytest.mark.long
@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"])
def test_every_answer_of_every_path(app, bearer, api, make_person, admin_id, mode):
    """O2: five callers, every path but what switches plugins; 50,000 cases between them."""
    for n in range(3):
        api.made("note", title=f"n{n}", amount="1", lines=[{"text": "x"}])
    others = [bearer(make_person(roles=roles), scopes) for roles, scopes in CALLERS.values()]
    paths = r"^/api/v1/(?!plugins|tokens)"
    mode = schemathesis.GenerationMode[mode]
    assert fuzz(app, [bearer(admin_id), *others], mode, examples=68, paths=paths) > 25_000
