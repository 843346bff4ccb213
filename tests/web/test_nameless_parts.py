"""A part of a form without a name, which no browser sends, is a bad request wherever it is sent."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.databases("sqlite")

_FIELD, _FILE = "form-data", 'form-data; filename="a.csv"'


@pytest.fixture(params=[_FIELD, _FILE])
def sent(request):
    part = f"--x\r\nContent-Disposition: {request.param}\r\n\r\nfalse\r\n"
    body = f"{part}{part}--x--\r\n".encode()
    return {"data": body, "content_type": "multipart/form-data; boundary=x"}


def test_programs_are_told_so(client, bearer, admin_id, sent):
    """O2"""
    answer = client.post("/api/v1/imports", headers=bearer(admin_id), **sent)
    assert (answer.status_code, answer.json["errors"]) == (400, [])


@pytest.mark.parametrize("path", ["/r/specimen/new", "/r/specimen/bulk-edit", "/r/specimen/delete"])
def test_pages_refuse_it(sign_in, client, path, sent):
    for browser in (sign_in(), client):  # with a session and without
        answer = browser.post(path, headers={"Origin": "http://localhost"}, **sent)
        assert answer.status_code == 400
