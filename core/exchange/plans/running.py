"""A plan in earnest: a job that brings about one ordinary import after the other.

Each has the plan's job and its step as its key, so that whoever takes the plan over after a crash
goes on where it was; and each can be looked at and undone like any other import.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, select

from core.errors import NotFound, Refused
from core.exchange.history import COUNTS, oversees
from core.exchange.jobs import Source, queue_import
from core.exchange.plans.checking import check_plan, header_of
from core.exchange.plans.model import Plan, PlanFault
from core.exchange.plans.preparing import Work, creations, open_step, prepare, write_rows
from core.exchange.plans.reading import as_invalid, parse_plan
from core.exchange.plans.suggesting import suggestions
from core.exchange.waiting import run_to_end
from core.files.service import local_copy, open_file, store_upload
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Job
from core.tabular.errors import TableError
from core.work.jobs import cancel_job, replay_job
from core.work.tables import job_table

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = [
    "IMPORT_PLAN",
    "check_with",
    "fetched",
    "find_plan",
    "past_plans",
    "queue_plan",
    "start_plan",
    "steps_of",
    "stop_plan",
]

_LARGEST = 1_000_000_000


def check_with(uow: UnitOfWork, plan: Plan, paths: Mapping[str, Path]) -> None:
    """Raise `Invalid` with all that is wrong with a plan and these files, or with the files that
    cannot be read."""
    headers, unreadable = {}, []
    for step in plan.steps:
        try:
            headers[step.number] = (
                open_step(step, paths[step.file]).header if step.file else header_of(step)
            )
        except TableError as error:
            unreadable.append(PlanFault(step.place, error.message))
    if unreadable:
        raise as_invalid(unreadable)
    check_plan(uow, plan, headers)


def start_plan(uow: UnitOfWork, plan: Plan, paths: Mapping[str, Path]) -> int:
    """Keep the files, queue the plan and return its job's id. Raises as `check_with`."""
    check_with(uow, plan, paths)
    files = {}
    for name, path in paths.items():
        with path.open("rb") as stream:
            files[name] = store_upload(uow, stream, name, max_bytes=_LARGEST)
    return _queue(uow, plan, files, None)


def queue_plan(
    uow: UnitOfWork, plan: Plan, files: Mapping[str, int], *, saved_id: int | None = None
) -> int:
    """The same with uploads of the actor's, by the names that the plan uses; ``saved_id`` is where
    the plan is kept. Raises `NotFound` for a file that is not there or not theirs."""
    with fetched(uow, plan, files) as paths:
        check_with(uow, plan, paths)
    return _queue(uow, plan, files, saved_id)


def _queue(uow: UnitOfWork, plan: Plan, files: Mapping[str, int], saved_id: int | None) -> int:
    arguments = {"title": plan.title, "plan": dict(plan.content), "files": dict(files)}
    title = _("Import plan: %(name)s", name=plan.title)
    job_id = uow.enqueue(IMPORT_PLAN.name, {**arguments, "saved_id": saved_id}, title=title)
    assert job_id is not None
    return job_id


@contextmanager
def fetched(uow: UnitOfWork, plan: Plan, files: Mapping[str, int]) -> Iterator[dict[str, Path]]:
    """The uploads that a plan reads as files of this machine, by the names that the plan uses.

    Raises `Invalid` for files that nobody has uploaded, `NotFound` for what is gone or not theirs.
    """
    missing = [
        PlanFault(step.place, _("upload this file"))
        for step in plan.steps
        if step.file and step.file not in files
    ]
    if missing:
        raise as_invalid(missing)
    with ExitStack() as stack:
        paths = {}
        for name in plan.files:
            _row, stream = open_file(uow, files[name])
            paths[name] = stack.enter_context(local_copy(stream))
        yield paths


def find_plan(uow: UnitOfWork, job_id: int) -> Row[Any] | None:
    """The job of a plan that is the actor's, or any for an administrator; None without one."""
    statement = select(job_table).where(
        job_table.c.id == job_id, job_table.c.kind == IMPORT_PLAN.name
    )
    if not oversees(uow):
        statement = statement.where(job_table.c.actor_id == uow.actor.user_id)
    return uow.execute(statement).one_or_none()


def past_plans(uow: UnitOfWork, limit: int) -> list[Row[Any]]:
    """The actor's own plans in earnest, from the newest on."""
    mine = (job_table.c.actor_id == uow.actor.user_id) & (job_table.c.kind == IMPORT_PLAN.name)
    statement = select(job_table).where(mine).order_by(job_table.c.id.desc()).limit(limit)
    return list(uow.execute(statement).all())


