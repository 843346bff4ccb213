"""What a person chooses for an import: keys, values for the whole file, full names, presets."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from core.entities import service
from core.errors import Invalid, NotFound
from core.exchange.adjusting import Additions
from core.exchange.commands import import_file, undo_file_import
from core.exchange.full_names import likely_names
from core.exchange.mapping import importable_fields, propose
from core.exchange.presets import delete_preset, find_preset, presets_of, save_preset
from core.exchange.references import ReferenceResolver
from core.exchange.templates import headings, write_template
from core.fields import Reference
from core.security.directory import load_actor
from core.tabular.cleaning import CleaningError
from core.tabular.reader import open_table

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def table(tmp_path, *lines, name="list.csv"):
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def results(job):
    return [job.result[name] for name in ("created", "updated", "duplicates", "refused")]


# Keys


def test_update_by_another_key(admin_id, import_rows, all_rows, tmp_path):
    """Records are found by the fields that were chosen, and by no others."""
    head = "company,mobile,email,note"
    import_rows(
        admin_id,
        table(
            tmp_path,
            head,
            "甲公司,13800001111,a@example.com,",
            "乙公司,13800002222,b@example.com,",
            "丙公司,,,",
        ),
    )
    again = table(
        tmp_path,
        head,
        "改名公司,13899999999,A@example.com,一",  # the address in another case
        "乙公司,13800002222,,二",  # no address: not known by it
        "丁公司,,d@example.com,三",
        "丁公司,,d@example.com,四",  # the same once more
    )
    job = import_rows(admin_id, again, policy="update", keys=("email",))
    assert results(job) == [2, 2, 0, 0]
    rows = [(row["company"], row["email"], row["note"]) for row in all_rows()]
    assert rows == [
        ("改名公司", "A@example.com", "一"),
        ("乙公司", "b@example.com", None),
        ("丙公司", None, None),
        ("乙公司", None, "二"),
        ("丁公司", "d@example.com", "四"),
    ]


def test_one_of_the_declared_keys_alone_is_normalised_too(
    admin_id, import_rows, all_rows, tmp_path, monkeypatch
):
    monkeypatch.setattr("core.exchange.jobs.BATCH", 2)
    import_rows(admin_id, table(tmp_path, "company,mobile", "潍坊鸢衡机械有限公司,13800001111"))
    again = table(
        tmp_path,
        "company,mobile",
        "潍坊鸢衡机械股份有限公司,13800002222",
        "青岛公司,13800003333",
        "别的,13800004444",
        "青岛有限公司,13800005555",
    )
    job = import_rows(admin_id, again, keys=("company",))
    assert results(job) == [2, 0, 2, 0], "also of what the batch before has made"
    assert len(all_rows()) == 3


def test_keys_that_cannot_be_used_are_refused(admin_id, make_person, import_rows, tmp_path):
    path = table(tmp_path, "company,mobile,note", "甲公司,13800001111,x")
    person = make_person(roles=["masked"])
    for who, keys, code in (
        (admin_id, ("note",), "unknown_field"),  # long text
        (admin_id, ("nothing",), "unknown_field"),
        (admin_id, ("email",), "no_column"),
        (person, ("mobile",), "unknown_field"),  # seen masked only
    ):
        with pytest.raises(Invalid) as refused:
            import_rows(who, path, keys=keys)
        assert refused.value.problems[0].code == code


def test_other_people_s_records_are_no_oracle(admin_id, make_person, import_rows, tmp_path):
    """By a field that nobody declared as a key, only what the importer may read is a duplicate."""
    import_rows(admin_id, table(tmp_path, "company,email", "甲公司,secret@example.com"))
    own = make_person(roles=["own"])
    path = table(tmp_path, "company,email", "乙公司,secret@example.com")
    job = import_rows(own, path, keys=("email",))
    assert results(job) == [1, 0, 0, 0]
    assert results(import_rows(own, path, keys=("email",))) == [0, 0, 1, 0]
    path = table(tmp_path, "company,mobile", "甲公司,13800009999")
    assert results(import_rows(own, path, keys=("company",))) == [1, 0, 0, 0]


# Values for the whole file, names in full


def test_one_key_more_tells_nothing_of_records_of_others(
    admin_id, make_person, import_rows, tmp_path
):
    """That somebody has a record of the declared keys is told; not what else it holds."""
    own = make_person(roles=["own"])
    head = "company,mobile,source"
    import_rows(admin_id, table(tmp_path, head, "甲公司,13800001111,要降价"))
    declared = table(tmp_path, head, "甲公司,13800001111,x", name="d.csv")
    assert results(import_rows(own, declared)) == [0, 0, 1, 0]
    for guessed in ("要降价", "不要"):
        guess = table(tmp_path, head, f"甲公司,13800001111,{guessed}", name="g.csv")
        job = import_rows(own, guess, keys=("company", "mobile", "source"))
        assert results(job) == [1, 0, 0, 0], guessed


def test_a_masked_name_is_not_guessed_at_with_the_number(unit_of_work, make_person):
    """A record is named by its number alone to who does not see what it is called."""
    with unit_of_work() as uow:
        (key,) = service.create(uow, "thing", [{"name": "砖"}])
        role = {"name": "blind", "title": "B", "grants": {"thing": {"read": "all"}}}
        service.create(uow, "role", [{**role, "field_rules": {"thing": {"name": "masked"}}}])
    found = {}
    for person in (make_person(roles=["blind"]), None):
        with unit_of_work(person, write=False) as uow:
            resolver = ReferenceResolver(uow.entity("thing"))
            texts = [f"砖 #{key}", f"瓦 #{key}", f"#{key}"]
            resolver.prepare(uow, Reference("thing"), texts)
            for text in texts:
                try:
                    found[person, text] = resolver.find(text)
                except CleaningError:
                    found[person, text] = None
    assert list(found.values()) == [None, None, key, key, None, key]


def test_values_for_the_whole_file_and_names_in_full(admin_id, import_rows, all_rows, tmp_path):
    path = table(tmp_path, "company,mobile", "鸢衡,13800001111", "乙公司,13800002222,多的")
    job = import_rows(
        admin_id,
        path,
        defaults={"source": "展会", "expected_amount": "1.2万", "note": "  "},
        names={"company": {"鸢衡": "潍坊鸢衡机械有限公司"}},
    )
    assert results(job) == [2, 0, 0, 0]
    rows = [(row["company"], row["source"], row["expected_amount"]) for row in all_rows()]
    assert rows == [
        ("潍坊鸢衡机械有限公司", "展会", Decimal(12_000)),
        ("乙公司", "展会", Decimal(12_000)),
    ]
    assert job.result["cleaned"] == {"written_out": 1}


def test_values_that_the_field_does_not_take_are_refused(
    admin_id, make_person, import_rows, tmp_path
):
    path = table(tmp_path, "company,mobile", "甲公司,13800001111")
    masked = make_person(roles=["masked"])
    for who, defaults in (
        (admin_id, {"expected_amount": "viel"}),
        (admin_id, {"company": "甲"}),
        (admin_id, {"score": "1"}),
        (masked, {"source": "展会"}),
    ):
        with pytest.raises(Invalid) as refused:
            import_rows(who, path, defaults=defaults)
        assert refused.value.problems[0].field == f"defaults.{next(iter(defaults))}"


def test_what_cleaning_did_is_counted_by_rule(admin_id, import_rows, tmp_path, monkeypatch):
    """S-255: a report for each rule, over all batches."""
    monkeypatch.setattr("core.exchange.jobs.BATCH", 2)
    path = table(
        tmp_path,
        "company,mobile,email,expected_amount,entered_on,province",
        "甲公司,13800001111,a@example.com,12000,2024-01-02,江苏省",
        " 乙　公司,138-0000-2222,B@Example.COM,1.2万,2024/1/2,江苏",
        "丙公司,+86 13800003333,,￥500,2024年1月2日,",
        "丁公司,12345,,1,2024-01-02,",
    )
    job = import_rows(admin_id, path)
    assert results(job) == [3, 0, 0, 1]
    assert job.result["cleaned"] == {
        "name": 1,
        "phone": 2,
        "email": 1,
        "amount": 2,
        "date": 2,
        "option": 2,
        "blank_email": 2,
        "blank": 2,
    }


def test_likely_full_names_among_what_may_be_read(unit_of_work, admin_id, make_person):
    """S-254: exactly one candidate, and only of records that the person may read."""
    names = [
        "潍坊鸢衡机械有限公司", "青岛恒泰物流有限公司", "烟台恒泰食品有限公司", "鼎源",
        "济南鼎源农机有限公司", "潍坊鸢衡机械股份有限公司",
    ]  # fmt: skip
    with unit_of_work(admin_id) as uow:
        service.create(uow, "prospect", [{"company": name} for name in names])
    with unit_of_work(admin_id, write=False) as uow:
        found = likely_names(uow, uow.entity("prospect"), ["鸢衡", "恒泰", "鼎源", "%", "没有"])
    # 恒泰 could be two, 鼎源 is a name itself; two spellings of one company are one.
    assert found == {"鸢衡": "潍坊鸢衡机械股份有限公司"}
    with unit_of_work(make_person(roles=["own"]), write=False) as uow:
        assert likely_names(uow, uow.entity("prospect"), ["鸢衡"]) == {}


# Presets


def keep(uow, name="展会名单", **more):
    choices = {
        "header": ["公司", "Tel"],
        "fields": ["company", "mobile"],
        "policy": "update",
        "keys": ["company"],
        "additions": Additions({"source": "展会"}, {"company": {"鸢衡": "潍坊鸢衡机械有限公司"}}),
    }
    return save_preset(uow, uow.entity("prospect"), name, **{**choices, **more})


def test_a_preset_is_used_for_the_next_file(
    admin_id, unit_of_work, import_rows, all_rows, tmp_path
):
    with unit_of_work(admin_id) as uow:
        keep(uow)
    with unit_of_work(admin_id, write=False) as uow:
        preset = find_preset(uow, uow.entity("prospect"), "展会名单")
    assert preset.fits(["tel ", "公司（必填）"]) is False, "another heading"
    assert preset.fits([" TEL", "公司"]), "the same headings in another order"
    path = table(tmp_path, "Tel,公司", "13800001111,鸢衡", "13800002222,鸢衡")
    job = import_rows(admin_id, path, preset=preset)
    assert results(job) == [1, 1, 0, 0]
    (row,) = all_rows()
    assert (row["company"], row["mobile"]) == ("潍坊鸢衡机械有限公司", "13800002222")
    assert row["source"] == "展会"


def test_presets_are_private_or_shared_with_importers(admin_id, make_person, unit_of_work):
    """Of a shared one a person gets what he may fill and read; another's private one is not there."""
    with unit_of_work(admin_id) as uow:
        private = keep(uow, "mine")
        shared = keep(uow, "ours", shared=True, keys=["mobile"])
    other = make_person(roles=["masked"])
    with unit_of_work(other) as uow:
        spec = uow.entity("prospect")
        (found,) = presets_of(uow, spec)
        assert (found.name, found.is_mine, found.owner) == ("ours", False, "管理员")
        # source may not be written, mobile is seen masked, and the full names are somebody's own.
        assert found.columns == {"公司": "company", "tel": None}
        assert (found.keys, found.additions) == ((), Additions())
        with pytest.raises(NotFound):
            find_preset(uow, spec, "mine")
        for each in (private, shared):
            with pytest.raises(NotFound):
                delete_preset(uow, spec, each)
        keep(uow, "ours", keys=[])
        assert find_preset(uow, spec, "ours").is_mine, "one's own of that name comes first"
    with unit_of_work(admin_id) as uow:
        spec = uow.entity("prospect")
        keep(uow, "mine", policy="skip")
        assert [each.name for each in presets_of(uow, spec)] == ["mine", "ours"]
        assert find_preset(uow, spec, "mine").policy == "skip"
        delete_preset(uow, spec, private)
        with pytest.raises(NotFound):
            find_preset(uow, spec, "mine")
        with pytest.raises(Invalid):
            keep(uow, "  ")


