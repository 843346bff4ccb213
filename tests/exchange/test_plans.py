"""Plans: several files in order, checked first, rehearsed, repeatable, and undone as a whole."""

from __future__ import annotations

from datetime import date

import pytest

from core.entities import service
from core.errors import Invalid, NotFound, Refused
from core.exchange.plans import running
from core.exchange.plans.commands import is_plan, run_plan, undo_plan
from core.exchange.plans.running import steps_of
from core.exchange.waiting import run_to_end
from core.i18n import use_locale
from core.security.actor import SYSTEM
from core.security.directory import load_actor
from core.tabular.reader import open_table
from core.work.jobs import replay_job
from core.work.tables import job_table

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

COUNTS = ("created", "updated", "duplicates", "refused")
PEOPLE = """
title = "Things and their keepers"
[[step]]
file = "people.csv"
entity = "user"
columns.who = "name"
made = { email = "{who:slug}@example.com" }
"""
THINGS = """
[[step]]
file = "things.csv"
entity = "thing"
key = ["name"]
[step.columns]
thing = "name"
keeper = { field = "keeper", by = "name" }
"""


@pytest.fixture
def plan(runtime, tmp_path):
    """``plan(toml, files, actor=SYSTEM, **options)``: the answer of a plan with these files."""

    def run(text, files=(), actor=SYSTEM, **options):
        path, folder = tmp_path / "plan.toml", tmp_path / "data"
        folder.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        for name, lines in dict(files).items():
            (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        with use_locale("en"):
            return run_plan(runtime, path, folder, actor=actor, **options)

    return run


def counts(result):
    return [tuple(step[name] for name in COUNTS) for step in result["steps"]]


FILES = {
    "people.csv": ["who", "Ada Ng", "Bo Li"],
    "things.csv": ["thing,keeper", "lamp,Ada Ng", "desk,Bo Li", "chair,Ada Mg", "lamp,Bo Li"],
}


# Checked before anything is written


def test_all_that_is_wrong_is_told_with_step_and_column(plan, all_rows):
    text = """
    [[step]]
    file = "things.csv"
    entity = "thing"
    key = ["name", "size"]
    constants = { is_new = "perhaps", colour = "red" }
    [step.columns]
    thing = "name"
    weight = "ratio"
    keeper = { field = "keeper", by = "nam" }
    [step.made]
    text = "{thing} of {nobody}"
    day = "always"
    [[step]]
    file = "things.csv"
    entity = "thingummy"
    [[step]]
    file = "things.csv"
    entity = "prospect"
    columns = { thing = "score", keeper = { field = "company", by = "name" } }
    """
    with pytest.raises(Invalid) as refused:
        plan(PEOPLE + text, FILES)
    assert refused.value.message.splitlines() == [
        "step 2 (things.csv), column 'weight': the file has no such column",
        "step 2 (things.csv), column 'keeper': entity user has no field 'nam'",
        "step 2 (things.csv), made 'text': the file has no column 'nobody'",
        "step 2 (things.csv), made 'day': it names no column in braces; a text for every row is"
        " a constant",
        "step 2 (things.csv), constants 'is_new': “perhaps” is neither yes nor no",
        "step 2 (things.csv), constants 'colour': entity thing has no field 'colour'",
        "step 2 (things.csv), key: nothing fills the field 'size'",
        "step 3 (things.csv): there is no entity 'thingummy'",
        "step 4 (things.csv), column 'thing': the field 'score' is not imported",
        "step 4 (things.csv), column 'keeper': the field 'company' refers to no records",
    ]
    assert len(all_rows("user")) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("title = 'x'", "The plan has no [[step]]."),
        ("[[step]]\nentity = 'thing'", "step 1 (thing): it is to have either 'file' or 'rows'"),
        ("[[step]]\nfile = '../a.csv'\nentity = 'thing'", "without folders"),
        ("[[step]]\nfile = 'a.csv'\nentity = 'thing'", "step 1 (a.csv): there is no such file"),
        ("[[step]]\nfile = 'people.csv'\nentity = 'thing'\nfiled = 1", "no key 'filed' here"),
        (f"{PEOPLE}duplicates = 'create'", "'duplicates' is to be one of skip, update"),
        ("[[step]", "plan.toml: "),
        (
            "[[step]]\nfile = 'people.csv'\nentity = 'thing'\ncolumns = { who = 'name' }",
            "step 1 (people.csv), key: say by which fields records are told apart",
        ),
    ],
)
def test_a_plan_of_the_wrong_shape_is_refused(plan, text, told):
    with pytest.raises(Invalid) as refused:
        plan(text, FILES)
    assert told in refused.value.message


