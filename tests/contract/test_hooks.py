"""Each hook, exercised through what it changes for people and programs."""

from __future__ import annotations

import dataclasses
import functools
import io
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pypdf
import pytest

from core.entities import forms, query, service, tables
from core.entities.inputs import InputContext
from core.entities.measures import measures_of, read_measures
from core.entities.merging import merge_verb, merges_of
from core.entities.query import ListQuery
from core.entities.rendering import Reader
from core.errors import Forbidden, Invalid, NotFound
from core.ops.install import run_demo
from core.ops.lifecycle import disable, enable
from core.plugins.contributions import GoalAsked
from core.plugins.manager import HookFailed
from core.settings.service import get_setting, put_settings
from core.work.tables import job_table

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

PARTS = [{"title": "壳", "amount": "2.50"}, {"title": "核", "amount": "3"}]


@pytest.fixture
def keeper(make_person):
    return make_person("守", roles=("keeper",))


@pytest.fixture
def make(unit_of_work, admin_id):
    """``make(name, …, by=person) -> id``"""

    def make(name, *, by=None, **values):
        with unit_of_work(by or admin_id) as uow:
            (key,) = service.create(uow, "specimen", [{"name": name, **values}])
        return key

    return make


def names(uow):
    return [row["name"] for row in query.page(uow, "specimen", ListQuery(sort="id")).items]


# Register


def test_hook_register_entities(unit_of_work, admin_id, make):
    key = make("石头", weight="1.5", parts=PARTS)
    with unit_of_work(admin_id, write=False) as uow:
        values = query.get(uow, "specimen", key).values
    assert values["double_weight"] == Decimal("3.000")
    assert values["total"] == Decimal("5.50")
    assert values["code"].endswith("-0001")
    assert [part["title"] for part in values["parts"]] == ["壳", "核"]


class TestExtension:
    @pytest.fixture
    def dougong_plugins(self):
        return ("dummy_extension",)

    @pytest.fixture
    def dougong_plugin_folders(self):
        tests = Path(__file__).resolve().parents[1]
        return (tests, tests / "plugins")

    def test_hook_register_entity_extensions(self, unit_of_work, admin_id, make):
        key = make("石头", rating="AA", rated_by=admin_id)
        with unit_of_work(admin_id, write=False) as uow:
            record = query.get(uow, "specimen", key)
            assert (record.values["rating"], record.values["rated_by"]) == ("AA", admin_id)
        with unit_of_work() as uow:
            disable(uow, "dummy_extension")
            assert "rating" not in uow.entity("specimen")
        with unit_of_work() as uow:
            enable(uow, "dummy_extension")
            assert query.get(uow, "specimen", key).values["rating"] == "AA"


def test_hook_register_permissions(client, bearer, keeper, make_person):
    answer = client.get("/dummy_plugin/board", headers=bearer(keeper))
    assert answer.status_code == 200
    answer = client.get("/dummy_plugin/board", headers=bearer(make_person("阅")))
    assert answer.status_code == 403


def test_hook_register_roles(unit_of_work, keeper, make):
    make("别人的")
    own = make("自己的", by=keeper)
    with unit_of_work() as uow:
        service.update(uow, "specimen", {own: {"phone": "13812345678", "email": "a@example.com"}})
    with unit_of_work(keeper, write=False) as uow:
        assert names(uow) == ["自己的"]
        values = query.get(uow, "specimen", own).values
        assert values["phone"] == "138****5678"
        assert "email" not in values


def test_hook_register_blueprints(client, unit_of_work):
    assert client.get("/dummy_plugin/open").get_data(as_text=True) == "open to all"
    with unit_of_work() as uow:
        disable(uow, "dummy_plugin")
    assert client.get("/dummy_plugin/open").status_code == 404


def test_hook_register_navigation(client, bearer, keeper, make_person):
    link = 'href="/dummy_plugin/board"'
    page = client.get("/dummy_plugin/board", headers=bearer(keeper)).get_data(as_text=True)
    assert link in page
    other = client.get("/", headers=bearer(make_person("阅"))).get_data(as_text=True)
    assert link not in other


