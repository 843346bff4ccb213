"""Fixtures for the core's tests and for those of plugins; loaded through ``pytest11``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

__all__ = [
    "act",
    "admin_id",
    "after",
    "app",
    "bearer",
    "client",
    "database_kind",
    "dougong_demo",
    "dougong_plugin_folders",
    "dougong_plugins",
    "make_person",
    "quick_passwords",
    "read",
    "rows",
    "run_jobs",
    "runtime",
    "sign_in",
    "thorough_passwords",
    "unit_of_work",
]

pytest.register_assert_rewrite("core.testing.conformance")
_templates: dict[tuple[Any, ...], Any] = {}


def pytest_configure(config: pytest.Config) -> None:
    """The marks that the kit uses itself, known wherever it is installed."""
    for mark in (
        "databases(*kinds, later=()): asks only these databases, and those of later in the long tier",
        "long: takes its time: ``pytest -m 'not long'`` leaves it out",
    ):
        config.addinivalue_line("markers", mark)


@pytest.fixture(scope="session")
def dougong_plugins() -> tuple[str, ...]:
    """Which plugins are on. Override it in a ``conftest.py``."""
    return ()


@pytest.fixture(scope="session")
def dougong_plugin_folders() -> tuple[Path, ...]:
    """Further folders in which plugins lie. Override it likewise."""
    return ()


@pytest.fixture(scope="session")
def dougong_demo() -> bool:
    """Whether the installation tells the demonstration. Override it likewise."""
    return False


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that touches a database runs on SQLite, and on PostgreSQL where there is one.

    ``@pytest.mark.databases("sqlite")`` is for what is asked of one of them alone; with
    ``later=("postgresql",)`` the other follows in the long tier.
    """
    if "database_kind" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("databases")
        kinds: list[Any] = list(only.args if only else ("sqlite", "postgresql"))
        later = only.kwargs.get("later", ()) if only else ()
        kinds += [pytest.param(kind, marks=pytest.mark.long) for kind in later]
        metafunc.parametrize("database_kind", kinds, indirect=True)


@pytest.fixture
def database_kind(request: pytest.FixtureRequest) -> str:
    """``sqlite`` or ``postgresql``."""
    from core.testing.installation import postgresql_url

    kind: str = request.param
    if kind == "postgresql" and postgresql_url() is None:
        pytest.skip("no PostgreSQL: set DOUGONG_TEST_POSTGRES_URL")
    return kind