# Templates


@pytest.mark.parametrize("entity", ["prospect", "thing"])
def test_the_template_s_example_can_be_imported(
    entity, admin_id, unit_of_work, import_rows, tmp_path
):
    """Its headings are known, and what stands as an example of each column is accepted."""
    path = tmp_path / "template.xlsx"
    with unit_of_work(admin_id) as uow:
        spec = uow.entity(entity)
        with path.open("wb") as file:
            assert write_template(uow, spec, file).endswith(".xlsx")
        fields = list(importable_fields(uow, spec).values())
        assert set(propose(uow, spec, headings(fields)).fields) == {f.name for f in fields}
    first = open_table(path, path.name)
    assert list(first.rows()) == []
    explained = open_table(path, path.name, sheet=first.sheets[1])
    rows = [cells for _line, cells in explained.rows()]
    assert [cells[0] for cells in rows] == first.header
    assert {cells[0] for cells in rows if cells[1]} == {first.header[0]}, "what is required"
    examples = [str(cells[4] or "") for cells in rows]
    assert sum(map(bool, examples)) >= len(rows) - 1
    quoted = ['"' + text.replace('"', '""') + '"' for text in examples]
    job = import_rows(admin_id, table(tmp_path, ",".join(first.header), ",".join(quoted)), entity)
    assert results(job) == [1, 0, 0, 0], job.error


# The command line


def test_importing_by_chosen_keys_and_undoing_from_the_command_line(
    runtime, admin_id, unit_of_work, all_rows, tmp_path
):
    with unit_of_work(write=False) as uow:
        actor = load_actor(uow, admin_id)
    head = "company,email"
    path = table(tmp_path, head, "甲公司,a@example.com", "乙公司,a@example.com")
    result = import_file(runtime, "prospect", path, actor=actor, keys=["email"])
    assert (result["created"], result["duplicates"]) == (1, 1)
    with unit_of_work(admin_id) as uow:
        service.update(uow, "prospect", {all_rows()[0]["id"]: {"note": "谈过"}})
    report = tmp_path / "kept.xlsx"
    undone = undo_file_import(runtime, result["job"], actor=actor, report_path=report)
    assert (undone["removed"], undone["kept"]) == (0, 1)
    (cells,) = [cells for _line, cells in open_table(report, report.name).rows()]
    assert cells[1] == "甲公司"
    assert json.loads(json.dumps(undone)) == undone