def test_hook_register_slots(client, bearer, keeper, behaving):
    page = client.get("/dummy_plugin/board", headers=bearer(keeper)).get_data(as_text=True)
    assert "<p>a card of the dummy</p>" in page

    def fail(**context):
        raise ValueError("no card")

    with behaving(card=fail):
        answer = client.get("/dummy_plugin/board", headers=bearer(keeper))
    assert answer.status_code == 200
    assert "a card" not in answer.get_data(as_text=True)


def test_hook_register_settings(unit_of_work):
    with unit_of_work() as uow:
        assert get_setting(uow, "dummy_plugin", "limit") == 7
        put_settings(uow, "dummy_plugin", {"limit": 9})
    with unit_of_work() as uow:
        assert get_setting(uow, "dummy_plugin", "limit") == 9
        with pytest.raises(Invalid):
            put_settings(uow, "dummy_plugin", {"limit": 100})


def test_hook_register_events(unit_of_work, run_jobs, behaving):
    from dummy_plugin.events import SpecimenWeighed

    seen = []
    with unit_of_work() as uow:
        uow.publish(SpecimenWeighed("specimen", (1, 2)))
    with behaving(weighed=lambda event, uow: seen.append(event)):
        run_jobs()
        run_jobs()
    assert seen == [SpecimenWeighed("specimen", (1, 2))]


def test_hook_register_subscribers(make, run_jobs, unit_of_work, behaving):
    seen = []
    first = make("一")
    with behaving(created=lambda event, uow: seen.append(event.ids)):
        run_jobs()
        with unit_of_work() as uow:
            service.create(uow, "department", [{"name": "不相干"}])
        run_jobs()
    assert seen == [(first,)]


def test_hook_register_jobs(unit_of_work, run_jobs, behaving):
    with unit_of_work() as uow:
        job = uow.enqueue("dummy_plugin.recount", {"by": "hand"})
        disable(uow, "dummy_plugin")
    with behaving(recount=lambda context, by: {"counted": by}):
        run_jobs()
        with unit_of_work() as uow:
            rows = uow.execute(job_table.select().where(job_table.c.id == job)).one()
            assert rows.state == "queued", "parked while the plugin is off"
            enable(uow, "dummy_plugin")
        run_jobs()
    with unit_of_work() as uow:
        row = uow.execute(job_table.select().where(job_table.c.id == job)).one()
    assert (row.state, row.result) == ("done", {"counted": "hand"})


def test_hook_register_schedules(runtime, run_jobs, behaving):
    seen = []
    with behaving(recount=lambda context, by: seen.append(by)):
        run_jobs()
        assert seen == []
        runtime.clock.offset += timedelta(hours=1, minutes=1)
        run_jobs()
        run_jobs()
    assert seen == ["clock"]


def test_hook_register_notifications(runtime, unit_of_work, admin_id, make, make_person):
    from core.notifications import notify
    from core.notifications.service import count_unread, kinds, latest

    key, reader = make("石头"), make_person("Reader")
    with unit_of_work(admin_id) as uow:
        notify(uow, "dummy_plugin.weighed", [reader], entity="specimen", record_ids=[key])
    with unit_of_work(reader, write=False) as uow:
        assert "dummy_plugin.weighed" in kinds(uow)
        (told,) = latest(uow, 10)
    assert (told.kind, told.is_read) == ("dummy_plugin.weighed", False)
    assert "weighed" in told.text
    with unit_of_work() as uow:
        disable(uow, "dummy_plugin")
    with unit_of_work(reader, write=False) as uow:
        assert (latest(uow, 10), count_unread(uow)) == ([], 0), "a module that is off tells nothing"


def test_hook_register_timeline(client, bearer, admin_id, make, runtime, behaving):
    from core.plugins.contributions import TimelineItem

    key = make("石头")

    def weighings(record_id, before, limit):
        return [TimelineItem(runtime.clock.now(), "weighing", f"称重 {record_id}")]

    url, headers = f"/api/v1/records/specimen/{key}/timeline", bearer(admin_id)
    with behaving(weighings=weighings):
        answer = client.get(url, headers=headers)
    assert f"称重 {key}" in [item.get("title") for item in answer.json["items"]]

    def fail(**arguments):
        raise ValueError("lost")

    with behaving(weighings=fail):
        answer = client.get(url, headers=headers)
    assert answer.status_code == 200
    assert len(answer.json["items"]) == 1


