"""S-242: whoever a module is closed to sees what they saw with the module off, wherever they look."""

from __future__ import annotations

import re

import pytest

from core.ops.lifecycle import disable
from core.testing.installation import PASSWORD

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

#: What differs from one answer to the next.
_OWN = (
    (r'name="csrf_token" value="[^"]*"', ""),
    (r'name="csrf-token" content="[^"]*"', ""),
    (r'"request_id": ?"[^"]*"', ""),
    (r"<code>[0-9a-f]{16}</code>", ""),
    (r'name="(form_key|opened|once)" value="[^"]*"', ""),
)
#: Files with a time of writing in them, and what asks nobody.
_LEFT_OUT = re.compile(
    r"xlsx|/static|/theme|/admin|/(second-factor|tokens|backups|settings|retired|password|files|jobs)"
    r"|^/(healthz|readyz|metrics|manifest|favicon|sw\.js|offline|sign-in|forgotten)"
)
#: Places where there is something of the module to see.
_SHOWING = (
    "/",
    "/r/customer",
    "/r/lead/1",
    "/crm_sales/funnel",
    "/search?q=鼎源",
    "/api/openapi.json",
    "/api/v1/schema",
    "/api/v1/records/lead/1/timeline",
)


def places(app, world):
    """Every address that can be asked for, with each of the entities and records."""
    keys = {"customer": world.customer, "lead": world.lead}
    found = []
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        if "GET" not in rule.methods or _LEFT_OUT.search(rule.rule):
            continue
        path = rule.rule.replace("<any(csv, xlsx):format>", "csv")
        if "<entity>" not in path:
            found.append(re.sub(r"<[^>]*>", "1", path))
            continue
        for entity, key in keys.items():
            filled = path.replace("<entity>", entity).replace("<record:record_id>", str(key))
            filled = filled.replace("<int:record_id>", str(key))
            found.append(re.sub(r"<[^>]*>", "1", filled))
    found += [f"/r/{name}/{world.opportunity}" for name in ("opportunity",)]
    found += ["/r/opportunity", "/r/task", f"/r/task/{world.task}"]
    words = ["鼎源", "青岛", "回访"]
    found += [f"{path}?q={word}" for path in ("/search", "/api/v1/search") for word in words]
    found += [f"{path}?q={words[0]}" for path in ("/suggest-related", "/suggest")]
    found += [
        f"/r/{entity}?{query}"
        for entity, query in (
            ("lead", "layout=board"),
            ("lead", "layout=calendar"),
            ("lead", "f=customer&o=eq&v=1"),
            ("task", "sort=related_id"),
        )
    ]
    found += [
        "/api/v1/records/task?fields=title,related_id&sort=-id",
        "/api/v1/records/lead?filter=%7B%22field%22%3A%22converted_to%22%7D",
        f"/api/v1/explain?entity=customer&id={world.customer}&action=read",
        f"/api/v1/explain?entity=lead&id={world.fresh}&action=convert",
        f"/crm_sales/customers/new?lead={world.lead}",
    ]
    return found


def look(browser, paths):
    """What stands at each place: status, type and text."""
    found = {}
    for path in paths:
        answer = browser.get(path, headers={"Accept-Language": "en"})
        text = answer.get_data(as_text=True)
        for pattern, instead in _OWN:
            text = re.sub(pattern, instead, text)
        where = answer.headers.get("Location", "")
        found[path] = (answer.status_code, answer.content_type, where, text)
    return found


def differing(one, other):
    return {path: (one[path][:3], other[path][:3]) for path in one if one[path] != other[path]}


def test_every_page_and_route_is_as_with_the_module_off(
    app, runtime, unit_of_work, sign_in, team, world, east, pilot, monkeypatch
):
    moment = runtime.clock.now()  # pages tell the minute
    monkeypatch.setattr(runtime.clock, "source", lambda: moment)
    paths = places(app, world)
    assert len(paths) > 100
    outside = sign_in("person3@example.com", PASSWORD)
    inside = sign_in("person2@example.com", PASSWORD)
    some = [path for path in paths if path in _SHOWING]
    assert len(some) == len(_SHOWING)
    before, others = look(outside, some), look(inside, some)
    pilot("crm_sales", east)
    closed, kept = look(outside, paths), look(inside, some)
    with unit_of_work() as uow:
        disable(uow, "crm_sales")
    off = look(outside, paths)
    assert differing(closed, off) == {}
    assert {answer[0] for answer in closed.values()} <= {200, 302, 400, 403, 404, 422}
    # Positive controls: it was there, and still is for the group, those below it included.
    assert before["/r/customer"][0] == kept["/r/customer"][0] == 200
    assert (closed["/r/customer"][0], closed["/crm_sales/funnel"][0]) == (404, 404)
    assert [path for path in some if before[path] == closed[path]] == []
    assert differing(others, kept) == {}
