"""The wizard of import plans, as a browser without scripts goes through it."""

from __future__ import annotations

import io
import re
import tomllib
from html import unescape

import pytest
from sqlalchemy import select

from core.entities import service
from core.exchange.plans import running
from core.exchange.plans.commands import run_plan
from core.exchange.plans.reading import read_content
from core.exchange.plans.writing import write_plan
from core.security.actor import SYSTEM
from core.testing.installation import PASSWORD
from core.work.endings import release_jobs
from core.work.jobs import LeaseLost
from core.work.leases import signs_of

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

FILES = {
    "things.csv": ["name,keeper,size", "lamp,Ada Ng,小", "desk,Ada Mg,大", "chair,Ada Ng,巨大"],
    "users.csv": ["name,email", "Ada Ng,ada@example.com", "Bo Li,bo@example.com"],
}


def form(browser, path, **data):
    return browser.post(path, data={**data, "csrf_token": browser.csrf})


def upload(browser, path, files, **data):
    sent = [(io.BytesIO("\n".join([*lines, ""]).encode()), name) for name, lines in files.items()]
    return form(browser, path, files=sent, **data)


def begin(browser, files, **data):
    """The address of a new plan of these files."""
    answer = upload(browser, "/import-plans", files, **data)
    assert answer.status_code == 303, answer.get_data(as_text=True)[:3000]
    return answer.headers["Location"]


def begin_with(browser, toml, files=()):
    sent = (io.BytesIO(toml.encode()), "plan.toml")
    return begin(browser, dict(files), plan=sent)


def text_of(browser, where):
    answer = browser.get(where)
    assert answer.status_code == 200, (where, answer.status_code)
    return unescape(answer.get_data(as_text=True))


def toml_of(browser, where):
    return tomllib.loads(browser.get(f"{where}/plan.toml").get_data(as_text=True))


def version(browser, where):
    return re.search(r'name="version" value="(\d+)"', text_of(browser, where))[1]


def go(browser, where, run_jobs, verb="start"):
    """Rehearse or run a plan; the address of the job and what its page says in the end."""
    answer = form(browser, f"{where}/{verb}")
    assert answer.status_code == 303, re.findall(r"<li>.*?</li>", answer.get_data(as_text=True))
    run_jobs()
    return answer.headers["Location"], text_of(browser, answer.headers["Location"])


def counts(page):
    """The numbers of each step, as the page of a run lists them."""
    rows = re.findall(
        r"<tr>(.*?)</tr>", page.partition("<tbody>")[2].partition("</tbody>")[0], re.S
    )
    cells = [
        re.findall(r'<td class="cell-number"[^>]*>(?:<a[^>]*>)?([\d.a-z_]+)', row) for row in rows
    ]
    return [tuple(row) for row in cells]


def test_files_become_a_plan_that_is_rehearsed_cleaned_run_repeated_and_undone(
    sign_in, run_jobs, all_rows
):
    browser = sign_in()
    where = begin(browser, FILES, title="Office")
    steps = toml_of(browser, where)["step"]
    assert [(step["file"], step["entity"]) for step in steps] == [
        ("users.csv", "user"),
        ("things.csv", "thing"),
    ], "what is referred to comes first"
    assert steps[1]["columns"]["keeper"] == {"field": "keeper", "missing": "refuse"}
    assert "Office" in text_of(browser, "/import-plans")

    job, page = go(browser, where, run_jobs, "rehearse")
    assert counts(page) == [("1", "2", "2", "0", "0", "0"), ("2", "3", "1", "0", "0", "2")]
    assert all_rows("thing") == [], "a rehearsal writes nothing"
    report = browser.get(f"{job}/refused-2.csv").get_data().decode("utf-8-sig").splitlines()
    assert [line.split(",")[:2] for line in report[1:]] == [["3", "keeper"], ["4", "size"]]
    button = re.search(r'name="accept" value="(\[.*?\])"', page)[1]
    assert form(browser, f"{job}/accept", accept=button).status_code == 303
    assert toml_of(browser, where)["step"][1]["columns"]["keeper"]["values"] == {"Ada Mg": "Ada Ng"}

    job, page = go(browser, where, run_jobs)
    assert counts(page)[1] == ("2", "3", "2", "0", "0", "1")
    assert [row["name"] for row in all_rows("thing")] == ["lamp", "desk"]
    # Later with another file of the same columns, in the place of the first.
    more = {"things 2027.csv": ["name,keeper,size", "lamp,Ada Ng,小", "sofa,Bo Li,中"]}
    assert upload(browser, f"{where}/files", more).status_code == 303
    _job, page = go(browser, where, run_jobs)
    assert counts(page) == [("1", "2", "0", "0", "2", "0"), ("2", "2", "1", "0", "1", "0")]
    assert [row["name"] for row in all_rows("thing")] == ["lamp", "desk", "sofa"]

    assert "lamp" not in text_of(browser, f"{job}/undo")
    undo = form(browser, f"{job}/undo").headers["Location"]
    run_jobs()
    assert "lamp" not in [row["name"] for row in all_rows("thing") if not row["archived_at"]]
    assert counts(text_of(browser, undo))[0][1] == "2"
    assert "/undo" not in text_of(browser, job), "once"
    form(browser, f"{job}/undo")
    assert run_jobs() == 0