@pytest.fixture
def runtime(
    database_kind: str,
    dougong_plugins: tuple[str, ...],
    dougong_plugin_folders: tuple[Path, ...],
    dougong_demo: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """A fresh installation with one administrator, `ADMIN`."""
    template = _template(
        database_kind,
        dougong_plugins,
        dougong_plugin_folders,
        tmp_path_factory,
        demo=dougong_demo,
    )
    with template.installation() as found:
        yield found


def _template(
    kind: str,
    plugins: tuple[str, ...],
    folders: tuple[Path, ...],
    tmp_path_factory: pytest.TempPathFactory,
    *,
    demo: bool = False,
) -> Any:
    """What fresh installations are copies of; with plugins it begins as a copy of that without."""
    from core.testing.installation import Template

    key = (kind, plugins, folders, demo)
    if key not in _templates:
        base = _template(kind, (), (), tmp_path_factory) if plugins or folders else None
        folder = tmp_path_factory.mktemp("installation")
        _templates[key] = Template(folder, kind, plugins, folders, base, demo)
    return _templates[key]


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[Any]:
    """Passwords of throw-away installations need no work; gives what production hashes with."""
    from argon2 import PasswordHasher, Type

    from core.security import passwords

    production = passwords._HASHER
    quick = PasswordHasher(memory_cost=64, time_cost=1, parallelism=1, type=Type.ID)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_HASHER", quick)
        yield production


@pytest.fixture
def thorough_passwords(quick_passwords: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are hashed as in production; those made before are hashed anew at a sign-in."""
    from core.security import passwords

    monkeypatch.setattr(passwords, "_HASHER", quick_passwords)


def pytest_sessionfinish() -> None:
    """Drop the databases of the session."""
    for template in _templates.values():
        template.remove()
    _templates.clear()


@pytest.fixture
def app(runtime: Any) -> Any:
    """The web application over `runtime`; exceptions become answers as in production. A page that hides
    a name of the base page is one, as in development."""
    from core.app import create_app

    if "app" not in vars(runtime):
        runtime.app = create_app(runtime)
        runtime.app.extensions["dougong.renderer"].is_strict = True
    runtime.app.extensions["dougong.limits"].forget()
    return runtime.app


@pytest.fixture
def client(app: Any) -> Any:
    """A browser that nobody is signed in with."""
    return app.test_client()


@pytest.fixture
def unit_of_work(runtime: Any) -> Callable[..., AbstractContextManager[Any]]:
    """``unit_of_work(person=None, write=True)``: the system's, or that of a person by id."""
    from core.security.actor import SYSTEM
    from core.security.directory import load_actor
    from core.work.uow import Origin, UnitOfWork

    def make(person: int | None = None, *, write: bool = True) -> AbstractContextManager[Any]:
        actor = SYSTEM
        if person is not None:
            with UnitOfWork(runtime, SYSTEM, origin=Origin("test"), write=False) as uow:
                found = load_actor(uow, person)
                assert found is not None, f"no active person {person}"
                actor = found
        return UnitOfWork(runtime, actor, origin=Origin("test"), write=write)

    return make


@pytest.fixture
def make_person(unit_of_work: Callable[..., Any]) -> Callable[..., int]:
    """``make_person(name, roles=("viewer",), department="销售部/华东组") -> id``."""
    from core.ops.install import create_user

    made: list[str] = []

    def make(
        name: str = "",
        *,
        roles: Sequence[str] = ("viewer",),
        department: str | None = None,
        password: str | None = None,
    ) -> int:
        made.append(name)
        email = f"person{len(made)}@example.com"
        with unit_of_work() as uow:
            return create_user(
                uow,
                email,
                name=name or f"员工{len(made)}",
                password=password,
                roles=roles,
                department=department,
            )

    return make


@pytest.fixture
def read(unit_of_work: Callable[..., Any]) -> Callable[..., Any]:
    """``read(entity, id, person=None)``: its values as that person (or the system) sees them."""
    from core.entities import query

    def get(entity: str, key: int, person: int | None = None) -> Any:
        with unit_of_work(person, write=False) as uow:
            return query.get(uow, entity, key).values

    return get


@pytest.fixture
def rows(unit_of_work: Callable[..., Any]) -> Callable[..., list[dict[str, Any]]]:
    """``rows(entity, person=None, **query)``: what that person's list holds."""
    from core.entities import query

    def find(entity: str, person: int | None = None, **asked: Any) -> list[dict[str, Any]]:
        with unit_of_work(person, write=False) as uow:
            return list(query.page(uow, entity, query.ListQuery(**asked)).items)

    return find


@pytest.fixture
def act(unit_of_work: Callable[..., Any]) -> Callable[..., Any]:
    """``act(person, entity, verb, ids, **params)`` in a transaction of its own."""
    from core.entities import service

    def run(person: int | None, entity: str, verb: str, ids: Sequence[int], **params: Any) -> Any:
        with unit_of_work(person) as uow:
            return service.act(uow, entity, verb, ids, params)

    return run


@pytest.fixture
def run_jobs(runtime: Any) -> Callable[[], int]:
    """Relay events and run what is due, in this thread; returns how many jobs ran.

    A job whose lease is over by the clock that tests move is taken over: nobody waits for silence.
    """
    from core.work.endings import release_jobs
    from core.work.leases import signs_of
    from core.work.worker import run_until_idle

    def run() -> int:
        now = runtime.clock.now()
        release_jobs(runtime, [sign for sign in signs_of(runtime) if sign[2] and sign[2] < now])
        return run_until_idle(runtime)

    return run


@pytest.fixture
def after(runtime: Any, run_jobs: Callable[..., Any]) -> Callable[..., None]:
    """``after(days=3)``: so long afterwards, when the clock has started what is due."""
    from core.work.schedule import start_due

    start_due(runtime)  # the first time it is only noted when it is due

    def pass_(**passed: float) -> None:
        runtime.clock.move(timedelta(**passed))
        start_due(runtime)
        run_jobs()

    return pass_


@pytest.fixture
def bearer(runtime: Any, unit_of_work: Callable[..., Any]) -> Callable[..., dict[str, str]]:
    """``bearer(person, scopes=None)``: request headers with an API token of that person."""
    from core.security.tokens import create_token

    def make(person: int, scopes: list[str] | None = None) -> dict[str, str]:
        with unit_of_work() as uow:
            token = create_token(uow, person, title="test", scopes=scopes)
        return {"Authorization": f"Bearer {token.text}"}

    return make


@pytest.fixture
def admin_id(unit_of_work: Callable[..., Any]) -> int:
    """The id of the administrator."""
    from core.security.directory import find_user
    from core.testing.installation import ADMIN

    with unit_of_work(write=False) as uow:
        found = find_user(uow, ADMIN)
    assert found is not None
    return found


@pytest.fixture
def sign_in(app: Any) -> Callable[..., Any]:
    """``sign_in(email, password)``: a browser with a session; its CSRF token is ``browser.csrf``."""
    from sqlalchemy import select

    from core.http.masking import mask
    from core.security.models import session_table
    from core.testing.installation import ADMIN, PASSWORD

    newest = select(session_table.c.csrf).order_by(session_table.c.id.desc()).limit(1)

    def make(email: str = ADMIN, password: str = PASSWORD) -> Any:
        browser = app.test_client()
        answer = browser.post("/sign-in", data={"email": email, "password": password})
        assert answer.status_code == 302, answer.get_data(as_text=True)[:500]
        with app.extensions["dougong"].read_connection() as connection:
            browser.csrf = mask(connection.execute(newest).scalar_one())
        return browser

    return make
