"""The index behind the search over everything."""

from __future__ import annotations

import click

from core.cli.installation import as_json, emit, open_runtime, system_work

__all__ = ["search"]


@click.group()
def search() -> None:
    """The index behind the search over everything."""


@search.command()
@click.argument("entities", nargs=-1, metavar="[ENTITY]…")
@as_json
def rebuild(entities: tuple[str, ...], as_json: bool) -> None:
    """Make the index anew, of all entities or of those named."""
    from core.search.indexing import rebuild as make

    with open_runtime() as runtime:
        done = dict(make(runtime, entities))
    emit(done, ", ".join(f"{name} {count}" for name, count in done.items()), as_json=as_json)


@search.command()
@as_json
def status(as_json: bool) -> None:
    """Tell how far the index is behind the records."""
    from core.i18n import gettext as _
    from core.search.indexing import status as ask

    with open_runtime() as runtime, system_work(runtime, write=False) as uow:
        found = ask(uow)
        names = ", ".join(found["filling"]) or "–"
        text = _("Records that wait: %(count)s. Being made anew: %(names)s.", count=found["waiting"], names=names)  # fmt: skip
    emit(found, text, as_json=as_json)
