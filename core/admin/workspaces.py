"""Workspaces for trying things out: sandboxes with the demonstration, trials with a copy of the data."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, request, url_for

from core.admin import blueprint
from core.admin.display import owner_title
from core.backup import workspaces as making
from core.http.jobs import local
from core.http.rendering import render
from core.http.requests import requires, runtime, unit_of_work
from core.i18n import gettext as _
from core.i18n.formats import format_date
from core.workspace import Workspace, find_workspaces


@blueprint.get("/workspaces")
@requires("admin")
def workspaces() -> Any:
    """Which there are, and what can be done with each."""
    now, zone = runtime().clock.now(), runtime().clock.timezone
    with unit_of_work() as uow:
        making.require_administrator(uow)
        modules = [(name, owner_title(name)) for name in runtime().plugins.loaded]
        enabled = uow.snapshot.enabled
    rows = [
        {
            **_words(each),
            "name": each.name,
            "kind": each.kind,
            "state": "over" if each.state == "ready" and not each.is_served(now) else each.state,
            "url": each.url,
            "problem": each.problem,
            "made_by": each.made_by,
            "made_at": local(each.made_at),
            "until": format_date(each.ends_at.astimezone(zone).date()),
            "modules": [owner_title(name) for name in each.plugins],
        }
        for each in find_workspaces(runtime().config.home)
    ]
    return render("core/admin/workspaces.html", workspaces=rows, modules=modules, enabled=enabled)


def _words(each: Workspace) -> dict[str, str]:
    if each.kind == "sandbox":
        return {"title": _("Sandbox"), "contents": _("The demonstration")}
    contents = _("A copy of all data") if each.is_copy else _("Empty at first")
    return {"title": _("Trial"), "contents": contents}


@blueprint.post("/workspaces")
@requires("admin")
def make_workspace() -> Any:
    """Begin to make one."""
    form = request.form
    with unit_of_work() as uow:
        made = making.plan(
            uow,
            form.get("kind", ""),
            plugins=form.getlist("plugins"),
            is_copy=form.get("contents") == "copy",
        )
        job = making.begin(uow, made.name, "make")
    return redirect(url_for("admin.show_job", key=job), 303)


@blueprint.post("/workspaces/<name>/keep")
@requires("admin")
def keep_workspace(name: str) -> Any:
    """Let it end later."""
    with unit_of_work() as uow:
        kept = making.keep_longer(uow, name)
    day = format_date(kept.ends_at.astimezone(runtime().clock.timezone).date())
    flash(_("It is kept until %(day)s.", day=day), "good")
    return redirect(url_for("admin.workspaces"), 303)


@blueprint.get("/workspaces/<name>/reset")
@requires("admin")
def confirm_reset_workspace(name: str) -> Any:
    """Ask first."""
    return _ask(
        name,
        _("Reset %(name)s?", name=name),
        _("It becomes as it was when it was made. What has been done in it since is gone."),
        url_for("admin.reset_workspace", name=name),
        _("Reset"),
    )


@blueprint.get("/workspaces/<name>/remove")
@requires("admin")
def confirm_remove_workspace(name: str) -> Any:
    """Ask first."""
    return _ask(
        name,
        _("Remove %(name)s?", name=name),
        _("Its data and files are removed for good. The company's own are not touched."),
        url_for("admin.remove_workspace", name=name),
        _("Remove"),
    )


def _ask(name: str, title: str, text: str, action: str, label: str) -> str:
    with unit_of_work() as uow:
        making.require_administrator(uow)
        making.find(uow.runtime, name)
    return render(
        "core/admin/confirm.html",
        title=title,
        text=text,
        items=(),
        action=action,
        label=label,
        kind="danger",
        back=url_for("admin.workspaces"),
        crumb=_("Trying things out"),
    )


@blueprint.post("/workspaces/<name>/reset")
@requires("admin")
def reset_workspace(name: str) -> Any:
    """Begin to put it back."""
    return _begin(name, "reset")


@blueprint.post("/workspaces/<name>/remove")
@requires("admin")
def remove_workspace(name: str) -> Any:
    """Begin to remove it."""
    return _begin(name, "remove")


def _begin(name: str, act: str) -> Any:
    with unit_of_work() as uow:
        job = making.begin(uow, name, act)
    return redirect(url_for("admin.show_job", key=job), 303)
