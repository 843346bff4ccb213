"""Comments, people named in them, and files under a record (03, S-053)."""

from __future__ import annotations

import io
import re
from html import unescape

import pytest

from core.entities import query
from core.errors import Forbidden, NotFound

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def text_of(answer):
    return answer.get_data(as_text=True)


@pytest.fixture
def say(browser):
    """``say(key, text, person=browser, **more)``: writes a comment, answers the page after it."""

    def send(key, text, person=browser, **more):
        data = {"text": text, "csrf_token": person.csrf, **more}
        answer = person.post(f"/r/order/{key}/comments", data=data)
        return (
            answer if answer.status_code >= 400 else person.get(answer.location.partition("#")[0])
        )

    return send


@pytest.fixture
def comments(unit_of_work):
    """``comments() -> rows``, those in the bin included."""

    def read():
        with unit_of_work(write=False) as uow:
            wanted = query.ListQuery(fields=("id", "text", "record_id"), sort="id")
            return query.page(uow, "comment", wanted).items

    return read


@pytest.fixture
def told(unit_of_work, people):
    """``told("worker") -> kinds`` of the notifications of that person."""
    from core.notifications.service import latest
    from core.security.directory import load_actor
    from core.work.uow import UnitOfWork

    def read(who):
        with unit_of_work(write=False) as uow:
            actor = load_actor(uow, people[who])
        with UnitOfWork(uow.runtime, actor, origin=uow.origin, write=False) as own:
            return [each.kind for each in latest(own, 20)]

    return read


def test_a_comment_stands_in_the_timeline_as_text(make_orders, say):
    (key,) = make_orders(1)
    html = text_of(say(key, "Call <b>again</b> on Monday"))
    body = re.search(r'<div class="timeline-body">(.*?)</div>', html, re.S)[1]
    assert body == "Call &lt;b&gt;again&lt;/b&gt; on Monday"


def test_an_empty_comment_is_refused_and_a_long_one_loses_nothing(make_orders, say, comments):
    (key,) = make_orders(1)
    assert "toast-bad" in text_of(say(key, "   "))
    answer = say(key, "x" * 4001)
    assert answer.status_code == 422  # no address is so long
    assert "toast-bad" in text_of(answer)
    assert "x" * 4001 in text_of(answer)
    assert comments() == []
    say(key, "y\r\n" * 1999 + "y")  # 3,999 for the browser, which lets no more than 4,000 in
    assert len(comments()[0]["text"]) == 3999


def test_who_reads_the_record_comments_on_it_and_nobody_else(
    sign_in_as, make_orders, people, say, comments
):
    (own,) = make_orders(1, owner=people["worker"])
    (theirs,) = make_orders(1, owner=people["foreman"])
    worker = sign_in_as("worker")
    assert "Seen" in text_of(say(own, "Seen", worker))
    assert say(theirs, "Hidden", worker).status_code == 404
    assert [each["text"] for each in comments()] == ["Seen"]


def test_comments_are_read_by_who_reads_the_record(make_orders, people, say, unit_of_work):
    (theirs,) = make_orders(1, owner=people["foreman"])
    say(theirs, "Between us")
    with unit_of_work(people["worker"], write=False) as uow:
        assert query.page(uow, "comment", query.ListQuery()).items == []
        with pytest.raises(NotFound):
            query.get(uow, "comment", 1)
    with unit_of_work(people["foreman"], write=False) as uow:
        assert len(query.page(uow, "comment", query.ListQuery()).items) == 1


def test_only_the_writer_changes_a_comment_and_an_administrator_takes_it_away(
    browser, sign_in_as, make_orders, people, say, comments
):
    (key,) = make_orders(1, owner=people["worker"])
    worker, foreman = sign_in_as("worker"), sign_in_as("foreman")
    say(key, "First", worker)
    (comment,) = (each["id"] for each in comments())
    for person in (foreman, browser):
        data = {"text": "Forged", "csrf_token": person.csrf}
        assert person.post(f"/comments/{comment}", data=data).status_code == 403
    data = {"csrf_token": foreman.csrf}
    assert foreman.post(f"/comments/{comment}/delete", data=data).status_code == 403
    worker.post(f"/comments/{comment}", data={"text": "Second", "csrf_token": worker.csrf})
    assert [each["text"] for each in comments()] == ["Second"]
    browser.post(f"/comments/{comment}/delete", data={"csrf_token": browser.csrf})
    assert comments() == []