def test_hook_register_documents(client, bearer, admin_id, keeper, make, unit_of_work):
    """What its reader may not see is not in it, what is masked is masked; nobody prints what is out of reach."""
    other = make("别人的")
    own = make("石头<b>甲", by=keeper)
    with unit_of_work() as uow:
        service.update(uow, "specimen", {own: {"phone": "13812345678", "email": "a@example.com"}})
    address = "/api/v1/records/specimen/{}/documents/label.pdf"
    answer = client.get(address.format(own), headers=bearer(keeper))
    assert (answer.status_code, answer.content_type) == (200, "application/pdf")
    text = text_of_pdf(answer.data)
    assert "石头<b>甲" in text
    assert "138****5678" in text
    assert "13812345678" not in text
    assert "a@example.com" not in text
    whole = client.get(f"{address.format(own)}?language=en", headers=bearer(admin_id))
    assert "13812345678" in text_of_pdf(whole.data)
    wrong = [address.format(other), address.format(own).replace("label", "other")]
    assert [client.get(each, headers=bearer(keeper)).status_code for each in wrong] == [404, 404]
    refused = client.get(f"{address.format(own)}?language=de", headers=bearer(keeper))
    assert refused.status_code == 422
    with unit_of_work() as uow:
        disable(uow, "dummy_plugin")
    assert client.get(address.format(own), headers=bearer(admin_id)).status_code == 404


def test_hook_register_goal_measures(unit_of_work, admin_id, keeper, make, runtime):
    """Each reads within its reader's scope; one that fails has no figure, one that is off no name."""
    make("别人的")
    make("自己的", by=keeper)
    today = runtime.clock.today()
    asked = GoalAsked(today, today)
    name, broken = "dummy_plugin.specimens", "dummy_plugin.broken"
    questions = [(name, asked), (broken, asked), ("dummy_plugin.none", asked), (name, asked)]
    for person, found in ((keeper, 1), (admin_id, 2)):
        with unit_of_work(person, write=False) as uow:
            assert read_measures(uow, questions) == {(name, asked): found}
    earlier = GoalAsked(today - timedelta(7), today - timedelta(1))
    with unit_of_work(admin_id, write=False) as uow:
        assert {name, broken} <= set(measures_of(uow))
        assert read_measures(uow, [(name, earlier)]) == {(name, earlier): 0}
    with unit_of_work() as uow:
        disable(uow, "dummy_plugin")
        assert name not in measures_of(uow)


def text_of_pdf(content):
    reader = pypdf.PdfReader(io.BytesIO(content))
    return "\n".join(page.extract_text() for page in reader.pages)


def test_hook_register_commands(runtime, unit_of_work, monkeypatch):
    from click.testing import CliRunner

    from core.cli.main import dougong

    monkeypatch.setenv("DOUGONG_HOME", str(runtime.config.home))
    monkeypatch.setenv("DOUGONG_DATABASE_URL", runtime.config.database_url)
    monkeypatch.setenv("DOUGONG_PLUGINS_PATH", str(Path(__file__).resolve().parents[1]))
    done = CliRunner().invoke(dougong, ["dummy_plugin", "greet", "斗拱"])
    assert (done.exit_code, done.output.strip()) == (0, "hello 斗拱"), done.output
    with unit_of_work() as uow:
        disable(uow, "dummy_plugin")
    assert CliRunner().invoke(dougong, ["dummy_plugin", "greet", "斗拱"]).exit_code != 0


def test_hook_register_demo(runtime, unit_of_work):
    assert "三块石头" in run_demo(runtime)
    with unit_of_work(write=False) as uow:
        assert names(uow) == ["石头1", "石头2", "石头3"]


# In the transaction


