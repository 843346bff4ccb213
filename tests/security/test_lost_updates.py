"""N1: editors of every kind at random moments: whoever is told yes has lost nothing of another.

A mark is appended to a text that was read before: if a write goes through although the text has
changed since, the marks in between are gone.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from core.entities import query, service
from core.errors import Conflict

#: Steps of each interleaving: every second one is a write.
FULL, SHORT = 10_000, 600


@dataclass
class Text:
    """One record's text as the test believes it to be, and the marks that were said to be kept."""

    key: int
    made: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)


def _with_version(uow: Any, key: int) -> tuple[int, str]:
    values = query.get(uow, "oracle_deal", key).values
    return values["version"], values["notes"] or ""


@pytest.fixture
def editors(client, bearer, admin_id, sign_in, unit_of_work):
    """``{kind: (read, write)}``; ``write(key, seen, mark)`` is True when it was kept."""
    headers, browser = bearer(admin_id), sign_in()
    path = "/api/v1/records/oracle_deal"

    def read(key: int) -> Any:
        with unit_of_work(admin_id, write=False) as uow:
            return _with_version(uow, key)

    def by_service(key: int, seen: Any, mark: str) -> bool:
        try:
            with unit_of_work(admin_id) as uow:
                values = {key: {"notes": f"{seen[1]} {mark}"}}
                service.update(uow, "oracle_deal", values, versions={key: seen[0]})
        except Conflict:
            return False
        return True

    def answered(answer: Any, *, conflict: tuple[int, ...]) -> bool:
        assert answer.status_code in (200, 302, 303, *conflict), answer.get_data(as_text=True)[:500]
        return answer.status_code not in conflict

    def by_if_match(key: int, seen: Any, mark: str) -> bool:
        more = {"If-Match": f'"{seen[0]}"', **headers}
        body = {"notes": f"{seen[1]} {mark}"}
        answer = client.patch(f"{path}/{key}", json=body, headers=more)
        return answered(answer, conflict=(409, 412))

    def by_version(key: int, seen: Any, mark: str) -> bool:
        body = {"notes": f"{seen[1]} {mark}", "version": seen[0]}
        return answered(client.patch(f"{path}/{key}", json=body, headers=headers), conflict=(409,))

    def by_batch(key: int, seen: Any, mark: str) -> bool:
        row = {"id": key, "version": seen[0], "notes": f"{seen[1]} {mark}"}
        answer = client.post(f"{path}/batch", json={"update": [row]}, headers=headers)
        assert answer.status_code in (200, 409), answer.json
        return answer.status_code == 200 and answer.json["results"][0]["status"] < 300

    def open_form(key: int) -> Any:
        page = browser.get(f"/r/oracle_deal/{key}/edit").get_data(as_text=True)
        fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
        notes = re.search(r'<textarea[^>]*name="notes"[^>]*>\n?([^<]*)</textarea>', page)
        assert notes, page[:3000]
        return fields, notes[1]

    def by_form(key: int, seen: Any, mark: str) -> bool:
        fields, notes = seen
        # Of a form that is answered with a conflict, nothing is kept until a person has chosen.
        data = {**fields, "title": "t", "stage": "new", "notes": f"{notes} {mark}"}
        answer = browser.post(
            f"/r/oracle_deal/{key}/edit", data=data, headers={"X-CSRF-Token": browser.csrf}
        )
        return answered(answer, conflict=(409,))

    return {
        "service": (read, by_service),
        "If-Match": (read, by_if_match),
        "version": (read, by_version),
        "batch": (read, by_batch),
        "form": (open_form, by_form),
    }


def interleave(editors: dict[str, Any], text: Text, steps: int, seed: int) -> None:
    """Each step one of them, at random, reads, or writes over what it has read before."""
    rng = random.Random(seed)
    held: dict[str, Any] = {}
    for turn in range(steps):
        kind = rng.choice(list(editors))
        read, write = editors[kind]
        if kind not in held:
            held[kind] = read(text.key)
        elif write(text.key, held.pop(kind), f"{kind}{turn}"):
            text.made.append(f"{kind}{turn}")
        else:
            text.refused[kind] += 1


def lost(text: Text, unit_of_work: Any) -> set[str]:
    with unit_of_work(write=False) as uow:
        kept = _with_version(uow, text.key)[1].split()
    return set(text.made) - set(kept)


def run(editors: Any, unit_of_work: Any, steps: int) -> Text:
    """Several records, so that their texts stay short; the losses of all of them."""
    total = Text(0)
    for seed in range(max(1, steps // 200)):
        with unit_of_work() as uow:
            (key,) = service.create(uow, "oracle_deal", [{"title": "t"}])
        text = Text(key)
        interleave(editors, text, min(steps, 200), seed)
        total.refused += text.refused
        total.made += [f"{seed}-{mark}" for mark in lost(text, unit_of_work)]
    return total


def test_no_update_is_lost(editors, unit_of_work, database_kind):
    """N1, in short: the service, REST with If-Match and version, batches, forms."""
    found = run(editors, unit_of_work, SHORT if database_kind == "sqlite" else SHORT // 3)
    assert found.made == []
    assert set(found.refused) == set(editors), "each of them was refused at some time"


@pytest.mark.long
def test_no_update_is_lost_in_ten_thousand_steps(editors, unit_of_work, database_kind):
    """N1: the full figure, and a fifth of it on the other database."""
    found = run(editors, unit_of_work, FULL if database_kind == "sqlite" else FULL // 5)
    assert found.made == []
    assert set(found.refused) == set(editors)


@pytest.mark.databases("sqlite")
def test_without_the_check_updates_are_lost(editors, unit_of_work, monkeypatch):
    """Positive control."""
    monkeypatch.setattr("core.entities.service._check_versions", lambda *given, **more: None)
    found = run(editors, unit_of_work, 200)
    assert found.made