def test_a_deleted_comment_is_brought_back(browser, make_orders, say, comments):
    (key,) = make_orders(1)
    html = text_of(say(key, "Wait"))
    delete = unescape(re.search(r'action="(/comments/\d+/delete)"', html)[1])
    after = browser.post(delete, data={"csrf_token": browser.csrf}).location.partition("#")[0]
    undo = unescape(re.search(r'action="(/comments/\d+/restore)"', text_of(browser.get(after)))[1])
    assert comments() == []
    browser.post(undo, data={"csrf_token": browser.csrf})
    assert [each["text"] for each in comments()] == ["Wait"]


def test_what_an_administrator_took_away_stays_away_from_its_writer(
    browser, sign_in_as, make_orders, people, say, comments
):
    (key,) = make_orders(1, owner=people["worker"])
    worker = sign_in_as("worker")
    say(key, "Rude", worker)
    (comment,) = (each["id"] for each in comments())
    own, admin = {"csrf_token": worker.csrf}, {"csrf_token": browser.csrf}
    worker.post(f"/comments/{comment}/delete", data=own)
    assert worker.post(f"/comments/{comment}/restore", data=own).status_code == 303
    browser.post(f"/comments/{comment}/delete", data=admin)
    assert worker.post(f"/comments/{comment}/restore", data=own).status_code == 403
    assert comments() == []
    assert browser.post(f"/comments/{comment}/restore", data=admin).status_code == 303


def test_a_file_that_an_editor_took_away_stays_away_from_who_added_it(
    browser, sign_in_as, make_orders, people, unit_of_work
):
    """Who added it while the record was theirs, and reads it by a share since."""
    from core.entities import service
    from core.security.sharing import share

    (key,) = make_orders(1, owner=people["worker"])
    worker = sign_in_as("worker")
    put(worker, key, ("plan.txt", b"plan"))
    number = re.search(r'action="/files/(\d+)/delete"', text_of(worker.get(f"/r/order/{key}")))[1]
    with unit_of_work() as uow:
        service.update(uow, "order", {key: {"owner": people["foreman"]}})
        share(uow, "order", key, user=people["worker"])
    own, admin = {"csrf_token": worker.csrf}, {"csrf_token": browser.csrf}
    assert worker.post(f"/files/{number}/delete", data=own).status_code == 303
    assert worker.post(f"/files/{number}/restore", data=own).status_code == 303
    assert browser.post(f"/files/{number}/delete", data=admin).status_code == 303
    assert worker.post(f"/files/{number}/restore", data=own).status_code in (403, 404)
    assert worker.get(f"/files/{number}").status_code == 404
    assert browser.post(f"/files/{number}/restore", data=admin).status_code == 303


def test_to_the_bin_and_back_is_no_change_of_a_comment(browser, make_orders, say, comments):
    (key,) = make_orders(1)
    say(key, "Wait")
    (comment,) = (each["id"] for each in comments())
    data = {"csrf_token": browser.csrf}
    for _twice in range(2):
        browser.post(f"/comments/{comment}/delete", data=data)
        browser.post(f"/comments/{comment}/restore", data=data)
    assert "发表了评论（已修改）" not in text_of(browser.get(f"/r/order/{key}"))
    browser.post(f"/comments/{comment}", data=data | {"text": "Go"})
    assert "发表了评论（已修改）" in text_of(browser.get(f"/r/order/{key}"))


def edit_form(html, comment):
    """The form of that comment, as it is drawn."""
    return re.search(rf'<form[^>]*action="/comments/{comment}".*?</form>', html, re.S)[0]


@pytest.mark.parametrize("typed", ["   ", "x" * 4001])
def test_a_refused_change_stands_beside_the_comment_with_what_was_typed(
    browser, make_orders, say, comments, typed
):
    (key,) = make_orders(1)
    assert " hidden>" in edit_form(text_of(say(key, "Wait")), comments()[0]["id"])
    (comment,) = (each["id"] for each in comments())
    data = {"text": typed, "version": "1", "csrf_token": browser.csrf}
    answer = browser.post(f"/comments/{comment}", data=data)
    assert answer.status_code == 422
    form = edit_form(text_of(answer), comment)
    assert " hidden>" not in form
    assert 'role="alert"' in form
    assert f">\n{typed}</textarea>" in form
    assert '<div class="timeline-body">Wait</div>' in text_of(answer)
    assert [each["text"] for each in comments()] == ["Wait"]


