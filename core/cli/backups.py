"""Backing an installation up, and bringing one back."""

from __future__ import annotations

import os
from pathlib import Path

import click

from core.cli.installation import as_json, emit, open_runtime

__all__ = ["backup", "restore"]

PASSPHRASE = "DOUGONG_BACKUP_PASSPHRASE"  # noqa: S105 - the name of the variable


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--encrypt", is_flag=True, help=f"Under the passphrase in {PASSPHRASE}, or asked for."
)
@click.option("--with-key", is_flag=True, help="Include the secret key, which opens every secret.")
@click.option("--check", is_flag=True, help="Write nothing; check the checksums of FILE.")
@as_json
def backup(file: Path, encrypt: bool, with_key: bool, check: bool, as_json: bool) -> None:
    """Write everything to FILE: all records, the history, the stored files. Work may go on meanwhile."""
    from core.backup.writing import verify_backup, write_backup
    from core.i18n import gettext as _

    with open_runtime(initialised=not check) as runtime:
        if check:
            manifest = verify_backup(file, _passphrase(file))
            answer = {"file": str(file), "made_at": manifest.made_at, "verified": True}
            text = _("The backup of %(moment)s is complete.", moment=manifest.made_at)
            emit(answer, text, as_json=as_json)
            return
        passphrase = _new_passphrase() if encrypt else None
        done = write_backup(runtime, file, passphrase=passphrase, with_key=with_key)
        if done.missing:
            click.echo(_("%(n)s files are not in the store.", n=done.missing), err=True)
        if with_key and not encrypt:
            click.echo(_("Whoever has this file can read every secret in it."), err=True)
        text = _(
            "%(rows)s rows of %(tables)s tables and %(files)s files, %(size)s MB, checked",
            rows=done.rows,
            tables=done.tables,
            files=done.files,
            size=f"{done.size / 1e6:.1f}",
        )
        answer = {
            "file": str(file),
            "size": done.size,
            "tables": done.tables,
            "rows": done.rows,
            "files": done.files,
            "missing_files": done.missing,
            "seconds": round(done.seconds, 3),
        }
        emit(answer, f"{text} → {file}", as_json=as_json)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace the installation that is here.")
@as_json
def restore(file: Path, force: bool, as_json: bool) -> None:
    """Put the backup FILE in the place of what is here; status 0 when the doctor finds it sound."""
    from core.i18n import gettext as _
    from core.ops.restore import restore_backup

    with open_runtime(initialised=False) as runtime:
        done = restore_backup(runtime, file, passphrase=_passphrase(file), force=force)
        problems = [each for each in done.findings if each.state == "problem"]
        lines = [f"{each.check}: {each.detail}" for each in done.findings if each.state != "ok"]
        lines.append(
            _(
                "Restored: %(rows)s rows of %(tables)s tables and %(files)s files.",
                rows=done.rows,
                tables=done.tables,
                files=done.files,
            )
        )
        if problems:
            lines.append(_("The doctor found problems; see above, and: dougong doctor"))
        answer = {
            "rows": done.rows,
            "tables": done.tables,
            "files": done.files,
            "seconds": round(done.seconds, 3),
            "findings": [[each.check, each.state, each.detail] for each in done.findings],
        }
        emit(answer, "\n".join(lines), as_json=as_json)
    if problems:
        raise SystemExit(1)


def _new_passphrase() -> str:
    given = os.environ.get(PASSPHRASE) or click.prompt(
        "Passphrase", hide_input=True, confirmation_prompt=True, err=True
    )
    return str(given)


def _passphrase(file: Path) -> str | None:
    """The passphrase for a sealed file; None for one that needs none."""
    from core.backup.envelope import MAGIC

    with file.open("rb") as source:
        if source.read(len(MAGIC)) != MAGIC:
            return None
    given = os.environ.get(PASSPHRASE) or click.prompt("Passphrase", hide_input=True, err=True)
    return str(given)