STEP = """
title = "All that can be said"
[[step]]
file = "things.csv"
entity = "thing"
key = ["name", "keeper"]
duplicates = "update"
constants = { tags = ["red, blue", "green"], is_new = "yes" }
[step.columns]
name = { field = "name", values = { "" = "nameless", "a \\"b\\" \\\\ c" = "d" } }
who = { field = "keeper", by = "email", match = "loose", missing = "create", new = { name = "x" } }
on = { field = "day", dates = "mdy" }
kind = { known = ["table", "chair"], match = "loose" }
size = { field = "size", values = { "巨大" = "大" } }
[step.made]
text = "{kind} of {who|name:slug}"
part_of = { text = "{name}", missing = "empty" }
[[step]]
entity = "thing"
rows = [{ name = "one", count = "1" }, { name = "two" }]
"""


def fields_of(page):
    """What a browser sends of the last form of a page that nobody has touched."""
    body = page.partition("<main")[2].partition("</main>")[0]
    found, inner = [], body.rpartition('<form method="post"')[2].partition("</form>")[0]
    control = r'<input[^>]*>|<select[^>]*name="[^"]*".*?</select>|<textarea[^>]*>.*?</textarea>'
    for text in re.findall(control, inner, re.S):
        name = re.search(r' name="([^"]*)"', text)
        if name is None or ('type="checkbox"' in text and " checked" not in text):
            continue
        if text.startswith("<select"):
            chosen = re.search(r'<option value="([^"]*)" selected', text)
            first = re.search(r'<option value="([^"]*)"', text)
            value = (chosen or first)[1]
        elif text.startswith("<textarea"):
            value = text.partition(">")[2].removesuffix("</textarea>").removeprefix("\n")
        else:
            value = (re.search(r' value="([^"]*)"', text) or ("", ""))[1]
        found.append((unescape(name[1]), unescape(value)))
    return found


def save(browser, where, number, **changed):
    page = browser.get(f"{where}/steps/{number}").get_data(as_text=True)
    sent = [pair for pair in fields_of(page) if pair[0] not in changed]
    for name, value in changed.items():
        sent += [(name, each) for each in (value if isinstance(value, list) else [value])]
    data = {}
    for name, value in sent:
        data.setdefault(name, []).append(value)
    return form(browser, f"{where}/steps/{number}", **{**data, "csrf_token": browser.csrf})