def test_who_changed_a_comment_elsewhere_sees_both_and_may_go_on(
    browser, make_orders, say, comments
):
    (key,) = make_orders(1)
    say(key, "First")
    (comment,) = (each["id"] for each in comments())
    data = {"csrf_token": browser.csrf, "version": "1"}
    assert browser.post(f"/comments/{comment}", data=data | {"text": "Here"}).status_code == 303
    answer = browser.post(f"/comments/{comment}", data=data | {"text": "There"})
    assert answer.status_code == 409
    html = text_of(answer)
    assert '<div class="timeline-body">Here</div>' in html
    form = edit_form(html, comment)
    assert ">\nThere</textarea>" in form
    data["version"] = re.search(r'name="version" value="(\d+)"', form)[1]
    browser.post(f"/comments/{comment}", data=data | {"text": "There"})
    assert [each["text"] for each in comments()] == ["There"]


def test_what_is_typed_into_a_comment_that_was_deleted_is_not_lost(
    browser, make_orders, say, comments
):
    (key,) = make_orders(1)
    say(key, "First")
    (comment,) = (each["id"] for each in comments())
    browser.post(f"/comments/{comment}/delete", data={"csrf_token": browser.csrf})
    data = {"text": "Second thoughts", "version": "1", "csrf_token": browser.csrf}
    answer = browser.post(f"/comments/{comment}", data=data)
    assert answer.status_code == 409
    assert "toast-bad" in text_of(answer)
    assert "Second thoughts</textarea>" in text_of(answer)
    assert browser.post("/comments/999", data=data).status_code == 404


def test_a_refusal_is_shown_however_old_the_comment_is(
    browser, make_orders, say, comments, unit_of_work
):
    from core.entities import service

    (key,) = make_orders(1)
    say(key, "Old one")
    (comment,) = (each["id"] for each in comments())
    for _later in range(25):
        with unit_of_work() as uow:
            service.create(uow, "comment", [{"entity": "order", "record_id": key, "text": "Later"}])
    data = {"text": " ", "csrf_token": browser.csrf}
    html = text_of(browser.post(f"/comments/{comment}", data=data))
    assert 'role="alert"' in edit_form(html, comment)


# The timeline, a page at a time


def test_a_long_timeline_is_read_to_its_beginning(browser, make_orders, unit_of_work, statements):
    from core.entities import service

    (key,) = make_orders(1)
    said = [f"Say {n:03}" for n in range(120)]
    for text in said:
        with unit_of_work() as uow:
            service.create(uow, "comment", [{"entity": "order", "record_id": key, "text": text}])
    seen, address, pages = [], f"/r/order/{key}?tab=timeline", 0
    while address:
        html = text_of(browser.get(address))
        part = text_of(browser.get(address, headers={"HX-Request": "true"})) if pages else html
        found = re.findall(r'class="timeline-body">(.*?)</div>', part)
        assert found == re.findall(r'class="timeline-body">(.*?)</div>', html)
        assert ("<html" in part) is (pages == 0)
        seen, pages = seen + found, pages + 1
        older = re.search(r'class="timeline-older"><a[^>]*href="([^"]+)"', part)
        address = unescape(older[1]) if older else ""
    assert seen == said[::-1]
    assert pages == 3
    assert ">系统</b> 新建" in html
    few = statements(browser, f"/r/order/{key}?tab=timeline&before=2000-01-01T00:00:00Z")
    assert statements(browser, f"/r/order/{key}?tab=timeline") <= few + 3
    for wrong in ("nonsense", "2026-01-01", "9" * 50):
        assert browser.get(f"/r/order/{key}?tab=timeline&before={wrong}").status_code == 200


def test_what_happened_at_one_moment_is_on_one_page(browser, make_orders, unit_of_work):
    """An import writes much at once; a page that ended among it would lose the rest."""
    from core.entities import service

    (key,) = make_orders(1)
    with unit_of_work() as uow:
        items = [{"entity": "order", "record_id": key, "text": f"Say {n}"} for n in range(60)]
        service.create(uow, "comment", items)
    html = text_of(browser.get(f"/r/order/{key}?tab=timeline"))
    assert html.count("timeline-body") == 60


