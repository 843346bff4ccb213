"""The search finds what its reader may read, by what the reader may use, and nothing else."""

from __future__ import annotations

import pytest

from core.entities import service
from core.errors import Invalid
from core.ops.lifecycle import disable, enable
from core.search import finding, index

LEAD = {"company": "潍坊鸢衡机械", "contact_name": "单晓", "mobile": "13812345678"}


@pytest.mark.parametrize("level", ["hidden", "masked"])
def test_a_field_that_may_not_be_used_finds_nothing(make_leads, find, make_reader, level):
    """Z6, V4, S-220: neither by its end, nor whole, nor as the second word."""
    (key,) = make_leads(LEAD)
    reader = make_reader(mobile=level)
    assert [hit.id for hit in find("鸢衡", reader)] == [key]
    for words in ("13812345678", "5678", "鸢衡 5678"):
        assert find(words, reader) == []
        assert find(words), "the administrator finds it"


def test_the_field_check_is_what_holds_it_back(make_leads, find, make_reader, monkeypatch):
    """The control of the test above: with the check off, the hidden number is found."""
    make_leads(LEAD)
    reader = make_reader(mobile="hidden")
    monkeypatch.setattr("core.security.actor.EntityAccess.can_use", lambda self, item: True)
    monkeypatch.setattr("core.security.actor.EntityAccess.can_see", lambda self, item: True)
    for place in ("core.entities.query", "core.search.finding"):
        monkeypatch.setattr(f"{place}.visible", lambda uow, spec: tuple(spec))
    assert find("5678", reader)


def test_a_masked_name_is_shown_masked_and_found_by_other_fields(make_leads, find, make_reader):
    make_leads(LEAD)
    reader = make_reader(company="masked")
    assert find("鸢衡", reader) == []
    (hit,) = find("5678", reader)
    assert "鸢衡" not in hit.label


def test_only_records_within_reach_are_found(make_leads, find, make_reader):
    """S-219"""
    reader = make_reader("own")
    mine, _theirs = make_leads({**LEAD, "owner": reader}, LEAD)
    assert [hit.id for hit in find("鸢衡", reader)] == [mine]
    assert len(find("鸢衡", entities=["lead"])) == 2


def test_ones_own_records_are_found_below_many_newer_ones_of_others(
    make_leads, find, make_reader, monkeypatch, unit_of_work, run_jobs
):
    """A common word: the newest candidates are all out of reach."""
    monkeypatch.setattr(finding, "CANDIDATES", 5)
    reader = make_reader("own")
    (mine,) = make_leads({**LEAD, "owner": reader})
    (given,) = make_leads(LEAD)
    make_leads(*(LEAD for _n in range(12)))
    ways = ("鸢衡", "yhjx", "weifang", "5678", "潍坊 sx")
    assert {words: [hit.id for hit in find(words, reader)] for words in ways} == {
        words: [mine] for words in ways
    }
    with unit_of_work() as uow:
        service.update(uow, "lead", {mine: {"owner": None}, given: {"owner": reader}})
    run_jobs()
    assert [hit.id for hit in find("yhjx", reader)] == [given]


@pytest.mark.parametrize("theirs", [2, 9, 30])
@pytest.mark.parametrize("alike", [1, 3, 11])
def test_as_many_of_ones_own_are_found_as_are_shown(
    make_leads, find, make_reader, monkeypatch, theirs, alike
):
    """However common the words are, and however few records are the reader's: every way to look."""
    monkeypatch.setattr(finding, "CANDIDATES", 8)
    monkeypatch.setattr(finding, "FEW", 0)  # the list's own search would hide what the index misses
    small = {"_SAMPLE": 8, "_COMMON": 3, "_WINDOW": 20, "_AGE_BITS": 2, "_MOST_AGES": 4,
             "_EXPECTED": 12, "_FIRST_WINDOW": 20, "_FEW": 6}  # fmt: skip
    for name, value in small.items():
        monkeypatch.setattr(index, name, value)
    reader = make_reader("own")
    keys = make_leads(
        *(
            {
                "company": "潍坊鸢衡机械" if n % alike == 0 else "高密一家",
                "owner": reader if n % theirs == 0 else None,
            }
            for n in range(120)
        )
    )
    mine = {key for n, key in enumerate(keys) if n % theirs == 0 and n % alike == 0}
    for words in ("鸢衡", "yhjx", "weifang"):
        found = [hit.id for hit in find(words, reader, limit=4)]
        assert len(found) == min(4, len(mine)), words
        assert set(found) <= mine


