"""Raises when it is switched on."""

from core.plugins import hookimpl


@hookimpl
def plugin_enabled(plugin, uow):
    raise RuntimeError("no ground to stand on")
