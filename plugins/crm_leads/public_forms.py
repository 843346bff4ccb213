"""Forms that anybody fills in without signing in: each answer becomes a lead in the form's pool (S-003).

Against machines there are a field that people do not see, the core's limit for forms of one place, and
the rule that the same person is one lead a day. Whoever is stopped by the first or the last is thanked all
the same, and learns nothing; so is who gives what another lead has already and only one may have.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select

from core.entities import query, service
from core.entities.changes import Change
from core.entities.query import ListQuery
from core.entities.values import BadValue, check_value
from core.errors import Invalid, NotFound, Problem
from core.fields import MultiChoice
from core.http.presenting import input_context, read_control
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.mail import MailMessage, one_line
from core.plugins.contributions import Job
from core.settings.service import get_setting
from plugins.crm_leads.models import ASKED

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

    from core.fields import FieldSpec
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = [
    "DELIVERED",
    "HONEYPOT",
    "WELCOME",
    "PublicForm",
    "find_form",
    "give_keys",
    "merged",
    "own_fields",
    "submit",
    "unfillable",
]

#: What only machines fill in. It is called what they look for.
HONEYPOT = "website"
#: So long the same mobile or address through one form is the same lead.
_SAME = timedelta(days=1)
#: One of them must be given: else nobody can be called back.
_WAYS = ("mobile", "email", "wechat")
#: What forms ask for that is not the company's own.
DELIVERED = frozenset(choice.value for choice in ASKED)
_MERGED = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class PublicForm:
    """An open form, as its page needs it."""

    id: int
    key: str
    title: str
    intro: str
    thanks: str
    fields: tuple[str, ...]
    sites: tuple[str, ...]
    pool: int
    campaign: int | None
    source: str | None
    has_welcome: bool


def give_keys(changes: Sequence[Change]) -> None:
    """New forms get the part of their address that nobody can guess."""
    for change in changes:
        if change.kind == "create":
            change.set("key", secrets.token_urlsafe(12))


def find_form(uow: UnitOfWork, key: str) -> PublicForm:
    """The open form of that key; `NotFound` for all others, as if they had never been."""
    form = uow.snapshot.installed_entities["lead_form"].table
    pool = uow.snapshot.installed_entities["lead_pool"].table
    asked = (
        select(form)
        .join(pool, pool.c.id == form.c.pool_id)
        .where(form.c.key == key, form.c.is_open, form.c.archived_at.is_(None))
        .where(pool.c.is_active, pool.c.archived_at.is_(None))
    )
    row = uow.execute(asked).one_or_none() if "\x00" not in key else None
    if row is None:
        raise NotFound(_("There is no such page."))
    asked_for = row.fields or ()
    own = [item.name for item in own_fields(uow) if item.name in asked_for]
    return PublicForm(
        row.id,
        row.key,
        row.title or row.name,
        row.intro or "",
        row.thanks or "",
        (*(choice.value for choice in ASKED if choice.value in asked_for), *own),
        tuple(row.sites or ()),
        row.pool_id,
        row.campaign_id,
        row.source,
        bool(row.welcome_text),
    )


def own_fields(uow: UnitOfWork) -> list[FieldSpec]:
    """The company's own fields of leads that forms can ask for, in their order: none that is retired."""
    offered = uow.snapshot.installed_entities["lead_form"]["fields"].type
    assert isinstance(offered, MultiChoice)
    names = set(offered.labels()) - DELIVERED
    return [item for item in uow.snapshot.installed_entities["lead"] if item.name in names]


def submit(uow: UnitOfWork, form: PublicForm, sent: MultiDict[str, str]) -> int | None:
    """Make a lead of what was filled in; None where a machine, or the same person again, is thanked only.

    Raises `Invalid` with a problem at each field. The rights are those of the form: it was opened by
    somebody who may.
    """
    if sent.get(HONEYPOT, "").strip():
        return None
    delivered = [name for name in form.fields if name in DELIVERED]
    values: dict[str, Any] = {name: _given(sent, name) for name in delivered}
    _check(uow, form, values, _read_own(uow, form, sent, values))
    with uow.elevated():
        lock = uow.entity("lead_form").table
        uow.execute(select(lock.c.id).where(lock.c.id == form.id).with_for_update()).one()
        if _is_known(uow, form, values):
            return None
        lead = {
            **values,
            "company": values.get("company") or values.get("contact_name"),
            "pool": form.pool,
            "owner": None,
            "source": form.source,
            "campaign": form.campaign,
            "form": form.id,
            "origin": sent.get("origin", "").strip()[:300] or None,
        }
        made = _make(uow, lead)
        if isinstance(made, set):
            with suppress(Invalid):  # where the lead cannot be without it
                made = _make(uow, _with_note(uow, lead, made - DELIVERED))
        if isinstance(made, set):
            return None
        if form.has_welcome:
            uow.enqueue(WELCOME.name, {"lead": made})
    return made