def test_a_step_loses_nothing_in_its_form_and_takes_what_is_chosen(sign_in):
    browser = sign_in()
    lines = ["name,who,on,kind,size", "lamp,ada@example.com,3/1/2026,tabel,小"]
    where = begin_with(browser, STEP, {"things.csv": lines})
    before = toml_of(browser, where)
    assert before["step"] == tomllib.loads(STEP)["step"]
    for number in (1, 2):
        assert save(browser, where, number).status_code == 303
    after = toml_of(browser, where)
    rows = after["step"][1].pop("columns")
    assert after == before, "what was not touched stays, word for word"
    assert rows == {"name": "name", "count": "count"}, "as it went without saying"

    changes = {"c4.field": "count", "c3.known": "table\r\nchair\r\n", "duplicates": "skip"}
    pairs = {"c4.from": ["巨大", "", "小"], "c4.to": ["", "", "1"]}
    assert save(browser, where, 1, **changes, **pairs).status_code == 303
    step = toml_of(browser, where)["step"][0]
    assert step["columns"]["size"] == {"field": "count", "values": {"巨大": "", "小": "1"}}
    assert "duplicates" not in step
    page = text_of(browser, f"{where}/steps/1")
    assert "巨大" in page


@pytest.mark.long
def test_near_words_are_suggested_beside_the_columns_and_accepted_with_one_click(sign_in):
    browser = sign_in()
    toml = """
    [[step]]
    file = "things.csv"
    entity = "thing"
    key = ["name"]
    [step.columns]
    name = { field = "name", known = ["technology"] }
    size = "size"
    """
    where = begin_with(browser, toml, {"things.csv": ["name,size", "technolgy,小"]})
    page = text_of(browser, f"{where}/steps/1")
    button = re.search(r'name="accept" value="(\[.*?\])"', page)[1]
    assert button == '[1, "name", "technolgy", "technology"]'
    sent = {"accept": button, "version": version(browser, where)}
    assert form(browser, f"{where}/steps/1", **sent).status_code == 303
    assert toml_of(browser, where)["step"][0]["columns"]["name"]["values"] == {
        "technolgy": "technology"
    }
    assert 'name="accept"' not in text_of(browser, f"{where}/steps/1")


@pytest.mark.long
def test_the_file_of_a_plan_is_that_of_the_command_line(
    sign_in, run_jobs, all_rows, runtime, tmp_path
):
    """Round trip: written in the wizard, followed on the command line, and uploaded again."""
    browser = sign_in()
    where = begin(browser, FILES)
    path, folder = tmp_path / "plan.toml", tmp_path / "data"
    path.write_bytes(browser.get(f"{where}/plan.toml").get_data())
    folder.mkdir()
    for name, lines in FILES.items():
        (folder / name).write_text("\n".join([*lines, ""]), encoding="utf-8")
    told = run_plan(runtime, path, folder, actor=SYSTEM)
    assert (told["created"], told["refused"]) == (3, 2)
    again = begin_with(browser, path.read_text(encoding="utf-8"), FILES)
    assert toml_of(browser, again) == toml_of(browser, where)
    _job, page = go(browser, again, run_jobs)
    assert counts(page)[0] == ("1", "2", "0", "0", "2", "0"), "no doubles, whoever ran it first"


def test_any_text_survives_being_written():
    content = {
        "title": 'a "b" \\ c\n\td\x7f\x01',
        "step": [
            {
                "entity": "ünï.cøde",
                "rows": [{"名称": "一", "a b": ["x", "y"]}],
                "columns": {"": "x", "a.b": {"field": "f", "values": {"": "n/a", "'": "="}}},
                "made": {"m": "{a|b:slug}"},
            }
        ],
    }
    assert read_content(write_plan(content).encode(), "x") == content