def stop_plan(uow: UnitOfWork, job_id: int) -> bool:
    """Stop a plan and the import that it is at; False when it is over already.

    Raises `NotFound`. What was imported stays, and can be undone.
    """
    if find_plan(uow, job_id) is None:
        raise NotFound(_("There is no import with the number %(id)s.", id=job_id))
    done = cancel_job(uow, job_id)
    for row in steps_of(uow, job_id) if done else ():
        cancel_job(uow, row.id)
    return done


def steps_of(uow: UnitOfWork, job_id: int) -> list[Row[Any]]:
    """The imports that a plan has brought about, in their order."""
    statement = select(job_table).where(job_table.c.key.startswith(_key(job_id, "")))
    return list(uow.execute(statement.order_by(job_table.c.id)).all())


def _key(job_id: int, label: str) -> str:
    return f"core.import_plan:{job_id}:{label}"


# The job


def _run(
    context: JobContext,
    *,
    title: str,
    plan: Mapping[str, Any],
    files: dict[str, int],
    saved_id: int | None = None,
) -> None:
    """The handler of ``core.import_plan``."""
    parsed, told = parse_plan(plan, title), list[dict[str, Any]]()
    likely: list[dict[str, Any]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="dougong-")))
        with context.unit_of_work(write=False) as uow:
            paths = stack.enter_context(fetched(uow, parsed, files))
            check_with(uow, parsed, paths)
        for number, step in enumerate(parsed.steps):
            context.progress(number, len(parsed.steps))
            path = paths[step.file] if step.file else write_rows(step, folder)
            work = prepare(step, path)
            for each in (*_creations(context, work, folder), work):
                told.append(_import(context, each, files.get(step.file)))
            with context.unit_of_work(write=False) as uow:
                likely += [each.as_json() for each in suggestions(uow, work)]
    with context.unit_of_work() as uow:
        context.advance(uow, len(parsed.steps), len(parsed.steps))
        counts = {name: sum(each[name] for each in told) for name in COUNTS}
        context.finish(uow, {**counts, "steps": told, "suggestions": likely})


def _creations(context: JobContext, work: Work, folder: Path) -> Iterator[Work]:
    """What is to be made first. What was begun already is among the imports of the plan, and done
    to its end."""
    with context.unit_of_work(write=False) as uow:
        begun = {row.key: row.id for row in steps_of(uow, context.job_id)}
        making = list(
            creations(uow, work, folder, lambda label: _key(context.job_id, label) in begun)
        )
    own = _key(context.job_id, f"{work.label}.")
    for key, job_id in begun.items():
        if key.startswith(own):
            _ended(context, job_id)
    yield from making


def _import(context: JobContext, work: Work, file_id: int | None) -> dict[str, Any]:
    """Bring an import about, or go on with it; what came of it."""
    key = _key(context.job_id, work.label)
    with context.unit_of_work() as uow:
        found = uow.execute(select(job_table).where(job_table.c.key == key)).one_or_none()
        if found is None:
            spec = uow.entity(work.entity)
            if file_id is None or "." in work.label:
                with work.path.open("rb") as stream:
                    file_id = store_upload(uow, stream, work.filename)
            source = Source(file_id, work.filename, work.table.layout, work.step.encoding)
            job_id = queue_import(
                uow, spec, source, work.fields, work.policy, work.keys, work.added, key=key
            )
            assert job_id is not None  # this job alone uses the key, and is run once at a time
        else:
            job_id = found.id
    job = _ended(context, job_id)
    counts = {name: job.result[name] for name in COUNTS}
    where = {"step": work.label, "file": work.filename, "entity": work.entity, "job": job.id}
    return {**where, "rows": job.done, **counts, "report": job.result["report"]}


def _ended(context: JobContext, job_id: int) -> Row[Any]:
    with context.unit_of_work() as uow:
        state = uow.execute(select(job_table.c.state).where(job_table.c.id == job_id)).scalar_one()
        if state in ("failed", "cancelled"):
            replay_job(uow, job_id)
    job = run_to_end(context.runtime, job_id)
    if job.state != "done":
        raise Refused(job.error or _("The import was stopped."))
    return job


#: Each import below it has a limit of its own. Whoever takes it over goes on where it was.
IMPORT_PLAN = Job(
    "core.import_plan", _run, _l("Import plan"), time_limit=timedelta(days=1), is_history=True
)
