"""Pages to go to and things to begin, found by a few letters in the box that searches everything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import url_for

from core.entities.scope import may
from core.exchange.plans.saved import may_import
from core.http.addresses import new_record_url
from core.http.navigation import entities_shown, navigation
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.search.tokens import normal, runs, spoken
from core.settings.service import settings_groups

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Command", "find_commands"]


#: (endpoint, icon, label) of one's own pages, and of those behind the administrators' navigation.
_OWN_PAGES = (
    ("web.profile", "user", _l("Your profile")),
    ("web.notifications", "bell", _l("Notifications")),
    ("web.own_absences", "calendar", _l("Absences")),
    ("web.jobs", "activity", _l("Your jobs")),
    ("web.help_index", "help-circle", _l("Help")),
)
_ADMIN_PAGES = (
    ("admin.departments", "git-branch", _l("Departments")),
    ("admin.field_entities", "columns-3", _l("Fields")),
    ("admin.usage", "chart-bar", _l("Use of the suite")),
    ("admin.form_usage", "clipboard-check", _l("Use of forms")),
    ("admin.background", "activity", _l("Schedules and workers")),
    ("admin.privacy", "shield-lock", _l("Personal data")),
)


@dataclass(frozen=True)
class Command:
    """Something to open."""

    label: str
    url: str
    icon: str


def find_commands(uow: UnitOfWork, words: str, limit: int) -> list[Command]:
    """What fits the words, in any order, by their letters, pinyin or its initials; the best first.

    Without words: what can be begun, then the pages of the navigation.
    """
    asked = normal(words).split()
    ranked = [
        (rank, place, command)
        for place, command in enumerate(_all(uow))
        if (rank := _rank(command.label, asked)) is not None
    ]
    return [command for _rank_, _place, command in sorted(ranked, key=lambda each: each[:2])][
        :limit
    ]


def _all(uow: UnitOfWork) -> Iterator[Command]:
    """Everything that this reader may open, but for records: none leads to a refusal."""
    specs = entities_shown(uow)
    for spec in specs:
        if spec.creatable and may(uow, spec, "create"):
            label = _("New: %(entity)s", entity=str(spec.label))
            yield Command(label, new_record_url(spec), "plus")
    for group in navigation():
        for item in group["items"]:
            yield Command(item["label"], item["url"], item["icon"])
    for spec in specs:
        if spec.importable and may(uow, spec, "import") and may(uow, spec, "create"):
            label = _("Import: %(entity)s", entity=str(spec.label_plural))
            yield Command(label, url_for("web.import_start", entity=spec.name), "upload")
    if may_import(uow):
        yield Command(_("Import plans"), url_for("web.import_plans"), "list-numbers")
    for spec in specs:
        if spec.deletable and may(uow, spec, "delete"):
            label = _("Recycle bin: %(entity)s", entity=str(spec.label_plural))
            yield Command(label, url_for("web.recycle_bin", entity=spec.name), "trash")
    for page, icon, text in _OWN_PAGES:
        yield Command(str(text), url_for(page), icon)
    if uow.actor.is_admin and uow.actor.token_scopes is None:
        yield from _administration(uow)


def _administration(uow: UnitOfWork) -> Iterator[Command]:
    """What administrators reach through the pages of the navigation."""
    for page, icon, text in _ADMIN_PAGES:
        yield Command(str(text), url_for(page), icon)
    for name, group in settings_groups(uow).items():
        label = _("Settings: %(group)s", group=str(group.title))
        yield Command(label, url_for("admin.settings_group", group=name), "settings")


def _rank(label: str, asked: list[str]) -> int | None:
    """0 where the label begins so, more where it only has it somewhere; None where it has not."""
    text = normal(label)
    if not all(_has(text, word) for word in asked):
        return None
    return 0 if not asked or text.startswith(asked[0]) else 1


def _has(text: str, word: str) -> bool:
    return word in text or any(
        spoken(run).has(word) for kind, run in runs(text) if kind == "han" and word.isascii()
    )