@pytest.mark.long
def test_what_is_wrong_is_told_and_nothing_is_kept(sign_in):
    browser = sign_in()
    for text in ("[[step]]\nfile = 'a", "x = " + "[" * 5000, "[[step]]\nfoo = 1", "\xff"):
        sent = {"plan": (io.BytesIO(text.encode("latin-1")), "bad.toml")}
        answer = form(browser, "/import-plans", **sent)
        assert answer.status_code == 422
        assert "notice-bad" in answer.get_data(as_text=True)
    assert form(browser, "/import-plans").status_code == 422, "neither name nor file"
    assert "record-link" not in text_of(browser, "/import-plans")

    toml = '[[step]]\nfile = "a.csv"\nentity = "thing"\ncolumns = { nam = "nope" }'
    where = begin_with(browser, toml)
    assert form(browser, f"{where}/start").status_code == 422, "without its file"
    upload(browser, f"{where}/files", {"a.csv": ["name", "x"]})
    page = text_of(browser, where)
    assert page.count("<li><svg") == 3, "the column, the field and the key, each in words"
    refused = form(browser, f"{where}/rehearse")
    assert refused.status_code == 422
    wrong = {"toml": "[[step]]\nfile = 3", "version": version(browser, where)}
    assert form(browser, f"{where}/toml", **wrong).status_code == 422
    assert toml_of(browser, where)["step"][0]["columns"] == {"nam": "nope"}
    bad = {"bad.csv": ["a\0b", "\0"]}
    assert upload(browser, f"{where}/files", bad).status_code == 303
    assert len(toml_of(browser, where)["step"]) == 1, "a file that is none makes no step"


@pytest.mark.long
def test_steps_are_moved_added_and_removed_by_one_window_at_a_time(sign_in):
    browser = sign_in()
    where = begin(browser, FILES)
    old = version(browser, where)

    def order():
        return [step["file"] for step in toml_of(browser, where)["step"]]

    form(browser, f"{where}/steps", down="1", version=old)
    assert order() == ["things.csv", "users.csv"]
    assert form(browser, f"{where}/steps", up="2", version=old).status_code == 409
    form(browser, f"{where}/steps", order="1", version=version(browser, where))
    assert order() == ["users.csv", "things.csv"]
    add = {"add": "1", "file": "users.csv", "entity": "prospect"}
    form(browser, f"{where}/steps", **add, version=version(browser, where))
    assert toml_of(browser, where)["step"][2]["entity"] == "prospect"
    asked = form(browser, f"{where}/steps", remove="1", version=version(browser, where))
    assert order() == ["users.csv", "things.csv", "users.csv"], "it is asked first"
    sent = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', asked.text))
    form(browser, f"{where}/steps", **{k: v for k, v in sent.items() if k != "csrf_token"})
    assert order() == ["things.csv", "users.csv"]


@pytest.mark.long
def test_a_column_that_refers_to_its_own_file_is_read_again(sign_in, run_jobs, all_rows):
    browser = sign_in()
    lines = ["name,part of", "lamp,desk", "desk,"]
    where = begin(browser, {"things.csv": lines})
    first, again = toml_of(browser, where)["step"]
    assert (list(first["columns"]), again["duplicates"]) == (["name"], "update")
    _job, page = go(browser, where, run_jobs)
    assert counts(page) == [("1", "2", "2", "0", "0", "0"), ("2", "2", "0", "1", "1", "0")]
    lamp, desk = all_rows("thing")
    assert lamp["part_of"] == desk["id"]


@pytest.mark.long
def test_a_run_goes_on_after_its_worker_died(sign_in, run_jobs, all_rows, runtime, monkeypatch):
    browser = sign_in()
    where = begin(browser, FILES)
    whole, asked = running.suggestions, []

    def dying(uow, work):
        asked.append(work.label)
        if len(asked) == 1:
            raise LeaseLost("the power failed")
        return whole(uow, work)

    monkeypatch.setattr(running, "suggestions", dying)
    job = form(browser, f"{where}/start").headers["Location"]
    run_jobs()
    page = text_of(browser, job)
    assert 'hx-trigger="every 1s"' in page
    assert "users.csv" in page, "as far as it came"
    assert all_rows("thing") == []
    release_jobs(runtime, signs_of(runtime))
    run_jobs()
    page = text_of(browser, job)
    assert 'hx-trigger="every 1s"' not in page
    assert counts(page) == [("1", "2", "2", "0", "0", "0"), ("2", "3", "1", "0", "0", "2")]