def test_who_may_read_nothing_finds_nothing(make_leads, find, make_person):
    make_leads(LEAD)
    assert find("鸢衡", make_person(roles=())) == []


def test_the_recycle_bin_and_a_module_that_is_off_are_left_out(
    make_leads, find, unit_of_work, run_jobs
):
    (key,) = make_leads(LEAD)
    with unit_of_work() as uow:
        service.delete(uow, "lead", [key])
    assert find("鸢衡") == [], "before the index knows"
    run_jobs()
    assert find("鸢衡") == []
    with unit_of_work() as uow:
        service.restore(uow, "lead", [key])
    run_jobs()
    assert [hit.id for hit in find("鸢衡")] == [key]
    with unit_of_work() as uow:
        disable(uow, "crm_leads")
    assert find("鸢衡") == []
    with unit_of_work() as uow:
        enable(uow, "crm_leads")
    run_jobs()
    assert [hit.id for hit in find("鸢衡")] == [key]


def test_over_rest_and_on_the_page_it_is_the_same(
    make_leads, client, bearer, make_reader, admin_id
):
    """Z1"""
    (key,) = make_leads(LEAD)
    answer = client.get("/api/v1/search?q=5678", headers=bearer(admin_id))
    (hit,) = answer.json["items"]
    assert (hit["entity"], hit["id"], hit["field"]) == ("lead", key, "mobile")
    reader = bearer(make_reader(mobile="hidden"))
    assert client.get("/api/v1/search?q=5678", headers=reader).json == {"items": []}
    for path in ("/search?q=5678", "/suggest?q=5678"):
        shown = client.get(path, headers=bearer(admin_id)).get_data(as_text=True)
        assert f"/r/lead/{key}" in shown
        assert f"/r/lead/{key}" not in client.get(path, headers=reader).get_data(as_text=True)


def test_an_entity_that_may_not_be_read_is_refused(client, bearer, make_reader, make_leads):
    make_leads(LEAD)
    reader = bearer(make_reader())
    assert client.get("/api/v1/search?q=a&entity=lead", headers=reader).status_code == 200
    assert client.get("/api/v1/search?q=a&entity=role", headers=reader).status_code == 403
    assert client.get("/api/v1/search?q=a&entity=nothing", headers=reader).status_code == 404
    assert client.get("/api/v1/search?q=a&limit=0", headers=reader).status_code == 400
    assert client.get("/api/v1/search?q=a").status_code == 401


EVIL = (
    '"', "'", '""', "鸢衡\"", "鸢衡' OR 1=1 --", "鸢衡* OR tokens:*", "NEAR(鸢衡 机械)", "NOT 鸢衡", "鸢衡 & !机械",
    "a:*", ":*", "<->", "\\", "%", "_", "{tokens} : 鸢衡", "^鸢衡", "- 鸢衡", "鸢衡)", "((((", "\u202e鸢", "﷽" * 50,
    "x" * 10_000, "鸢" * 10_000, "1" * 10_000, "a1" * 5_000, " ".join("鸢衡机械潍坊"), "😀", "İ", "ß", "ﬁ", "\ufeff",
)  # fmt: skip


def test_no_words_are_a_statement(make_leads, find):
    """I1, I2, I3: what a database's text search understands is text here."""
    (key,) = make_leads({"company": "别家", "contact_name": "乙"})
    for words in EVIL:
        assert key not in {hit.id for hit in find(words, entities=["lead"])}, words
    make_leads(*({"company": words[:120]} for words in EVIL if words.strip()))
    assert [hit.id for hit in find("别家", entities=["lead"])] == [key]


def test_what_no_text_holds_is_refused(find):
    for words in ("a\x00b", "\ud800"):
        with pytest.raises(Invalid):
            find(words)


def test_tokens_are_letters_and_digits_alone():
    """I2: the index is asked with these, so none may be able to say anything."""
    from core.search.tokens import index_tokens, needs, normal

    for words in EVIL:
        made = index_tokens(words, is_spoken=True)
        asked = {way.rstrip("*") for ways in needs([normal(words)]) for way in ways}
        assert all(token.isalnum() for token in made | asked), words
