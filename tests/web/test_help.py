"""S-243: each page leads to its help, which the server holds itself. S-244: who is stuck asks and is answered."""

from __future__ import annotations

import re
from html import unescape

import pytest

from core.entities import query
from core.entities.query import ListQuery
from core.help import read_topics
from core.i18n import LOCALES
from core.settings.service import put_settings
from core.testing.installation import PASSWORD

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

#: Answers of which the shell is no part: parts of pages, files, and what only programs read.
WITHOUT_SHELL = re.compile(r"^(api|system|dev)\.|suggest|download|template|_file$")


def page(browser, path, status=200):
    answer = browser.get(path)
    assert answer.status_code == status, (path, answer.status_code)
    return unescape(answer.get_data(as_text=True))


def post(browser, path, **data):
    return browser.post(path, data={"csrf_token": browser.csrf, **data})


def help_link(html):
    """Where the question mark in the shell leads, of a page."""
    return re.search(r'class="icon-button topbar-help" href="([^"]+)"', html)[1]


def told(browser):
    """The texts of the bell, the newest first."""
    listed = r'action="/notifications/\d+">.*?</svg><span>([^<]*)'
    return [text.strip() for text in re.findall(listed, page(browser, "/notifications"), re.S)]


@pytest.fixture
def questions(unit_of_work):
    """``questions(person)``: the texts of all that this person reads, however it is asked for."""

    def find(person):
        with unit_of_work(person, write=False) as uow:
            rows = query.page(uow, "help_question", ListQuery(sort="id")).items
            return [row["question"] for row in rows]

    return find


# S-243


def test_each_page_of_the_shell_leads_to_a_topic_that_is_there(app, browser):
    """Whatever the route: a topic is found for it, and for administrators as for others."""
    book = app.extensions["dougong.help"]
    for rule in app.url_map.iter_rules():
        if WITHOUT_SHELL.search(rule.endpoint) or "GET" not in rule.methods:
            continue
        for is_admin in (True, False):
            topic = book.topic_of(
                rule.endpoint, ("workshop",), entity="order", layout="", is_admin=is_admin
            )
            assert topic is not None, rule.endpoint
            assert is_admin or not topic.is_for_admins


@pytest.mark.parametrize(
    ("path", "topic"),
    [
        ("/", "start"),
        ("/r/order", "lists"),
        ("/r/order?layout=board", "boards"),
        ("/r/order/new", "records"),
        ("/r/order/bin", "bin"),
        ("/r/order/import", "exchange"),
        ("/search?q=pump", "search"),
        ("/notifications", "comments"),
        ("/admin/people", "people"),
        ("/admin/fields/order", "fields"),
        ("/admin/settings/appearance", "appearance"),
        ("/admin/backups", "backups"),
        ("/admin/jobs", "jobs"),
        ("/admin/apps", "settings"),
    ],
)
def test_the_question_mark_opens_the_topic_of_the_page(browser, path, topic):
    link = help_link(page(browser, path))
    assert link.startswith(f"/help/{topic}?page=")
    opened = page(browser, link)
    assert 'class="help-text richtext"' in opened
    # Where somebody was stuck goes along, without what was searched for.
    assert f'name="page" value="{path.partition("?")[0]}"' in opened


def test_every_topic_is_there_in_both_languages_and_loads_nothing_from_elsewhere(app):
    for topic in app.extensions["dougong.help"]:
        texts = [topic.text(locale) for locale in LOCALES]
        assert len({text.title for text in texts}) == len(LOCALES), topic.name
        for text in texts:
            assert len(text.html) > 150
            assert not re.search(r"(src|href)\s*=|<script|<img", text.html)


def test_every_page_that_a_topic_names_exists(app):
    named = {page for topic in app.extensions["dougong.help"] for page in topic.pages}
    missing = {
        page
        for page in named - {"*"}
        if not page.endswith(".*") and re.split(r"[:?]", page)[0] not in app.view_functions
    }
    assert not missing


def test_help_is_in_the_language_of_its_reader(browser):
    assert "<h1>List" not in page(browser, "/help/lists?page=/r/order")
    assert "列表与筛选" in page(browser, "/help/lists")
    post(browser, "/language", locale="en")
    assert "Lists and filters" in page(browser, "/help/lists")


def test_topics_for_administrators_are_for_them_alone(browser, sign_in_as):
    assert "/help/backups" in page(browser, "/help")
    worker = sign_in_as("worker")
    assert "/help/backups" not in page(worker, "/help")
    page(worker, "/help/backups", 404)
    page(worker, "/help/no-such-thing", 404)
    assert help_link(page(worker, "/profile")).startswith("/help/start")