def test_a_file_that_was_taken_away_by_mistake_comes_back(sign_in, person):
    browser, other = sign_in(), person("乙", "own")
    where = begin(browser, {"things.csv": ["name", "lamp"]})
    form(browser, f"{where}/files", remove="things.csv")
    page = text_of(browser, where)
    assert 'name="remove" value="things.csv"' not in page
    undo = unescape(re.search(r'data-toast>.*?action="([^"]+)"', page, re.S)[1])
    foreign = begin(other, {"users.csv": ["email", "a@b.example"]})
    stolen = undo.replace(where, foreign)
    assert stolen != undo
    assert form(other, stolen).status_code == 404
    assert form(browser, undo).status_code == 303
    assert 'name="remove" value="things.csv"' in text_of(browser, where)
    assert form(browser, f"{where}/rehearse").status_code == 303


@pytest.mark.long
def test_a_run_is_stopped(sign_in, run_jobs, all_rows):
    browser = sign_in()
    where = begin(browser, FILES)
    job = form(browser, f"{where}/start").headers["Location"]
    assert f'href="{job}/stop"' in text_of(browser, job)
    assert f'action="{job}/stop"' in text_of(browser, f"{job}/stop"), "it is asked first"
    assert form(browser, f"{job}/stop").status_code == 303
    run_jobs()
    assert all_rows("thing") == []
    assert "/stop" not in text_of(browser, job)


# Who may


@pytest.fixture
def person(sign_in, make_person, unit_of_work):
    """``person(name, roles)``: the browser of a new person."""

    def make(name, *roles):
        key = make_person(name, roles=roles, password=PASSWORD)
        with unit_of_work(write=False) as uow:
            users = uow.entity("user").table
            email = uow.execute(select(users.c.email).where(users.c.id == key)).scalar_one()
        return sign_in(email)

    return make


def test_a_deleted_plan_is_brought_back_with_its_files(sign_in):
    browser = sign_in()
    where = begin(browser, FILES, title="Office")
    before = toml_of(browser, where)
    form(browser, f"{where}/delete")
    gone = text_of(browser, "/import-plans")
    assert f'href="{where}"' not in gone
    back = re.search(r'action="(/import-plans/[0-9]+/restore)"', gone)[1]
    assert form(browser, back).headers["Location"] == where
    assert toml_of(browser, where) == before
    assert form(browser, f"{where}/rehearse").status_code == 303, "its files are there"
    assert form(browser, back).status_code == 404


#: What can be asked about a plan, and about a run of it.
PLAN = ["GET ", "GET /plan.toml", "GET /steps/1", "POST ", "POST /toml", "POST /copy", "POST /delete",
        "POST /restore", "POST /files", "POST /steps", "POST /steps/1", "POST /rehearse", "POST /start"]  # fmt: skip
RUN = [
    "GET ",
    "GET /undo",
    "GET /refused-1.csv",
    "POST /accept",
    "GET /stop",
    "POST /stop",
    "POST /undo",
]
LONG = pytest.mark.long


def refusals(browser, where, asked, version):
    """The status of each answer."""
    found = {}
    for method, _blank, rest in (each.partition(" ") for each in asked):
        data = {"csrf_token": browser.csrf, "version": version, "remove": "1", "title": "x"}
        data = data if method == "POST" else None
        answer = browser.open(where + rest, method=method, data=data)
        found[method, rest] = answer.status_code
    return found


@pytest.mark.parametrize(
    ("plan", "run"),
    [(PLAN[-3:], RUN[-1:]), pytest.param(PLAN, RUN, marks=LONG)],
    ids=["some", "all"],
)
def test_the_plan_of_another_is_a_missing_one_and_without_the_right_there_is_none(
    sign_in, person, run_jobs, plan, run
):
    owner, other, typist = person("甲", "own"), person("乙", "own"), person("丙", "typist")
    where = begin(owner, {"things.csv": ["name", "lamp"]})
    job, _page = go(owner, where, run_jobs)
    rehearsal, _page = go(owner, where, run_jobs, "rehearse")
    before, now = toml_of(owner, where), version(owner, where)
    assert "things" not in text_of(other, "/import-plans")
    for place, asked in ((where, plan), (job, run), (rehearsal, RUN[:1])):
        assert set(refusals(other, place, asked, now).values()) == {404}
        assert set(refusals(typist, place, asked, now).values()) == {403}
    assert typist.get("/import-plans").status_code == 403
    assert upload(typist, "/import-plans", FILES).status_code == 403
    assert toml_of(owner, where) == before
    assert run_jobs() == 0
    assert sign_in().get(where).status_code == 404, "nor has an administrator any part in it"


