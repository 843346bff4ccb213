"""Whether an installation may be served, found out without running any plugin's code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.boot import is_initialised, plugin_folders
from core.db.engine import Database
from core.errors import Refused
from core.i18n import gettext as _
from core.ops.lifecycle import ahead, behind
from core.plugins.discovery import discover
from core.plugins.state import read_enabled

if TYPE_CHECKING:
    from core.config import Config

__all__ = ["require_ready", "unfinished_mark"]


def unfinished_mark(home: Path) -> Path:
    """The file that is there while a restore runs, and after one that was killed."""
    return home / "restore.unfinished"


def require_ready(config: Config) -> None:
    """Raise `Refused`, with what to do, when the tables are missing, behind or ahead of the code."""
    if unfinished_mark(config.home).exists():
        raise Refused(
            _(
                "A restore did not finish. Run dougong restore again; or delete %(path)s to go on"
                " with what was here before.",
                path=str(unfinished_mark(config.home)),
            )
        )
    database = Database(config.database_url)
    try:
        with database.connect(write=False) as connection:
            if not is_initialised(connection):
                raise Refused(_("There is no installation yet. Run: dougong init"))
            found = discover(plugin_folders(config)).manifests
            enabled = [found[name] for name in read_enabled(connection) if name in found]
            if newer := ahead(connection, enabled):
                raise Refused(
                    _(
                        "The database was migrated by a newer version (%(names)s). Install that"
                        " version, or restore a backup of this one.",
                        names=", ".join(newer),
                    )
                )
            if owners := behind(connection, enabled):
                names = ", ".join(owners)
                raise Refused(
                    _("Migrations are pending (%(names)s). Run: dougong migrate", names=names)
                )
    finally:
        database.dispose()
