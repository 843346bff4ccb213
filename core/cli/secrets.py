"""The keys that secrets are sealed with."""

from __future__ import annotations

import click

from core.cli.installation import as_json, emit, open_runtime

__all__ = ["secrets"]


@click.group()
def secrets() -> None:
    """Secrets at rest: with which keys they are sealed, and changing the key."""


@secrets.command()
@as_json
def status(as_json: bool) -> None:
    """How many secrets there are under which key; status 1 when one cannot be read."""
    from core.i18n import gettext as _
    from core.ops.rotation import keys_in_use, unreadable
    from core.secrets import key_id

    with open_runtime() as runtime:
        current = key_id(runtime.config.secret_key)
        with runtime.read_connection() as connection:
            counts, lost = keys_in_use(connection), unreadable(runtime, connection)
        lines = [_("The key in use: %(key)s", key=current)]
        lines += [f"{key}: {count}" for key, count in sorted(counts.items())]
        if lost:
            lines.append(_("%(n)s secrets cannot be read with the keys that are here.", n=lost))
        answer = {"key": current, "secrets": dict(counts), "unreadable": lost}
        emit(answer, "\n".join(lines), as_json=as_json)
    if lost:
        raise SystemExit(1)


@secrets.command()
@as_json
def rotate(as_json: bool) -> None:
    """Make a new key and seal every secret with it; goes on where one that was killed stopped."""
    from core.i18n import gettext as _
    from core.ops.rotation import rotate as run

    with open_runtime() as runtime:
        done = run(runtime)
        lines = [
            _("Sealed with the key %(key)s: %(n)s secrets.", key=done.key, n=done.moved),
            _("Restart dougong serve and dougong worker, so that they use it too."),
        ]
        if done.unreadable:
            lost = _("%(n)s secrets cannot be read with the keys that are here.", n=done.unreadable)
            lines.append(lost)
        answer = {"key": done.key, "moved": done.moved, "unreadable": done.unreadable}
        emit(answer, "\n".join(lines), as_json=as_json)
    if done.unreadable:
        raise SystemExit(1)
