"""Plugins: found, ordered, loaded, gated. Authors need only `hookimpl` from here."""

import pluggy

__all__ = ["hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("dougong")
hookimpl = pluggy.HookimplMarker("dougong")
