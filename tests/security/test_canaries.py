"""S3: no password, token, key of a link or number of a person ends up where operators read along."""

from __future__ import annotations

import io
import logging
from datetime import timedelta
from functools import wraps

import pytest
from signing_in import (
    EMAIL,
    OTHER,
    PASSWORD,
    app_code,
    begin_sign_in,
    csrf_of,
    letters_in,
    link_in,
    send_step,
    set_up,
)
from sqlalchemy import LargeBinary, Text, cast, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError

from core.logging import JsonFormatter
from core.mail import FolderMailer
from core.security.models import User
from core.settings.service import put_settings
from core.work.tables import job_table

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

WRONG = "canary-of-a-wrong-password"
THIRD = "canary horse stands calmly"
MOBILE = "13955556666"
PASSPHRASE = "canary-of-the-passphrase"


@pytest.fixture
def logged():
    """All that is logged from now on, from the least important line upwards, as operators get it."""
    stream, root = io.StringIO(), logging.getLogger()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream.getvalue
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def secrets(app, runtime, make_person, unit_of_work, admin_id, run_jobs, monkeypatch, tmp_path):
    """Everything that is secret in the life of one account, by what it is."""
    monkeypatch.setattr(runtime, "mailer", FolderMailer(tmp_path / "mail", clock=runtime.clock))
    monkeypatch.setitem(vars(runtime.config), "access_log", True)
    make_person("金丝", roles=("admin",), password=PASSWORD)
    found = {"first password": PASSWORD, "wrong password": WRONG}
    begin_sign_in(app, WRONG)
    browser = begin_sign_in(app)
    cookies = browser.answer.headers.getlist("Set-Cookie")
    found["session"] = max((each.partition("=")[2].partition(";")[0] for each in cookies), key=len)
    change = {"old_password": PASSWORD, "new_password": OTHER, "repeated_password": OTHER}
    browser.post("/profile/password", data=change, headers=csrf_of(browser))
    browser = begin_sign_in(app, OTHER)
    found["second password"] = OTHER
    found["key of the second factor"], codes = set_up(browser, runtime.clock, OTHER)
    found |= {f"recovery code {place}": code for place, code in enumerate(codes)}
    runtime.clock.move(timedelta(minutes=5))
    browser = begin_sign_in(app, OTHER)
    send_step(browser, code=app_code(found["key of the second factor"], runtime.clock))
    answer = browser.post("/api/v1/tokens", json={"title": "t"}, headers=csrf_of(browser))
    assert answer.status_code == 201, answer.text
    found["token"] = answer.json["token"]
    headers = {"Authorization": f"Bearer {found['token']}"}
    assert app.test_client().get("/api/v1/me", headers=headers).status_code == 200
    app.test_client().get(f"/api/v1/me?token={found['token']}", headers=headers)
    app.test_client().get("/api/v1/me", headers={"Authorization": f"Bearer {found['token']}x"})
    app.test_client().post("/forgotten", data={"email": EMAIL})
    run_jobs()
    link = link_in(letters_in(tmp_path / "mail")[-1])
    found["key of a link"] = link.rpartition("/")[2]
    for password in ("short", THIRD):
        app.test_client().get(f"/password/{found['key of a link']}")
        data = {"password": password, "repeated_password": password}
        app.test_client().post(f"/password/{found['key of a link']}", data=data)
    found["third password"] = THIRD
    with unit_of_work(admin_id) as uow:
        put_settings(uow, "core_backup", {"passphrase": PASSPHRASE})
    found["passphrase"] = PASSPHRASE
    return found


def _crash(app, secrets, monkeypatch):
    """The suite itself fails, with a password and the key of a link in hand."""

    def failing(view):
        @wraps(view)
        def fail(*_given, **_more):
            raise RuntimeError("out of order")

        return fail

    with monkeypatch.context() as broken:
        for name in ("web.sign_in", "web.use_password_link"):
            broken.setitem(app.view_functions, name, failing(app.view_functions[name]))
        client = app.test_client()
        data = {"email": EMAIL, "password": secrets["third password"]}
        answers = [
            client.post("/sign-in", data=data),
            client.post(f"/password/{secrets['key of a link']}", data=data),
        ]
    assert [answer.status_code for answer in answers] == [500, 500]


def _columns(runtime):
    """Each text that the database holds, with its place."""
    with runtime.read_connection() as connection:
        look = inspect(connection)
        for name in look.get_table_names():
            for column in look.get_columns(name):
                if isinstance(column["type"], LargeBinary):
                    continue
                values = select(cast(text(f'"{column["name"]}"'), Text)).select_from(text(name))
                for value in connection.execute(values).scalars():
                    yield f"{name}.{column['name']}", str(value)


def _places(secrets, outputs):
    """(what is secret, where it stands)"""
    return {
        (what, place)
        for place, output in outputs
        for what, secret in secrets.items()
        if secret in output
    }


def test_secrets_stand_nowhere(
    logged, secrets, app, client, bearer, admin_id, runtime, monkeypatch, unit_of_work
):
    """S3: not in the log, whatever its level; not in the database, jobs and trail included; not in
    the metrics; not in a file of the home. The mail that carries a link is for its reader."""
    _crash(app, secrets, monkeypatch)
    metrics = client.get("/metrics", headers=bearer(admin_id)).get_data(as_text=True)
    outputs = [("log", logged()), ("metrics", metrics), *_columns(runtime)]
    outputs += [
        (str(path), path.read_bytes().decode(errors="replace"))
        for path in runtime.config.home.rglob("*")
        if path.is_file() and ".sqlite" not in path.name and not path.suffix.startswith(".db")
    ]
    assert "out of order" in logged()
    assert _places(secrets, outputs) == set()
    with unit_of_work() as uow:  # positive control: it is found where it does stand
        control = {"kind": "core.export", "arguments": {"said": secrets["token"]}}
        uow.enqueue(control["kind"], control["arguments"])
        assert uow.execute(select(job_table.c.arguments)).all()
    assert {what for what, _place in _places(secrets, _columns(runtime))} == {"token"}
    logging.getLogger("control").debug("sent %s", secrets["key of a link"])
    assert _places(secrets, [("log", logged())]) == {("key of a link", "log")}


def test_the_whole_life_was_logged(logged, secrets):
    """Positive control of the instrument: the requests that carried the secrets are in the log."""
    told = logged()
    for path in ("/sign-in", "/password/", "/api/v1/me", "/profile/password"):
        assert path in told, path


@pytest.mark.databases("sqlite", "postgresql")
def test_an_error_of_the_database_names_no_values(runtime, logged, unit_of_work, make_person):
    """The telephone number of a row that was refused is in the exception, and not in the log."""
    make_person("甲")
    row = {"name": "乙", "email": EMAIL, "mobile": MOBILE, "version": 1}
    with unit_of_work() as uow:
        row |= {"created_at": uow.now(), "updated_at": uow.now()}
        with pytest.raises(IntegrityError) as refused, uow.savepoint():
            uow.execute(insert(User.__table__).values(row))
    assert MOBILE in str(refused.value.params)
    logging.getLogger("dougong.web").error("request failed", exc_info=refused.value)
    assert "IntegrityError" in logged()
    assert MOBILE not in logged()
    assert EMAIL not in logged()
