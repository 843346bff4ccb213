"""Secrets are sealed at rest, shown to nobody, and move to a new key without one being lost."""

from __future__ import annotations

import logging
import zipfile
from dataclasses import replace

import pytest
from sqlalchemy import insert, select

from core.backup.scheduled import GROUP
from core.backup.writing import write_backup
from core.faults import InjectedFault, planned_fault
from core.ops.doctor import examine
from core.ops.restore import restore_backup
from core.ops.rotation import keys_in_use, rotate, unreadable
from core.secrets import SecretUnreadable, key_id, seal, unseal
from core.security.actor import SYSTEM
from core.settings.service import SETTING, get_secret, put_settings, setting_table
from core.work.uow import Origin, UnitOfWork

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

CANARY = "canary-7f3e9a-of-the-settings"
OTHER = "another key of thirty-two characters or more"


def test_a_sealed_text_opens_with_its_key_for_its_purpose_only(runtime):
    """S1: a wrong key, another purpose and a changed text fail closed."""
    config = runtime.config
    sealed = seal(config, "秘密", purpose="one")
    assert unseal(config, sealed, purpose="one") == "秘密"
    assert sealed != seal(config, "秘密", purpose="one"), "equal secrets would show as such"
    body = sealed[:-6] + ("A" if sealed[-6] != "A" else "B") + sealed[-5:]
    for text, purpose in ((sealed, "two"), (body, "one"), (f"{sealed[:20]}.%", "one"), ("", "one")):
        with pytest.raises(SecretUnreadable):
            unseal(config, text, purpose=purpose)
    with pytest.raises(SecretUnreadable):
        unseal(replace(config, secret_key=OTHER), sealed, purpose="one")
    both = replace(config, secret_key=OTHER, old_secret_keys=(config.secret_key,))
    assert unseal(both, sealed, purpose="one") == "秘密"


def test_a_secret_of_the_settings_is_nowhere_in_clear(
    runtime, unit_of_work, sign_in, bearer, admin_id, client, tmp_path, caplog
):
    """S1: the canary is in no page, no answer, no audit entry, no log, no backup, no table."""
    caplog.set_level(logging.DEBUG)
    browser = sign_in()
    sent = {"passphrase": CANARY, "hour": "2", "keep_days": "7", "keep_weeks": "4"}
    sent |= {"keep_months": "12", "csrf_token": browser.csrf}
    assert browser.post(f"/admin/settings/{GROUP}", data=sent).status_code == 302
    with unit_of_work(write=False) as uow:
        assert get_secret(uow, GROUP, "passphrase") == CANARY, "it was not kept at all"
        stored = uow.execute(select(setting_table)).all()
    headers = bearer(admin_id)
    outputs = [
        browser.get(f"/admin/settings/{GROUP}").get_data(as_text=True),
        browser.get("/admin/audit").get_data(as_text=True),
        client.get(f"/api/v1/settings/{GROUP}", headers=headers).get_data(as_text=True),
        str(stored),
        caplog.text,
    ]
    assert '"passphrase":true' in outputs[2].replace(" ", "")
    write_backup(runtime, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        outputs += [archive.read(name).decode(errors="replace") for name in archive.namelist()]
    assert any("sealed.v1." in text for text in outputs), "the sealed text was looked for nowhere"
    for text in outputs:
        assert CANARY not in text
    # An empty input keeps it, and so does what REST says of it; null removes it.
    browser.post(f"/admin/settings/{GROUP}", data=sent | {"passphrase": ""})
    client.patch(f"/api/v1/settings/{GROUP}", json={"passphrase": True}, headers=headers)
    with unit_of_work(write=False) as uow:
        assert get_secret(uow, GROUP, "passphrase") == CANARY
    client.patch(f"/api/v1/settings/{GROUP}", json={"passphrase": None}, headers=headers)
    with unit_of_work(write=False) as uow:
        assert get_secret(uow, GROUP, "passphrase") is None


@pytest.mark.parametrize("count", [2_000, pytest.param(10_000, marks=pytest.mark.long)])
def test_all_secrets_move_to_a_new_key_though_it_is_killed(runtime, unit_of_work, count):
    """S2: killed half-way it goes on with the same new key, and not one secret is unreadable."""
    old = runtime.config
    with unit_of_work() as uow:
        rows = [
            {"group": "canaries", "key": str(n), "value": seal(old, f"secret {n}", purpose=SETTING)}
            for n in range(count)
        ]
        uow.execute(insert(setting_table), rows)
    runtime.config = replace(old, secret_key=OTHER, old_secret_keys=(old.secret_key,))
    try:
        with (
            planned_fault(f"secrets.between_batches:raise:{count // 1_000}"),
            pytest.raises(InjectedFault),
        ):
            rotate(runtime)
        with runtime.read_connection() as connection:
            counts = keys_in_use(connection)
            assert min(counts.values()) >= count // 4, "it was not half-way"
            assert unreadable(runtime, connection) == 0, "both keys live"
        done = rotate(runtime)
        assert done.moved == counts[key_id(old.secret_key)]
        assert done.unreadable == 0
        with runtime.read_connection() as connection:
            assert set(keys_in_use(connection)) == {key_id(OTHER)}
            values = connection.execute(select(setting_table.c.value)).scalars()
            found = {unseal(runtime.config, each, purpose=SETTING) for each in values}
        assert found == {f"secret {n}" for n in range(count)}
        runtime.config = replace(old, secret_key="a third one that opens nothing " * 2)
        states = {each.check: each.state for each in examine(runtime)}
        assert states["secrets"] == "problem"
    finally:
        runtime.config = old


@pytest.mark.long
@pytest.mark.databases("sqlite")
def test_a_new_key_is_made_in_the_home_and_travels_with_a_backup_only_on_request(
    runtime, unit_of_work, grounds, tmp_path
):
    """S1, Q3: without its key a restored installation says that secrets cannot be read."""
    write_backup(runtime, tmp_path / "empty.zip")
    first = grounds.empty("sqlite", keep_key=False)
    restore_backup(first, tmp_path / "empty.zip")
    with UnitOfWork(first, SYSTEM, origin=Origin("test")) as uow:
        put_settings(uow, GROUP, {"passphrase": CANARY})
    before = first.config.secret_key
    done = rotate(first)
    assert first.config.keys_in_home() == (first.config.keys_in_home()[0], before)
    assert (done.key, done.moved) == (key_id(first.config.keys_in_home()[0]), 1)
    with UnitOfWork(first, SYSTEM, origin=Origin("test"), write=False) as uow:
        assert get_secret(uow, GROUP, "passphrase") == CANARY, "a process of the time before it"
    for name, with_key, state in (("without", False, "problem"), ("with", True, "ok")):
        write_backup(first, tmp_path / name, with_key=with_key)
        there = grounds.empty("sqlite", keep_key=False)
        found = {each.check: each.state for each in restore_backup(there, tmp_path / name).findings}
        assert found["secrets"] == state