def test_a_topic_without_one_of_the_languages_is_refused(tmp_path):
    (tmp_path / "topics.cfg").write_text("[stock]\npages = depot.*\n")
    (tmp_path / f"stock.{LOCALES[0]}.html").write_text("<h1>Stock</h1><p>Count it.</p>")
    with pytest.raises(ValueError, match=LOCALES[1]):
        read_topics("depot", tmp_path)


def test_what_could_run_is_not_left_in_a_topic(tmp_path):
    (tmp_path / "topics.cfg").write_text("[stock]\n")
    for locale in LOCALES:
        text = "<h1>Stock</h1><p onclick='x()'>Count<script>x()</script></p>"
        (tmp_path / f"stock.{locale}.html").write_text(text)
    (topic,) = read_topics("depot", tmp_path)
    assert (topic.name, topic.text("en").html) == ("depot.stock", "<p>Count</p>")


# S-244


def test_a_question_reaches_the_administrators_and_the_answer_who_asked(browser, sign_in_as):
    worker = sign_in_as("worker")
    form = page(worker, help_link(page(worker, "/r/order")))
    assert 'name="question"' in form
    sent = post(worker, "/help", question="怎样撤销一次导入？", page="/r/order")
    assert sent.status_code == 303
    asked = sent.headers["Location"]
    assert told(browser) == ["王工 提问：问题“怎样撤销一次导入？”"]
    opened = page(browser, asked)
    assert "怎样撤销一次导入？" in opened
    assert "/r/order" in opened
    assert "怎样撤销一次导入？" in page(browser, "/help").partition("等待回答")[2]
    post(browser, f"{asked}/comments", text="打开历次导入，点撤销。")
    assert "已回答：问题“怎样撤销一次导入？”" in told(worker)[0]
    assert "打开历次导入，点撤销。" in page(worker, asked)
    assert "等待回答" not in page(browser, "/help")
    post(worker, f"{asked}/comments", text="谢谢，找到了。")
    assert len(told(browser)) == 2
    post(browser, f"{asked}/comments", text="不客气。")
    assert len(told(worker)) == 2  # told once of each answer


def test_whom_the_administrator_names_answers_and_nobody_else_reads_it(
    browser, sign_in_as, sign_in, make_person, unit_of_work, people, admin_id, questions
):
    """S-244: both see the conversation, and nobody else does, administrators included."""
    refused = post(browser, "/admin/settings/core_help", helpers="nobody@example.com")
    assert refused.status_code == 422
    assert "nobody@example.com" in unescape(refused.get_data(as_text=True))
    helper = make_person("小助手", roles=("worker",), password=PASSWORD)
    with unit_of_work() as uow:
        address = query.get(uow, "user", helper).values["email"]
    assert post(browser, "/admin/settings/core_help", helpers=address).status_code == 302
    asked = post(sign_in_as("worker"), "/help", question="看板在哪里？").headers["Location"]
    assert questions(people["worker"]) == questions(helper) == ["看板在哪里？"]
    assert questions(people["foreman"]) == questions(admin_id) == []
    answering = sign_in(address, PASSWORD)
    assert told(answering)
    assert "看板在哪里？" in page(answering, asked)
    for other in (browser, sign_in_as("foreman")):
        assert told(other) == []
        page(other, asked, 404)
        assert post(other, f"{asked}/comments", text="不该写进去").status_code == 404
        assert "看板在哪里？" not in page(other, "/r/help_question")
        assert "看板在哪里？" not in page(other, "/help")


def test_administrators_answer_again_when_those_who_were_named_have_left(
    sign_in_as, unit_of_work, questions, admin_id
):
    with unit_of_work() as uow:
        put_settings(uow, "core_help", {"helpers": ["gone@example.com"]})
    post(sign_in_as("worker"), "/help", question="还有人吗？")
    assert questions(admin_id) == ["还有人吗？"]


@pytest.mark.parametrize("typed", ["", "  \n ", "长" * 2_001])
def test_a_question_that_cannot_be_sent_is_kept_as_it_was_typed(
    sign_in_as, questions, admin_id, typed
):
    answer = post(sign_in_as("worker"), "/help", question=typed, page="//evil.example/")
    assert answer.status_code == 422
    assert typed.strip() in answer.get_data(as_text=True)
    assert questions(admin_id) == []


@pytest.mark.parametrize(
    "where", ["//evil.example", "https://evil.example/", "javascript:x", "/a b"]
)
def test_only_places_of_ours_go_along_with_a_question(sign_in_as, unit_of_work, where):
    post(sign_in_as("worker"), "/help", question="在哪里？", page=where)
    with unit_of_work(write=False) as uow:
        (row,) = query.page(uow, "help_question", ListQuery()).items
    assert row["page"] is None
