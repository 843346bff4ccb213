"""One person's data: handing it out, erasing it, erasing it again after a restore."""

from __future__ import annotations

from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO, cast

import click

from core.cli.installation import as_json, emit, open_runtime, system_work

__all__ = ["privacy"]

_entity = click.option("--entity", required=True, metavar="NAME", help="Such as lead or user.")
_record = click.option("--id", "record_id", required=True, type=int, help="The record's number.")
_alone = click.option("--only", is_flag=True, help="That record alone; look for no others.")


@click.group()
def privacy() -> None:
    """What is kept about one person."""


@privacy.command()
@_entity
@_record
@_alone
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The ZIP to write: JSON, a workbook, and files.",
)
@as_json
def export(entity: str, record_id: int, only: bool, out: Path, as_json: bool) -> None:
    """Write everything about the person of a record to a ZIP."""
    from core.i18n import gettext as _
    from core.privacy.exporting import note_export, write_person
    from core.privacy.finding import find_person

    with open_runtime() as runtime:
        with NamedTemporaryFile(dir=out.parent, prefix=".dougong-", delete=False) as file:
            partial = Path(file.name)
            try:
                with system_work(runtime) as uow:
                    person = find_person(uow, entity, record_id, matching=not only)
                    write_person(uow, person, cast(BinaryIO, file))
                    note_export(uow, person)
            except BaseException:
                partial.unlink()
                raise
        partial.replace(out)
        counts = person.counts()
        text = _("%(records)s records and %(files)s files → %(out)s", **counts, out=out)
        emit({**counts, "file": str(out)}, text, as_json=as_json)


@privacy.command()
@_entity
@_record
@_alone
@click.option("--yes", is_flag=True, help="Do it; without this it is only counted.")
@as_json
def erase(entity: str, record_id: int, only: bool, yes: bool, as_json: bool) -> None:
    """Count what would be erased of a person; with --yes erase it, for good."""
    from core.i18n import gettext as _
    from core.privacy.erasing import erase_person, keep_erasures
    from core.privacy.finding import find_person

    with open_runtime() as runtime:
        with system_work(runtime, write=yes) as uow:
            person = find_person(uow, entity, record_id, matching=not only)
            counts = erase_person(uow, person).counts if yes else person.counts()
        if yes:
            keep_erasures(runtime)
        lines = [f"{kind}: {count}" for kind, count in counts.items()]
        lines.append(
            _("Erased. Backups made before still hold it; restoring one erases it again.")
            if yes
            else _("Nothing was changed. Say --yes to erase it for good.")
        )
        emit({"erased": yes, **counts}, "\n".join(lines), as_json=as_json)


@privacy.command()
@as_json
def replay(as_json: bool) -> None:
    """After a backup was restored: erase again what had been erased since it was made."""
    from core.i18n import gettext as _
    from core.privacy.erasing import replay_erasures

    with open_runtime() as runtime:
        count = replay_erasures(runtime)
        emit(
            {"replayed": count},
            _("%(count)s erasures were done again.", count=count),
            as_json=as_json,
        )
