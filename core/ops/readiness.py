"""Whether an installation may be served, found out without running any plugin's code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.boot import is_initialised, plugin_folders
from core.db.engine import Database
from core.errors import Refused
from core.i18n import gettext as _
from core.ops.lifecycle import behind
from core.plugins.discovery import discover
from core.plugins.state import read_enabled

if TYPE_CHECKING:
    from core.config import Config

__all__ = ["require_ready"]


def require_ready(config: Config) -> None:
    """Raise `Refused`, with what to do, when the tables are missing or behind the code."""
    database = Database(config.database_url)
    try:
        with database.connect(write=False) as connection:
            if not is_initialised(connection):
                raise Refused(_("There is no installation yet. Run: dougong init"))
            found = discover(plugin_folders(config)).manifests
            enabled = [found[name] for name in read_enabled(connection) if name in found]
            if owners := behind(connection, enabled):
                names = ", ".join(owners)
                raise Refused(
                    _("Migrations are pending (%(names)s). Run: dougong migrate", names=names)
                )
    finally:
        database.dispose()