def test_a_plan_is_followed_with_the_rights_of_its_operator(plan, make_person, unit_of_work):
    reader = make_person("读者", roles=("viewer",))
    with unit_of_work(write=False) as uow:
        actor = load_actor(uow, reader)
    with pytest.raises(Invalid) as refused:
        plan(PEOPLE + THINGS, FILES, actor)
    assert [problem.field for problem in refused.value.problems] == [
        "step 1 (people.csv)",
        "step 2 (things.csv)",
    ]


# Followed


def test_a_dry_run_tells_what_a_run_does_and_writes_nothing(plan, all_rows, runtime, tmp_path):
    reports = tmp_path / "reports"
    told = plan(PEOPLE + THINGS, FILES, dry_run=True, reports=reports)
    assert counts(told) == [(2, 0, 0, 0), (2, 0, 1, 1)]
    (refusal,) = told["steps"][1]["refusals"]
    assert (refusal["line"], refusal["field"]) == (4, "keeper")
    assert "is it “Ada Ng”?" in refusal["reason"]
    (cells,) = [cells for _line, cells in open_table(reports / "2-things.csv", "x.csv").rows()]
    assert cells[:2] == ["4", "keeper"]
    assert (len(all_rows("user")), all_rows("thing")) == (1, [])
    with runtime.read_connection() as connection:
        assert connection.execute(job_table.select()).all() == []

    done = plan(PEOPLE + THINGS, FILES, reports=reports)
    assert counts(done) == counts(told)
    assert done["suggestions"] == told["suggestions"]
    assert [(each["text"], each["like"], each["is_matched"]) for each in told["suggestions"]] == [
        ("Ada Mg", "Ada Ng", False)
    ]
    people = {row["name"]: row["id"] for row in all_rows("user")}
    assert [(row["name"], row["keeper"]) for row in all_rows("thing")] == [
        ("lamp", people["Ada Ng"]),
        ("desk", people["Bo Li"]),
    ]
    report = reports / "2-things.csv"  # in place of that of the rehearsal
    (cells,) = [cells for _line, cells in open_table(report, report.name).rows()]
    assert cells[:3] == ["chair", "Ada Mg", "4"]


def test_cells_are_made_dated_and_given_the_values_of_the_plan(plan, all_rows):
    text = """
    [[step]]
    file = "list.csv"
    entity = "thing"
    key = ["name"]
    constants = { tags = ["a", "b,c"], amount = 12.50, is_new = true }
    [step.columns]
    "kind" = { match = "loose", known = ["GTX Pro", "MG Special"] }
    "made" = { field = "day", dates = "mdy" }
    "size" = { field = "size", values = { big = "l", "" = "m" } }
    [step.made]
    name = "{kind} no. {number}"
    moment = "{sold|made}"
    text = "{remark}"
    """
    lines = [
        "number,kind,made,sold,size,remark",
        "1,GTXPro,3/1/2017,2017-04-02,big,",
        "2,mg-special,10/20/2016,,,fine",
        "3,MG Spezial,13/13/2016,,s,",
    ]
    told = plan(text, {"list.csv": lines})
    assert counts(told) == [(2, 0, 0, 1)]
    found = [(each["text"], each["like"], each["is_matched"]) for each in told["suggestions"]]
    assert found == [
        ("GTXPro", "GTX Pro", True),
        ("MG Spezial", "MG Special", False),
        ("mg-special", "MG Special", True),
    ]
    first, second = all_rows("thing")
    assert (first["name"], first["day"], first["size"]) == ("GTX Pro no. 1", date(2017, 3, 1), "l")
    assert (first["tags"], first["amount"], first["is_new"]) == (["a", "b,c"], 12.5, True)
    assert (first["text"], first["moment"].isoformat()[:10]) == (None, "2017-04-01")  # in UTC
    assert (second["name"], second["size"], second["text"]) == ("MG Special no. 2", "m", "fine")
    assert second["moment"].isoformat()[:10] == "2016-10-19"