def test_hook_validate_changes(unit_of_work, admin_id, make, behaving):
    def refuse(changes, uow):
        return [c.problem("name", "silly", "Not that.") for c in changes if c.after["name"] == "坏"]

    with behaving(validate_changes=refuse):
        make("好")
        with pytest.raises(Invalid) as refused, unit_of_work(admin_id) as uow:
            service.create(uow, "specimen", [{"name": "也好"}, {"name": "坏"}])
    assert [(p.item, p.field, p.code) for p in refused.value.problems] == [(1, "name", "silly")]
    with unit_of_work(write=False) as uow:
        assert names(uow) == ["好"]


def test_hook_before_changes(unit_of_work, make, behaving):
    def derive(changes, uow):
        for change in changes:
            if change.entity.name == "specimen":
                change.set("remark", f"about {change.after['name']}")

    with behaving(before_changes=derive):
        key = make("石头")
    with unit_of_work(write=False) as uow:
        assert query.get(uow, "specimen", key).values["remark"] == "about 石头"


def make_two(transaction):
    """The second one is refused; what followed from the first goes with it."""
    with transaction as uow:
        service.create(uow, "specimen", [{"name": "石头"}])
        service.create(uow, "specimen", [{"name": ""}])


def test_hook_after_changes(unit_of_work, admin_id, behaving):
    def follow(changes, uow):
        if changes[0].entity.name == "specimen" and changes[0].after["name"] == "石头":
            title = f"of {changes[0].id}"
            service.create(uow, "specimen_part", [{"specimen": changes[0].id, "title": title}])

    with behaving(after_changes=follow):
        with unit_of_work(admin_id) as uow:
            (key,) = service.create(uow, "specimen", [{"name": "石头"}])
        with pytest.raises(Invalid):
            make_two(unit_of_work(admin_id))
    with unit_of_work(write=False) as uow:
        parts = query.page(uow, "specimen_part", ListQuery()).items
        assert [part["title"] for part in parts] == [f"of {key}"]


@pytest.fixture
def merging(behaving):
    """Specimens have the verb ``merge``; ``merging(hook=function)`` for the time of a block."""

    def verbs(entity, actor):
        return [merge_verb("specimen", "Merge")] if entity.name == "specimen" else []

    return lambda **hooks: behaving(record_actions=verbs, **hooks)


def test_hook_records_merged(unit_of_work, make, merging):
    """What is noted is kept; an exception undoes the whole; lines and references to many move."""
    one, two, three = make("石头"), make("石头甲"), make("别的")
    with unit_of_work() as uow:
        service.update(uow, "specimen", {two: {"parts": [{"title": "角"}], "relatives": [three]}})
        service.update(uow, "specimen", {three: {"relatives": [two, one], "origin": two}})
    told = []

    def note(entity, kept, merged, memo, uow):
        told.append((entity.name, kept, merged))
        memo["dummy_plugin"] = {"seen": merged}

    def fail(entity, kept, merged, memo, uow):
        raise ValueError("not today")

    with merging(records_merged=fail), pytest.raises(HookFailed), unit_of_work() as uow:
        service.act(uow, "specimen", "merge", [one], {"others": [two]})
    with merging(records_merged=note), unit_of_work() as uow:
        service.act(uow, "specimen", "merge", [one], {"others": [two]})
        (row,) = merges_of(uow, "specimen", one)
        assert row.memo["plugins"] == {"dummy_plugin": {"seen": [two]}}
        kept, other = (query.get(uow, "specimen", key).values for key in (one, three))
        assert [part["title"] for part in kept["parts"]] == ["角"]
        assert (other["relatives"], other["origin"]) == ([one], one)
    assert told == [("specimen", one, [two])]


def test_hook_records_split(unit_of_work, make, merging):
    one, two, three = make("石头"), make("石头甲"), make("别的")
    with unit_of_work() as uow:
        service.update(uow, "specimen", {two: {"parts": [{"title": "角"}]}})
        service.update(uow, "specimen", {three: {"relatives": [two, one], "origin": two}})
    told = []

    def back(entity, kept, merged, memo, uow):
        told.append((kept, merged, memo["dummy_plugin"]))

    note = {"records_merged": lambda memo, **_rest: memo.update(dummy_plugin="noted")}
    with merging(records_split=back, **note):
        with unit_of_work() as uow:
            done = service.act(uow, "specimen", "merge", [one], {"others": [two]})
        with unit_of_work() as uow:
            service.act(uow, "specimen", "merge", [one], {"undo": done["merge"]})
            values = [query.get(uow, "specimen", key).values for key in (one, two, three)]
    assert told == [(one, [two], "noted")]
    assert [len(each["parts"]) for each in values] == [0, 1, 0]
    assert (values[2]["relatives"], values[2]["origin"]) == ([two, one], two)