def test_older_entries_are_kept_from_who_may_not_read_the_record(sign_in_as, make_orders, people):
    (theirs,) = make_orders(1, owner=people["foreman"])
    address = f"/r/order/{theirs}?tab=timeline&before=2100-01-01T00:00:00Z"
    worker = sign_in_as("worker")
    assert worker.get(address).status_code == 404
    assert worker.get(address, headers={"HX-Request": "true"}).status_code == 404


@pytest.mark.parametrize("text", ["@李工长 please look", "好的，@李工长请看一下", "cc @李工长"])
def test_who_is_named_is_told(make_orders, say, told, text):
    (key,) = make_orders(1)
    say(key, text)
    assert told("foreman") == ["core.mentioned"]


def test_who_may_not_read_the_record_is_not_told_of_it(make_orders, people, say, told):
    (key,) = make_orders(1, owner=people["foreman"])
    say(key, "@王工 look", mentions=[people["worker"]])
    assert told("worker") == []
    assert told("foreman") == ["core.commented"]


def test_of_two_of_a_name_the_one_who_was_picked_is_told(
    make_orders, make_person, say, told, people
):
    make_person("李工长", roles=("foreman",))
    (key,) = make_orders(1)
    say(key, "@李工长 which of them?")
    assert told("foreman") == []
    say(key, "@李工长 you", mentions=[people["foreman"]])
    assert told("foreman") == ["core.mentioned"]


def test_the_owner_and_earlier_writers_are_told_once_and_nobody_of_their_own(
    sign_in_as, make_orders, people, say, told
):
    (key,) = make_orders(1, owner=people["worker"])
    worker = sign_in_as("worker")
    say(key, "Mine", worker)
    assert told("worker") == []
    say(key, "Yours", sign_in_as("foreman"))
    assert told("worker") == ["core.commented"]
    say(key, "@李工长 thanks", worker)
    assert told("foreman") == ["core.mentioned"]


def test_who_is_named_by_a_change_is_told_then(browser, make_orders, say, told, comments):
    (key,) = make_orders(1)
    say(key, "Nobody yet")
    (comment,) = (each["id"] for each in comments())
    for _twice in range(2):
        data = {"text": "@李工长 now you", "csrf_token": browser.csrf}
        browser.post(f"/comments/{comment}", data=data)
    assert told("foreman") == ["core.mentioned"]


# Files


def put(person, key, *files):
    data = {"files": [(io.BytesIO(content), name) for name, content in files]}
    data["csrf_token"] = person.csrf
    return person.post(f"/r/order/{key}/files", data=data)


def test_files_stand_in_the_timeline_and_are_taken_away_and_back(browser, make_orders):
    (key,) = make_orders(1)
    put(browser, key, ("plan.txt", b"plan"), ("offer.txt", b"offer"))
    html = text_of(browser.get(f"/r/order/{key}"))
    links = re.findall(r'class="timeline-file" href="([^"]+)"', html)
    assert sorted(text_of(browser.get(link)) for link in links) == ["offer", "plan"]
    delete = re.search(r'action="(/files/\d+/delete)"', html)[1]
    after = browser.post(delete, data={"csrf_token": browser.csrf}).location.partition("#")[0]
    page = text_of(browser.get(after))
    assert page.count("timeline-file") == 1
    browser.post(
        re.search(r'action="(/files/\d+/restore)"', page)[1], data={"csrf_token": browser.csrf}
    )
    assert text_of(browser.get(after)).count("timeline-file") == 2


def test_files_go_where_one_may_write_and_are_read_with_the_record(sign_in_as, make_orders, people):
    (theirs,) = make_orders(1, owner=people["foreman"])
    worker, foreman = sign_in_as("worker"), sign_in_as("foreman")
    assert put(worker, theirs, ("a.txt", b"a")).status_code == 404
    put(foreman, theirs, ("b.txt", b"b"))
    link = re.search(
        r'class="timeline-file" href="([^"]+)"', text_of(foreman.get(f"/r/order/{theirs}"))
    )
    assert worker.get(link[1]).status_code == 404
    number = link[1].split("/")[-1]
    gone = worker.post(f"/files/{number}/delete", data={"csrf_token": worker.csrf})
    assert gone.status_code == 404
    assert foreman.get(link[1]).status_code == 200