@pytest.mark.parametrize(
    ("missing", "made", "refused", "owners"),
    [
        ("refuse", 2, 1, ["lamp", "lamp"]),
        ("empty", 3, 0, ["lamp", "lamp", None]),
        ("create", 3, 0, ["lamp", "lamp", "Sofa"]),
    ],
)
def test_what_a_look_up_does_not_find(plan, all_rows, runtime, missing, made, refused, owners):
    text = f"""
    [[step]]
    entity = "thing"
    key = ["name"]
    rows = [{{ name = "lamp" }}]
    [[step]]
    file = "parts.csv"
    entity = "thing"
    key = ["name"]
    [step.columns]
    part = "name"
    whole = {{ field = "part_of", by = "name", match = "loose", missing = "{missing}" }}
    """
    lines = ["part,whole", "bulb,lamp", "cable,L a m p", "cushion,Sofa"]
    told = plan(text, {"parts.csv": lines})
    assert counts(told)[-1] == (made, 0, 0, refused)
    rows = {row["id"]: row for row in all_rows("thing")}
    parts = [row for row in rows.values() if row["name"] not in ("lamp", "Sofa")]
    names = [row["part_of"] and rows[row["part_of"]]["name"] for row in parts]
    assert names == owners
    if missing == "create":
        assert [step["step"] for step in told["steps"]] == ["1", "2.part_of", "2"]
        undone = undo_plan(runtime, told["job"], actor=SYSTEM)
        assert (undone["removed"], undone["kept"], all_rows("thing")) == (5, 0, [])


def test_several_spellings_of_what_is_missing_make_one_record(plan, all_rows):
    text = """
    [[step]]
    file = "parts.csv"
    entity = "thing"
    key = ["name"]
    [step.columns]
    part = "name"
    whole = { field = "part_of", match = "loose", missing = "create", new = { size = "l" } }
    """
    told = plan(text, {"parts.csv": ["part,whole", "bulb,Big Lamp", "cable,BigLamp"]})
    assert counts(told) == [(1, 0, 0, 0), (2, 0, 0, 0)]
    lamp, bulb, cable = all_rows("thing")
    assert (lamp["name"], lamp["size"]) == ("Big Lamp", "l")
    assert bulb["part_of"] == cable["part_of"] == lamp["id"]


def test_a_column_that_stands_twice_in_a_file_is_refused(plan):
    with pytest.raises(Invalid) as refused:
        plan(PEOPLE, {"people.csv": ["who,who", "Ada Ng,Bo Li"]})
    assert "column 'who': the file has this column twice" in refused.value.message


def test_a_key_from_outside_is_no_number_of_ours(plan, all_rows):
    text = """
    [[step]]
    entity = "thing"
    key = ["name"]
    rows = [{ name = "7" }, { name = "other" }]
    [[step]]
    file = "parts.csv"
    entity = "thing"
    key = ["name"]
    columns = { part = "name", whole = { field = "part_of", by = "name" } }
    """
    told = plan(text, {"parts.csv": ["part,whole", "bulb,7", "wire,1"]})
    assert counts(told) == [(2, 0, 0, 0), (1, 0, 0, 1)]
    seven, _other, bulb = all_rows("thing")
    assert bulb["part_of"] == seven["id"]


# Again, and back