def test_hook_plugin_enabled(unit_of_work, behaving):
    told = []
    with unit_of_work() as uow:
        disable(uow, "dummy_plugin")

    def fail(plugin, uow):
        raise ValueError("not today")

    with behaving(plugin_enabled=fail):
        failed = pytest.raises(HookFailed, match="dummy_plugin failed in plugin_enabled")
        with failed, unit_of_work() as uow:
            enable(uow, "dummy_plugin")
        with unit_of_work(write=False) as uow, pytest.raises(NotFound):
            uow.entity("specimen")
    note = behaving(plugin_enabled=lambda plugin, uow: told.append(plugin.name))
    with note, unit_of_work() as uow:
        enable(uow, "dummy_plugin")
    assert told == ["dummy_plugin"]


def test_hook_plugin_disabled(unit_of_work, behaving):
    def put_away(plugin, uow):
        put_settings(uow, plugin.name, {"limit": 1})

    with behaving(plugin_disabled=put_away), unit_of_work() as uow:
        disable(uow, "dummy_plugin")
    with unit_of_work() as uow:
        enable(uow, "dummy_plugin")
        assert get_setting(uow, "dummy_plugin", "limit") == 1


# Questions


def test_hook_authenticate(client, keeper, make, behaving):
    make("守的", by=keeper)

    def recognise(request):
        return keeper if request.headers.get("X-Badge") == "gold" else None

    with behaving(authenticate=recognise):
        answer = client.post("/dummy_plugin/count", headers={"X-Badge": "gold"})
        assert (answer.status_code, answer.json) == (200, {"count": 1})
        stranger = client.post("/dummy_plugin/count", headers={"X-Badge": "tin"})
        assert stranger.status_code in (302, 401)
    with behaving(authenticate=lambda request: "somebody"):
        junk = client.post("/dummy_plugin/count")
        assert junk.status_code in (302, 401), "an answer of the wrong type recognises nobody"


def test_hook_check_permission(unit_of_work, admin_id, make, behaving):
    key = make("石头")

    def closed(actor, permission):
        return False if permission == "dummy_plugin.specimen.update" else None

    with behaving(check_permission=closed), unit_of_work(admin_id) as uow:
        assert names(uow) == ["石头"]
        with pytest.raises(Forbidden):
            service.update(uow, "specimen", {key: {"name": "别名"}})


def test_hook_scope_query(unit_of_work, admin_id, make, behaving):
    make("甲")
    second = make("乙")

    def only(entity, action, actor):
        return entity.column("name") == "甲" if entity.name == "specimen" else None

    with behaving(scope_query=only), unit_of_work(admin_id) as uow:
        assert names(uow) == ["甲"]
        with pytest.raises(NotFound):
            service.update(uow, "specimen", {second: {"name": "丙"}})
        with pytest.raises(Forbidden):
            service.create(uow, "specimen", [{"name": "丁"}])


def shown(form):
    return {control.name for section in form.sections for control in section.controls}


def test_hook_adjust_form(unit_of_work, admin_id, runtime, behaving):
    from core.entities.edits import FormEdit

    def hide(entity, actor):
        return [FormEdit("hide", "website"), FormEdit("hide", "no_such_field")]

    with behaving(adjust_form=hide), unit_of_work(admin_id, write=False) as uow:
        context = InputContext(uow, Reader(runtime.clock.timezone))
        form = forms.build_form(context, uow.entity("specimen"), values={})
        assert "website" not in shown(form)
        assert "name" in shown(form)