def test_an_empty_file_is_refused_with_all_that_came_with_it(browser, make_orders):
    (key,) = make_orders(1)
    after = put(browser, key, ("plan.txt", b"plan"), ("empty.txt", b"")).location.partition("#")[0]
    html = text_of(browser.get(after))
    assert "toast-bad" in html
    assert "timeline-file" not in html


# Tabs


def test_what_points_at_a_record_has_a_tab_with_its_number(browser, make_orders, unit_of_work):
    from core.entities import service

    with unit_of_work() as uow:
        (site,) = service.create(uow, "site", [{"name": "East"}])
    make_orders(8, site=site)
    html = text_of(browser.get(f"/r/site/{site}"))
    tabs = re.search(r'<nav class="tabs".*?</nav>', html, re.S)[0]
    assert '<span class="count">8</span>' in tabs
    assert html.count("record-link") == 5
    url = re.search(r'href="([^"]+tab=order\.site)"', tabs)[1]
    assert text_of(browser.get(url)).count("record-link") == 8
    whole = text_of(browser.get(f"/r/site/{site}?tab=timeline"))
    assert "timeline-title" in whole
    assert text_of(browser.get(f"/r/site/{site}?tab=nonsense")).count("record-link") == 5


def test_a_purged_record_takes_its_comments_along(
    browser, make_orders, say, unit_of_work, admin_id
):
    from core.entities import service
    from core.entities.purging import purge

    (key,) = make_orders(1)
    say(key, "Goes too")
    with unit_of_work(admin_id) as uow:
        service.delete(uow, "order", [key])
        purge(uow, "order", [key])
        table = uow.snapshot.installed_entities["comment"].table
        assert uow.execute(table.select()).all() == []


def test_over_rest_comments_are_written_changed_and_taken_away(api_client, make_orders, people):
    (key,) = make_orders(1, owner=people["worker"])
    made = api_client("worker").post(f"/records/order/{key}/comments", {"text": "By REST"})
    assert made.status_code == 201
    comment = made.json["id"]
    entries = api_client("worker").get(f"/records/order/{key}/timeline").json["items"]
    assert any(entry["kind"] == "comment" for entry in entries)
    assert api_client("foreman").patch(f"/comments/{comment}", {"text": "No"}).status_code == 403
    assert api_client("worker").patch(f"/comments/{comment}", {"text": "Yes"}).status_code == 200
    for body in (
        {},
        {"text": ""},
        {"text": 7},
        {"text": "a", "mentions": "x"},
        {"text": "a", "b": 1},
    ):
        wrong = api_client("worker").post(f"/records/order/{key}/comments", body)
        assert wrong.status_code == 422, body
    assert api_client("worker").delete(f"/comments/{comment}").status_code == 204
    assert api_client("worker").delete(f"/comments/{comment}").status_code == 404


@pytest.fixture
def api_client(client, bearer, people):
    """``api_client("worker").post(path, body)``: REST with that person's token."""

    class Caller:
        def __init__(self, who):
            self.headers = bearer(people[who])

        def __getattr__(self, method):
            def call(path, body=None):
                more = {} if body is None else {"json": body}
                return getattr(client, method)(f"/api/v1{path}", headers=self.headers, **more)

            return call

    return Caller


def test_nobody_comments_without_a_name(unit_of_work, make_orders):
    from core.comments import add_comment

    (key,) = make_orders(1)
    with unit_of_work() as uow, pytest.raises(Forbidden):
        add_comment(uow, "order", key, "The system has nothing to say")


def test_a_token_for_reading_neither_comments_nor_takes_away(
    browser, client, bearer, make_orders, people, comments
):
    (key,) = make_orders(1, owner=people["worker"])
    whole = bearer(people["worker"])
    made = client.post(
        f"/api/v1/records/order/{key}/comments", json={"text": "Mine"}, headers=whole
    )
    assert made.status_code == 201
    limited = bearer(people["worker"], ["order.read", "comment.read", "*.read"])
    path = f"/api/v1/comments/{made.json['id']}"
    calls = (
        ("POST", f"/api/v1/records/order/{key}/comments", {"json": {"text": "By a reader"}}),
        ("PATCH", path, {"json": {"text": "By a reader"}}),
        ("DELETE", path, {}),
    )
    for method, address, more in calls:
        answer = client.open(address, method=method, headers=limited, **more)
        assert answer.status_code == 403, (method, address)
    assert [each["text"] for each in comments()] == ["Mine"]
    writing = bearer(people["worker"], ["order.read", "order.update"])
    assert client.patch(path, json={"text": "Changed"}, headers=writing).status_code == 200