def test_again_it_makes_no_doubles_and_undone_it_leaves_nothing(
    plan, all_rows, runtime, unit_of_work, tmp_path
):
    with unit_of_work() as uow:
        service.create(uow, "thing", [{"name": "desk", "text": "of oak"}])
    files = {**FILES, "things.csv": ["thing,keeper,text", "lamp,Ada Ng,", "desk,Bo Li,of pine"]}
    text = PEOPLE + THINGS + 'text = "text"\n'
    updating = text.replace('key = ["name"]', 'key = ["name"]\nduplicates = "update"')
    first = plan(updating, files)
    assert counts(first) == [(2, 0, 0, 0), (1, 1, 0, 0)]
    for again in (text, updating):
        assert counts(plan(again, files)) == [(0, 0, 2, 0), (0, 0, 2, 0)]
    assert is_plan(runtime, first["job"], actor=SYSTEM)
    desk, lamp = all_rows("thing")
    assert (desk["text"], lamp["name"]) == ("of pine", "lamp")

    with unit_of_work() as uow:
        service.update(uow, "thing", {lamp["id"]: {"text": "ours by now"}})
    reports = tmp_path / "kept"
    undone = undo_plan(runtime, first["job"], actor=SYSTEM, reports=reports)
    assert [undone[name] for name in ("removed", "restored", "kept")] == [1, 1, 2]
    assert len(list(reports.iterdir())) == 2  # the lamp, and Ada, who keeps it
    desk, lamp = all_rows("thing")
    assert (desk["text"], desk["keeper"], lamp["text"]) == ("of oak", None, "ours by now")
    with pytest.raises(Refused):
        undo_plan(runtime, first["job"], actor=SYSTEM)


def test_what_was_undone_can_be_brought_again_and_undone_again(plan, all_rows, runtime):
    """People keep their addresses in the recycle bin, so the very same ones come back."""
    first = plan(PEOPLE, FILES)
    people = {row["name"]: row["id"] for row in all_rows("user")}
    undo_plan(runtime, first["job"], actor=SYSTEM)
    mended = {"people.csv": ["who,title", "Ada Ng,Head", "Bo Li,", "Cy Wu,"]}
    text = PEOPLE + 'columns.title = "title"\n'
    assert counts(plan(text, mended, dry_run=True)) == [(3, 0, 0, 0)]
    second = plan(text, mended)
    assert counts(second) == [(3, 0, 0, 0)]
    found = {row["name"]: row for row in all_rows("user")}
    assert {name: found[name]["id"] for name in people} == people
    assert found["Ada Ng"]["title"] == "Head"
    assert undo_plan(runtime, second["job"], actor=SYSTEM)["removed"] == 3
    assert len(all_rows("user")) == 1


def test_what_somebody_deleted_is_not_brought_back(plan, all_rows, unit_of_work):
    plan(PEOPLE, FILES)
    (ada,) = [row["id"] for row in all_rows("user") if row["name"] == "Ada Ng"]
    with unit_of_work() as uow:
        service.delete(uow, "user", [ada])
    assert counts(plan(PEOPLE, FILES)) == [(0, 0, 1, 1)]


def test_a_plan_that_broke_down_goes_on_where_it_was(
    plan, all_rows, runtime, unit_of_work, monkeypatch
):
    whole, asked = running.suggestions, []

    def breaking(uow, work):
        asked.append(work.label)
        if len(asked) == 1:
            raise RuntimeError("the power failed")
        return whole(uow, work)

    monkeypatch.setattr(running, "suggestions", breaking)
    with pytest.raises(Refused):
        plan(PEOPLE + THINGS, FILES)
    assert (len(all_rows("user")), all_rows("thing")) == (3, [])
    with runtime.read_connection() as connection:
        job_id = connection.execute(job_table.select().order_by(job_table.c.id)).first().id
    with unit_of_work() as uow:
        replay_job(uow, job_id)
    job = run_to_end(runtime, job_id)
    assert (job.state, job.result["created"]) == ("done", 4)
    assert (len(all_rows("user")), len(all_rows("thing"))) == (3, 2)
    with unit_of_work(write=False) as uow:
        assert len(steps_of(uow, job_id)) == 2


def test_a_plan_is_undone_by_its_operator_or_an_administrator_alone(
    plan, all_rows, runtime, admin_id, make_person, unit_of_work
):
    told = plan(PEOPLE, FILES)
    viewer = make_person("旁人", roles=("viewer",))
    with unit_of_work(write=False) as uow:
        viewer, admin = load_actor(uow, viewer), load_actor(uow, admin_id)
    assert not is_plan(runtime, told["job"], actor=viewer)
    with pytest.raises(NotFound):
        undo_plan(runtime, told["job"], actor=viewer)
    assert undo_plan(runtime, told["job"], actor=admin)["removed"] == 2
