"""The audit trail's chain: verifying it, sealing at once, and answering for a restored backup."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from core.cli.installation import as_json, emit, open_runtime

if TYPE_CHECKING:
    from core.audit.verifying import ChainReport

__all__ = ["audit"]


@click.group()
def audit() -> None:
    """The audit trail: is it what was written?"""


@audit.command()
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Leave out the entries of batches sealed before this day.",
)
@click.option("--head", "heads", multiple=True, metavar="SEAL:HASH", help="As it was mailed.")
@as_json
def verify(since: datetime | None, heads: tuple[str, ...], as_json: bool) -> None:
    """Compare every entry with its seal, and the seals with the anchors; status 1 when one fails."""
    from core.audit.verifying import verify

    with open_runtime() as runtime:
        moment = since.replace(tzinfo=runtime.clock.timezone) if since else None
        report = verify(runtime, since=moment, noted=[_noted(head) for head in heads])
    emit(report.as_json(), _told(report), as_json=as_json)
    if not report.holds:
        raise SystemExit(1)


def _noted(head: str) -> tuple[int, str]:
    seal, _colon, own = head.strip().partition(":")
    if not seal.isdecimal() or len(seal) > 18 or len(own) != 64:
        raise click.UsageError("a head is the number of a seal, a colon, and its hash")
    return int(seal), own


def _told(report: ChainReport) -> str:
    from core.i18n import gettext as _

    lines = []
    for problem in report.problems:
        place = f"seal {problem.seal}" if problem.seal is not None else "anchors"
        entry = f", entry {problem.entry}" if problem.entry is not None else ""
        lines.append(f"{problem.kind:<10} {place}{entry}: {problem.detail}")
    lines += [_("Restored: %(what)s", what=each) for each in report.restored]
    counts = {"entries": report.entries, "seals": report.seals, "waiting": report.waiting}
    if report.holds:
        lines.append(
            _("%(entries)s entries under %(seals)s seals hold; %(waiting)s wait.", **counts)
        )
    else:
        lines.append(_("The audit trail is not what was written."))
    if report.head:
        lines.append(_("Head of the chain: %(hash)s", hash=report.head))
    return "\n".join(lines)


@audit.command()
@as_json
def seal(as_json: bool) -> None:
    """Seal what is waiting now, and anchor the head of the chain."""
    from core.audit.sealing import seal_pending
    from core.i18n import gettext as _

    with open_runtime() as runtime:
        sealed = seal_pending(runtime)
    text = _("%(count)s entries were sealed.", count=sealed)
    emit({"sealed": sealed}, text, as_json=as_json)


@audit.command()
@click.option("--reason", required=True, metavar="TEXT", help="Which backup, and why.")
@as_json
def restored(reason: str, as_json: bool) -> None:
    """Say that a backup was put in place, so that anchors made after it are no finding."""
    from core.audit.sealing import note_restore
    from core.i18n import gettext as _

    with open_runtime() as runtime:
        seal = note_restore(runtime, reason)
    text = _("The chain goes on from seal %(seal)s.", seal=seal)
    emit({"seal": seal}, text, as_json=as_json)
