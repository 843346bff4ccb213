"""The command ``dougong``: its commands, those of the modules, and how failures are told."""

from __future__ import annotations

import gc
import os
import sys
from typing import Any

import click

from core import __version__
from core.cli.audit import audit
from core.cli.backups import backup, restore
from core.cli.development import dev
from core.cli.modules import commands_of, plugin
from core.cli.people import token, user
from core.cli.privacy import privacy
from core.cli.records import export, import_, purge
from core.cli.running import serve, worker
from core.cli.schema import schema
from core.cli.searching import search
from core.cli.secrets import secrets
from core.cli.setup import doctor, init, migrate, upgrade
from core.cli.workspaces import workspace

__all__ = ["main"]


class Suite(click.Group):
    """The core's commands; any other name is that of a module with commands of its own."""

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """See click; a module's commands are looked for only when they are asked for."""
        found = super().get_command(context, name)
        return found or commands_of(name)


@click.group(
    cls=Suite,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="A module's own commands: dougong MODULE --help.",
)
@click.version_option(__version__, prog_name="dougong")
def dougong() -> None:
    """Dougong (斗拱): a business suite made of modules."""


for command in (
    init,
    migrate,
    upgrade,
    secrets,
    backup,
    restore,
    doctor,
    serve,
    worker,
    plugin,
    schema,
    user,
    token,
    import_,
    export,
    search,
    purge,
    audit,
    privacy,
    workspace,
    dev,
):
    dougong.add_command(command)


#: Objects made before the collector looks for circles among them. Python's own 700 has it look some
#: hundred times while the code is read in, where there are none: a sixth of the time to start.
YOUNG = 50_000


def main() -> None:
    """Run a command; a failure is one line on stderr and a status other than 0."""
    gc.set_threshold(YOUNG)
    try:
        dougong.main(standalone_mode=False)
    except click.exceptions.Abort:
        _fail("aborted", status=130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("DOUGONG_DEBUG"):
            raise
        _fail(_told(error))


def _fail(message: str, *, status: int = 1) -> None:
    click.echo(f"dougong: {message}", err=True)
    sys.exit(status)


def _told(error: Exception) -> str:
    """One line that says what is wrong; which class it is matters only for unforeseen ones."""
    from sqlalchemy.exc import DBAPIError

    from core.config import ConfigError
    from core.errors import Refusal

    if isinstance(error, Refusal):
        details = "; ".join(_problem(problem) for problem in error.problems[:10])
        return _one_line(f"{error.message} {details}" if details else error.message)
    if isinstance(error, ConfigError):
        return _one_line(str(error))
    if isinstance(error, DBAPIError):
        return f"the database says: {_one_line(str(error.orig))}"
    if isinstance(error, OSError):
        return _one_line(f"{error.filename or 'error'}: {error.strerror or error}")
    return _one_line(f"{type(error).__name__}: {error} (DOUGONG_DEBUG=1 shows where)")


def _problem(problem: Any) -> str:
    return f"{problem.field}: {problem.message}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
