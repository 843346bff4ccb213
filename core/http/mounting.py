"""Mounting the pages of plugins; one whose routes are wrong is held back, the rest stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Flask

from core.http.requests import route_policy

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = ["mount_plugins"]


def mount_plugins(app: Flask, runtime: Runtime) -> None:
    """Register blueprints, look at navigation, then tell plugins that the application stands."""
    plugins, before = runtime.plugins, set(runtime.plugins.held_back)
    owners: dict[str, str] = {}
    for contribution in runtime.installed("register_blueprints"):
        if contribution.owner not in plugins.loaded:
            continue
        with plugins.guard(contribution.owner, "register_blueprints"):
            _check(app, contribution.item)
            app.register_blueprint(contribution.item)
            owners[contribution.item.name] = contribution.owner
    app.extensions["dougong.owners"] = owners
    for contribution in runtime.installed("register_navigation"):
        with plugins.guard(contribution.owner, "register_navigation"):
            if contribution.item.endpoint not in app.view_functions:
                raise LookupError(f"there is no page {contribution.item.endpoint}")
    for name, function in list(plugins.implementations("app_ready")):
        with plugins.guard(name, "app_ready"):
            function(app=app)
    if set(plugins.held_back) != before:
        runtime.forget()


def _check(app: Flask, blueprint: Blueprint) -> None:
    """Try the blueprint on an application of its own: Flask takes nothing back.

    Raises `ValueError` for a view without a stated permission and for a route that is taken.
    """
    trial = Flask("trial", static_folder=None)
    trial.register_blueprint(blueprint)
    taken = {
        (rule.rule, method): rule.endpoint
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
    }
    for rule in trial.url_map.iter_rules():
        if route_policy(trial.view_functions[rule.endpoint]) is None:
            raise ValueError(f"{rule.endpoint} does not say who may use it")
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            if other := taken.get((rule.rule, method)):
                raise ValueError(f"{method} {rule.rule} is taken by {other}")