def test_a_shared_plan_is_used_with_files_and_rights_of_ones_own(
    sign_in, person, run_jobs, all_rows
):
    owner, other = person("甲", "own"), person("乙", "own")
    where = begin(owner, {"things.csv": ["name", "secret lamp"]})
    form(owner, where, title="Things", shared="1", version=version(owner, where))
    page = text_of(other, where)
    assert "Things" in text_of(other, "/import-plans")
    assert "/steps/1" not in page, "it is not theirs to change"
    changing = ["POST ", "POST /toml", "POST /steps", "POST /steps/1", "POST /delete"]
    assert set(refusals(other, where, changing, version(owner, where)).values()) == {404}
    assert form(other, f"{where}/start").status_code == 422, "the file of another is not used"
    upload(other, f"{where}/files", {"other.csv": ["foo", "x"]})
    assert len(toml_of(owner, where)["step"]) == 1
    upload(other, f"{where}/files", {"things.csv": ["name", "desk"]})
    job, _page = go(other, where, run_jobs)
    assert [row["name"] for row in all_rows("thing")] == ["desk"]
    assert owner.get(job).status_code == 404
    go(owner, where, run_jobs)
    assert [row["name"] for row in all_rows("thing")] == ["desk", "secret lamp"]
    form(owner, where, title="Things", version=version(owner, where))
    assert other.get(where).status_code == 404, "no longer shared"


def test_a_plan_reaches_no_further_than_the_person(sign_in, person, run_jobs, all_rows):
    admin, narrow = sign_in(), person("窄", "masked")
    where = begin(admin, FILES)
    form(admin, where, title="Office", shared="1", version=version(admin, where))
    assert narrow.get(where).status_code == 404, "it names people, whom they may not import"
    people = len(all_rows("user"))
    toml = """
    [[step]]
    file = "p.csv"
    entity = "{entity}"
    key = ["{key}"]
    columns = {{ a = "{key}", b = "{field}" }}
    """
    for entity, key, field in (
        ("user", "name", "email"),
        ("prospect", "company", "expected_amount"),  # hidden
        ("prospect", "company", "source"),  # not theirs to write
        ("prospect", "company", "created_at"),
    ):
        text = toml.format(entity=entity, key=key, field=field)
        own = begin_with(narrow, text, {"p.csv": ["a,b", "x,1"]})
        assert form(narrow, f"{own}/start").status_code == 422, (entity, field)
    assert run_jobs() == 0
    assert (len(all_rows("user")), all_rows("prospect")) == (people, [])
    # A look-up does not make what the person may not make.
    text = toml.format(entity="thing", key="name", field="keeper")
    text = text.replace('b = "keeper"', 'b = { field = "keeper", missing = "create" }')
    own = begin_with(narrow, text, {"p.csv": ["a,b", "x,Eve"]})
    assert form(narrow, f"{own}/start").status_code == 422


@pytest.mark.long
def test_a_right_that_is_lost_meanwhile_stops_the_run(person, run_jobs, all_rows, unit_of_work):
    browser = person("甲", "own")
    where = begin(browser, {"things.csv": ["name", "lamp"]})
    job = form(browser, f"{where}/start").headers["Location"]
    (me,) = [row["id"] for row in all_rows("user") if row["name"] == "甲"]
    with unit_of_work() as uow:
        roles = uow.entity("role").table
        typist = uow.execute(select(roles.c.id).where(roles.c.name == "typist")).scalar_one()
        service.update(uow, "user", {me: {"roles": [typist]}})
    run_jobs()
    assert all_rows("thing") == []
    assert browser.get(job).status_code == 302, "who is given other rights signs in again"