def _make(uow: UnitOfWork, lead: Mapping[str, Any]) -> int | set[str]:
    """The lead; or the fields whose values another one has, where only one may have them.

    That there is such a lead is nobody's business outside: of that no error tells.
    """
    try:
        with uow.savepoint():
            (key,) = service.create(uow, "lead", [lead])
    except Invalid as error:
        others = [problem for problem in error.problems if problem.code != "taken"]
        if others or not error.problems:
            raise Invalid(error.message, others) from None
        return {problem.field for problem in error.problems}
    return int(key)


def _with_note(uow: UnitOfWork, lead: Mapping[str, Any], taken: Collection[str]) -> dict[str, Any]:
    """The same with what stands in these fields in its note, for whoever calls back."""
    told = [f"{item.label}: {lead[item.name]}" for item in own_fields(uow) if item.name in taken]
    note = "\n".join([lead.get("note") or "", *told]).strip()
    return {**lead, **dict.fromkeys(taken), "note": note}


def _given(sent: Mapping[str, str], name: str) -> str | None:
    return sent.get(name, "").strip()[:2000] or None


def _read_own(
    uow: UnitOfWork, form: PublicForm, sent: MultiDict[str, str], values: dict[str, Any]
) -> list[Problem]:
    """Put what was given for the company's own fields into ``values``; what is wrong with it."""
    context, problems = input_context(uow), []
    for item in own_fields(uow):
        if item.name not in form.fields:
            continue
        try:
            values[item.name] = read_control(context, item, sent)
        except BadValue as error:
            problems.append(Problem(item.name, error.code, str(error)))
            continue
        if item.is_always_required and values[item.name] is None:
            message = _("Please fill this in.")
            problems.append(Problem(item.name, "required", message))
    return problems


def _check(
    uow: UnitOfWork, form: PublicForm, values: dict[str, Any], problems: list[Problem]
) -> None:
    """Every problem at its field, with those known before, and values as they are stored."""
    spec = uow.entity("lead")
    for name in [name for name in values if name in DELIVERED]:
        value = values[name]
        try:
            values[name] = check_value(spec[name].type, value)
        except BadValue as error:
            problems.append(Problem(name, error.code, str(error)))
    named = [name for name in ("company", "contact_name") if name in form.fields]
    if not any(values.get(name) for name in named):
        problems.append(Problem(named[0], "required", _("Please fill this in.")))
    ways = [name for name in _WAYS if name in form.fields]
    wrong = {problem.field for problem in problems}
    if not any(values.get(name) for name in ways) and not wrong & set(ways):
        message = _("Tell us how to reach you.")
        problems.append(Problem(ways[0], "required", message))
    if problems:
        raise Invalid(_("Please correct what is marked."), problems)


def _is_known(uow: UnitOfWork, form: PublicForm, values: Mapping[str, Any]) -> bool:
    lead = uow.entity("lead").table
    same = [
        lead.c[name] == values[name] for name in ("mobile", "email", "wechat") if values.get(name)
    ]
    recent = (
        lead.c.form_id == form.id,
        lead.c.created_at > uow.now() - _SAME,
        lead.c.archived_at.is_(None),
    )
    asked = select(lead.c.id).where(*recent, or_(*same)).limit(1)
    return uow.execute(asked).first() is not None


# The welcome


def merged(text: str, lead: Mapping[str, Any], company: str) -> str:
    """A text of the welcome mail with what it names: ``{name}``, ``{company}`` and ``{us}``."""
    known = _words(lead, company)
    return _MERGED.sub(lambda match: known.get(match[1].strip(), match[0]), text)


def _words(lead: Mapping[str, Any], company: str) -> dict[str, str]:
    return {
        "name": lead.get("contact_name") or lead.get("company") or "",
        "company": lead.get("company") or "",
        "us": company,
    }


def unfillable(text: str) -> set[str]:
    """What a text of the welcome mail names that it cannot be given."""
    return {found.strip() for found in _MERGED.findall(text)} - {"name", "company", "us"}


def _welcome(context: JobContext, lead: int) -> dict[str, str]:
    """Mail the welcome of the form by which a lead came in; without an address it says so on the lead."""
    with context.unit_of_work(write=False) as uow, uow.elevated():
        found = query.page(
            uow,
            "lead",
            ListQuery(ids=(lead,), fields=("form", "email", "contact_name", "company", "welcome")),
        ).items
        row = found[0] if found else None
        if row is None or row["form"] is None or row["welcome"] is not None:
            return {"welcome": "not wanted any more"}
        form = query.get(uow, "lead_form", row["form"], archived=None).values
        us = get_setting(uow, "core", "company_name")
    if row["email"]:
        subject = one_line(merged(form["welcome_subject"] or form["name"], row, us))
        text = merged(form["welcome_text"] or "", row, us)
        context.runtime.mailer.send(MailMessage((row["email"],), subject, f"{text}\n"))
    result = "sent" if row["email"] else "skipped"
    with context.unit_of_work() as uow, uow.elevated():
        service.update(uow, "lead", {lead: {"welcome": result}})
        context.finish(uow, {"welcome": result})
    return {"welcome": result}


WELCOME = Job("crm_leads.welcome", _welcome, title=_l("Mail a welcome to a new lead"))