def test_a_token_for_reading_takes_no_file_away(unit_of_work, make_orders, people):
    from dataclasses import replace

    from core.files.service import attach, store_upload, take_away
    from core.security.directory import load_actor
    from core.work.uow import UnitOfWork

    (key,) = make_orders(1, owner=people["worker"])
    with unit_of_work(people["worker"]) as uow:
        file = store_upload(uow, io.BytesIO(b"plan"), "plan.txt")
        attach(uow, file, "order", key)
        actor = load_actor(uow, people["worker"])
    limited = replace(actor, token_id=1, token_scopes=frozenset({"*.read"}), _access={})
    with pytest.raises(Forbidden), UnitOfWork(uow.runtime, limited, origin=uow.origin) as own:
        take_away(own, file)


def test_a_file_that_was_taken_away_is_not_handed_out(browser, make_orders):
    (key,) = make_orders(1)
    put(browser, key, ("plan.txt", b"plan"))
    html = text_of(browser.get(f"/r/order/{key}"))
    link = re.search(r'class="timeline-file" href="([^"]+)"', html)[1]
    number = link.split("/")[-1]
    browser.post(f"/files/{number}/delete", data={"csrf_token": browser.csrf})
    assert browser.get(link).status_code == 404
    browser.post(f"/files/{number}/restore", data={"csrf_token": browser.csrf})
    assert text_of(browser.get(link)) == "plan"


def test_a_name_with_a_space_in_it_is_found(make_person, make_orders, say, unit_of_work):
    from core.notifications.tables import notification_table

    (key,) = make_orders(1)
    anna, short = make_person("Anna Smith", roles=("foreman",)), make_person("Anna")
    say(key, "@Anna Smith please call\n@nobody at all")
    with unit_of_work(write=False) as uow:
        told = uow.execute(notification_table.select()).all()
    assert {row.user_id for row in told} == {anna}
    assert short not in {row.user_id for row in told}


def test_who_is_picked_while_a_comment_is_changed_is_told(
    browser, make_orders, people, make_person, say, told, comments
):
    """Where two have the name, the picked one alone."""
    make_person("王工", roles=("foreman",))
    (key,) = make_orders(1, owner=people["worker"])
    say(key, "Look")
    before = told("worker")
    (comment,) = (each["id"] for each in comments())
    data = {"text": "@王工 look", "mentions": people["worker"], "csrf_token": browser.csrf}
    browser.post(f"/comments/{comment}", data=data)
    assert [kind for kind in told("worker") if kind not in before] == ["core.mentioned"]


def test_nobody_comments_on_a_comment(browser, make_orders, say, comments):
    """It could not be read by anybody."""
    (key,) = make_orders(1)
    say(key, "First")
    (comment,) = (each["id"] for each in comments())
    page = text_of(browser.get(f"/r/comment/{comment}"))
    assert "data-mentions" not in page
    data = {"text": "About a comment", "csrf_token": browser.csrf}
    assert browser.post(f"/r/comment/{comment}/comments", data=data).status_code == 403
    assert len(comments()) == 1


def test_tools_are_offered_where_they_work(
    browser, sign_in_as, make_orders, say, people, unit_of_work
):
    """In a look beside a list and on a record in the bin they do not; a file goes by who may change
    the record."""
    from core.entities import service

    (key,) = make_orders(1, owner=people["worker"])
    worker = sign_in_as("worker")
    say(key, "By the administrator")
    put(browser, key, ("plan.txt", b"plan"))
    say(key, "Mine", worker)
    html = text_of(worker.get(f"/r/order/{key}"))
    assert re.findall(r'action="/(comments|files)/\d+/delete"', html) == ["comments", "files"]
    take = re.search(r'action="(/files/\d+/delete)"', html)[1]
    assert not re.search(
        r"/(comments|files)/\d+/delete", text_of(worker.get(f"/r/order/{key}/look"))
    )
    assert worker.post(take, data={"csrf_token": worker.csrf}).status_code == 303
    with unit_of_work() as uow:
        service.delete(uow, "order", [key])
    deleted = text_of(browser.get(f"/r/order/{key}"))
    assert "Mine" in deleted
    assert not re.search(r"/(comments|files)/\d+/delete", deleted)