def test_hook_adjust_list(unit_of_work, admin_id, behaving):
    from core.entities.edits import ListEdit

    def move(entity, actor):
        return [ListEdit("add", "day", before="name"), ListEdit("remove", "price")]

    with behaving(adjust_list=move), unit_of_work(admin_id, write=False) as uow:
        columns = [field.name for field in tables.list_columns(uow, uow.entity("specimen"))]
    assert columns == ["name", "code", "day", "state", "owner"], "the label comes first"


def test_hook_request_consent(unit_of_work, admin_id, make, behaving):
    """Taken is what a module says it takes, of what was asked about; a failure is nobody's consent."""
    from core.entities.consent import ask_consent

    told = []

    def take(entity, action, records, reasons, **_):
        told.append((entity.name, action, [row["name"] for row in records], dict(reasons)))
        return [records[0]["id"], 10**9]

    def fail(**_):
        raise RuntimeError("out of paper")

    one, two = make("石头"), make("玉")
    with unit_of_work(admin_id) as uow:
        rows = [query.get(uow, "specimen", key).values for key in (one, two)]
        reasons = {one: ["too hard"], two: ["too green"]}
        assert ask_consent(uow, "specimen", "sell", rows, reasons) == frozenset()
        with behaving(request_consent=take):
            assert ask_consent(uow, "specimen", "sell", rows, reasons) == {one}
        said = {one: ("too hard",), two: ("too green",)}
        assert told == [("specimen", "sell", ["石头", "玉"], said)]
        with behaving(request_consent=fail), pytest.raises(HookFailed):
            ask_consent(uow, "specimen", "sell", rows, reasons)


def test_hook_record_actions(unit_of_work, admin_id, make, behaving):
    from core.fields import ActionSpec

    def polish(uow, records, params):
        return len(service.update(uow, "specimen", {r["id"]: {"remark": "shiny"} for r in records}))

    def more(entity, actor):
        return [ActionSpec("polish", "Polish", polish)] if entity.name == "specimen" else []

    key = make("石头")
    with behaving(record_actions=more), unit_of_work(admin_id) as uow:
        assert service.act(uow, "specimen", "polish", [key]) == 1
        assert query.get(uow, "specimen", key).values["remark"] == "shiny"
    with pytest.raises(NotFound), unit_of_work(admin_id) as uow:
        service.act(uow, "specimen", "polish", [key])


def test_hook_record_actions_stands_in_for_a_verb_only_where_it_says_so(
    unit_of_work, admin_id, make, behaving
):
    """The verb that it replaces is part of what the new one does; without the plugin it is back."""
    told = []

    def more(entity, actor, *, replaces=True):
        if entity.name != "specimen":
            return []
        own = next(iter(entity.actions_by_name.values()))

        def handler(uow, records, params):
            told.append(own.name)
            return len(records)

        return [dataclasses.replace(own, params=(), when=None, handler=handler, replaces=replaces)]

    key = make("石头")
    with unit_of_work(admin_id, write=False) as uow:
        verb = next(iter(uow.entity("specimen").actions_by_name))
    with behaving(record_actions=more), unit_of_work(admin_id) as uow:
        assert service.act(uow, "specimen", verb, [key]) == 1
    assert told == [verb]
    shy = functools.partial(more, replaces=False)
    with behaving(record_actions=shy), unit_of_work(admin_id, write=False) as uow:
        spec = uow.entity("specimen")
        assert service.actions_of(uow, spec)[verb] is spec.actions_by_name[verb]


def test_hook_resolve_theme(app, client, bearer, keeper, behaving):
    from core.http.rendering import theme_name

    def portal(request):
        return "portal" if request.host.startswith("portal.") else None

    def theme_of(host):
        with app.test_request_context("/", base_url=f"http://{host}"):
            app.preprocess_request()
            return theme_name()

    with behaving(resolve_theme=portal):
        assert (theme_of("portal.example.com"), theme_of("example.com")) == ("portal", "default")
        page = client.get(
            "/dummy_plugin/board", headers=bearer(keeper), base_url="http://portal.example.com"
        )
        assert page.status_code == 200, "an unknown theme is ignored"


def test_hook_app_ready(app):
    assert "dummy_plugin" in app.extensions["dummy_plugin.ready"]
