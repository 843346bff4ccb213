"""Records in and out of files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from core.cli.installation import acting, as_json, emit, open_runtime, system_work

__all__ = ["export", "import_", "purge"]

#: As many refused rows of a step are printed.
_SHOWN = 20
POLICIES = ("skip", "update", "create")


@click.command("import")
@click.argument("entity", required=False)
@click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--duplicates", type=click.Choice(POLICIES), default="skip", show_default=True)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    help="Where to write the refused rows, to be mended and imported again; with a plan, a folder.",
)
@click.option("--keys", metavar="A,B", help="Records are the same when these fields agree.")
@click.option("--undo", type=int, metavar="JOB", help="Undo the import or plan with this number.")
@click.option("--as", "email", metavar="EMAIL", help="With whose rights; default: the system's.")
@click.option(
    "--plan",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Import several files as this plan says; see docs/import-plans.md.",
)
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder with the files of the plan.",
)
@click.option("--dry-run", is_flag=True, help="With a plan: tell what would be, write nothing.")
@as_json
def import_(
    entity: str | None,
    file: Path | None,
    duplicates: str,
    report: Path | None,
    keys: str | None,
    undo: int | None,
    email: str | None,
    plan: Path | None,
    data: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import the rows of FILE (xlsx, xls, csv) as records of ENTITY, follow a plan, or undo."""
    if undo is not None:
        if entity is not None or plan is not None:
            raise click.UsageError("to undo an import give its number only: --undo JOB")
        _undo(undo, report, email, as_json=as_json)
        return
    if plan is not None or data is not None or dry_run:
        if plan is None or data is None or entity is not None:
            raise click.UsageError("give a plan and a folder: --plan PLAN.toml --data FOLDER")
        _plan(plan, data, report, email, dry_run=dry_run, as_json=as_json)
        return
    if entity is None or file is None:
        raise click.UsageError("give an entity and a file: dougong import lead leads.xlsx")
    from core.exchange.commands import import_file

    _check_report(report, is_folder=False)
    with open_runtime() as runtime:
        result = import_file(
            runtime,
            entity,
            file,
            actor=acting(runtime, email),
            duplicates=duplicates,
            keys=[name.strip() for name in (keys or "").split(",") if name.strip()],
            report_path=report,
        )
    emit(result, _counts(result), as_json=as_json)


def _check_report(path: Path | None, *, is_folder: bool) -> None:
    """Before anything is done: afterwards it is too late to tell."""
    if path is not None and path.exists() and path.is_dir() != is_folder:
        kind = "a folder" if is_folder else "a file"
        raise click.UsageError(f"--report is to be {kind} here: {path}")


def _plan(
    plan: Path,
    folder: Path,
    reports: Path | None,
    email: str | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    from core.exchange.plans.commands import run_plan

    _check_report(reports, is_folder=True)
    with open_runtime() as runtime:
        actor = acting(runtime, email)
        result = run_plan(runtime, plan, folder, actor=actor, dry_run=dry_run, reports=reports)
    emit(result, "\n".join(_lines(result)), as_json=as_json)


def _undo(job_id: int, report: Path | None, email: str | None, *, as_json: bool) -> None:
    from core.exchange.commands import undo_file_import
    from core.exchange.plans.commands import is_plan, undo_plan

    with open_runtime() as runtime:
        actor = acting(runtime, email)
        several = is_plan(runtime, job_id, actor=actor)
        _check_report(report, is_folder=several)
        if several:
            result = undo_plan(runtime, job_id, actor=actor, reports=report)
        else:
            result = undo_file_import(runtime, job_id, actor=actor, report_path=report)
    emit(result, "\n".join(_lines(result)), as_json=as_json)


def _lines(result: dict[str, Any]) -> Iterator[str]:
    """The answer of a plan for people: each step, refused rows, what to look at, the whole."""
    for step in result.get("steps", ()):
        counts = {key: n for key, n in step.items() if isinstance(n, int) and n and key != "report"}
        yield f"{step['step']} {step['file']} → {step['entity']}: {_counts(counts) or '0'}"
        refusals = step.get("refusals", ())
        for each in refusals[:_SHOWN]:
            yield f"    line {each['line']}, {each['field']}: {each['reason']}"
        if len(refusals) > _SHOWN:
            yield f"    … and {len(refusals) - _SHOWN} more: --report FOLDER"
    for each in result.get("suggestions", ()):
        sign = "=" if each["is_matched"] else "≈"
        where = f"{each['step']} {each['file']}, {each['column']}"
        yield f"{where}: {each['text']} {sign} {each['like']} ({each['rows']})"
    whole = {key: value for key, value in result.items() if not isinstance(value, list)}
    if whole:
        yield _counts(whole)


def _counts(result: dict[str, Any]) -> str:
    plain = {key: value for key, value in result.items() if not isinstance(value, dict)}
    cleaned = {f"cleaned:{key}": value for key, value in result.get("cleaned", {}).items()}
    both = {**plain, **cleaned}
    return ", ".join(f"{key} {value}" for key, value in both.items() if value is not None)


@click.command()
@click.argument("entity")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--filter", "condition", metavar="JSON", help="Which records; default: all.")
@click.option("--as", "email", metavar="EMAIL", help="With whose rights; default: the system's.")
@as_json
def export(
    entity: str, file: Path, condition: str | None, email: str | None, as_json: bool
) -> None:
    """Export records of ENTITY to FILE; its ending says how (xlsx or csv)."""
    import json

    from core.exchange.commands import export_file

    try:
        parsed = json.loads(condition) if condition else None
    except ValueError as error:
        raise click.UsageError(f"--filter is no JSON: {error}") from None
    with open_runtime() as runtime:
        actor = acting(runtime, email)
        rows = export_file(runtime, entity, file, actor=actor, filter=parsed)
    emit({"rows": rows, "file": str(file)}, f"{rows} → {file}", as_json=as_json)


@click.command()
@click.option("--older-than", required=True, metavar="DAYS", type=click.IntRange(0))
@click.option("--entity", default="", metavar="NAME", help="Of these records only.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
def purge(older_than: int, entity: str, yes: bool, as_json: bool) -> None:
    """Remove for good what has been in the recycle bin for so many days, if nothing else names it."""
    from core.entities.purging import empty_bins, require_purge
    from core.i18n import gettext as _

    with open_runtime() as runtime:
        if entity:
            with system_work(runtime, write=False) as uow:
                require_purge(uow, uow.entity(entity))
        if not yes:
            click.confirm(_("Remove them for good?"), abort=True, err=True)
        count = empty_bins(lambda: system_work(runtime), older_than, entity=entity)
    emit({"purged": count}, _("%(n)s records are gone.", n=count), as_json=as_json)
