"""The hooks. Each docstring says: what; when (and when not); return; errors; example; since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.plugins import hookspec

if TYPE_CHECKING:
    import click
    from flask import Blueprint, Flask, Request
    from sqlalchemy import ColumnElement

    from core.entities.changes import Change
    from core.entities.edits import FormEdit, ListEdit
    from core.errors import Problem
    from core.fields import ActionSpec, EntityDef, EntitySpec
    from core.plugins.contributions import (
        DemoStep,
        DocumentTemplate,
        EntityExtension,
        GoalMeasure,
        Job,
        NavItem,
        NotificationKind,
        Permission,
        RoleTemplate,
        Schedule,
        SettingsGroup,
        SlotFill,
        Subscriber,
        TimelineSource,
    )
    from core.plugins.manifest import Manifest
    from core.security.actor import Actor
    from core.work.events import Event
    from core.work.uow import UnitOfWork

# A. Register: at boot, pure, no database.


@hookspec
def register_entities() -> Iterable[EntityDef]:  # type: ignore[empty-body]
    """Declare business objects.

    When: once at boot, for every installed plugin, enabled or not. Not again when it is switched.
    Return: `EntityDef` objects; names are unique in the suite.
    Errors: a name taken twice, or a table without the plugin's prefix, holds the plugin back.
    Example: ``return [definitions.lead]``
    Since: 0.1
    """


@hookspec
def register_entity_extensions() -> Iterable[EntityExtension]:  # type: ignore[empty-body]
    """Add fields to the entities of plugins that this one depends on.

    When: once at boot, after all entities are known.
    Return: `EntityExtension` objects; the columns ``<plugin>_<field>`` come from the plugin's migration.
    Errors: an unknown entity or a field that exists holds the plugin back.
    Example: ``return [EntityExtension("customer", (FieldSpec("rating", Text(10), _l("Rating")),))]``
    Since: 0.1
    """


@hookspec
def register_permissions() -> Iterable[Permission]:  # type: ignore[empty-body]
    """Declare rights beyond those that follow from entities and their actions.

    When: once at boot. Not needed for ``create``, ``read``, … and the actions of entities.
    Return: `Permission` objects, named ``<plugin>.<right>``.
    Errors: a name without the plugin's prefix holds the plugin back.
    Example: ``return [Permission("crm_leads.see_funnel", _l("See the funnel"))]``
    Since: 0.1
    """


@hookspec
def register_roles() -> Iterable[RoleTemplate]:  # type: ignore[empty-body]
    """Say what the delivered roles may do with the plugin's entities.

    When: once at boot; applied each time the plugin is enabled, to roles that do not mention the entity yet; a verb that the
    plugin adds to another's entity is granted the first time.
    Return: `RoleTemplate` objects; a role that does not exist is made.
    Errors: an unknown scope or action refuses the enabling.
    Example: ``return [RoleTemplate("sales", _l("Sales"), {"lead": {"read": "own"}})]``
    Since: 0.1
    """


@hookspec
def register_blueprints() -> Iterable[Blueprint]:  # type: ignore[empty-body]
    """Add pages of the plugin's own.

    When: once at boot. Requests are answered 404 while the plugin is off.
    Return: Flask blueprints named like the plugin; every view carries ``@requires(...)`` or ``@public``.
    Errors: a view without a stated permission, or a route that is taken, holds the plugin back.
    Example: ``return [views.blueprint]``
    Since: 0.1
    """


@hookspec
def register_navigation() -> Iterable[NavItem]:  # type: ignore[empty-body]
    """Add pages to the navigation, beside the entities' own.

    When: once at boot; shown while the plugin is on, to those who hold the permission.
    Return: `NavItem` objects.
    Errors: an endpoint that does not exist holds the plugin back.
    Example: ``return [NavItem(_l("Board"), "crm_leads.board", icon="layout-kanban")]``
    Since: 0.1
    """


@hookspec
def register_slots() -> Iterable[SlotFill]:  # type: ignore[empty-body]
    """Put HTML into named places of other pages.

    When: once at boot; rendered with each page while the plugin is on.
    Return: `SlotFill` objects; ``entity.detail.aside`` and ``entity.list.above`` exist for all entities.
    Errors: an unknown slot holds the plugin back; a fill that raises is left out and logged.
    Example: ``return [SlotFill("entity.detail.aside", views.score_card)]``
    Since: 0.1
    """


@hookspec
def register_settings() -> Iterable[SettingsGroup]:  # type: ignore[empty-body]
    """Declare settings that an administrator changes in the browser.

    When: once at boot.
    Return: `SettingsGroup` objects named like the plugin.
    Errors: a group name without the plugin's prefix holds the plugin back.
    Example: ``return [SettingsGroup("crm_leads", _l("Leads"), (FieldSpec("limit", Integer(), _l("Limit"), default=50),))]``
    Since: 0.1
    """


@hookspec
def register_events() -> Iterable[type[Event]]:  # type: ignore[empty-body]
    """Declare the plugin's event classes.

    When: once at boot; only declared events can be subscribed to, also by other plugins.
    Return: subclasses of `Event`, frozen dataclasses of plain values.
    Errors: a class that does not survive JSON holds the plugin back.
    Example: ``return [events.LeadConverted]``
    Since: 0.1
    """


@hookspec
def register_subscribers() -> Iterable[Subscriber]:  # type: ignore[empty-body]
    """React to events after their commit.

    When: once at boot; called by a worker for each event, at least once; parked while the plugin is off.
    Return: `Subscriber` objects with names unique in the plugin.
    Errors: an exception is retried with growing delay, then kept as a dead letter.
    Example: ``return [Subscriber("welcome", RecordsCreated, subscribers.welcome, entity="lead")]``
    Since: 0.1
    """


@hookspec
def register_jobs() -> Iterable[Job]:  # type: ignore[empty-body]
    """Declare kinds of background work.

    When: once at boot; started through ``uow.enqueue``; parked while the plugin is off.
    Return: `Job` objects named ``<plugin>.<job>``.
    Errors: a name without the plugin's prefix holds the plugin back.
    Example: ``return [Job("crm_leads.recount", jobs.recount)]``
    Since: 0.1
    """


@hookspec
def register_schedules() -> Iterable[Schedule]:  # type: ignore[empty-body]
    """Start jobs by the clock.

    When: once at boot; a worker starts each due period once, in whatever process; not while the plugin is off.
    Return: `Schedule` objects that name a registered job.
    Errors: an unknown job holds the plugin back.
    Example: ``return [Schedule("nightly", "crm_leads.recount", daily_at="02:00")]``
    Since: 0.1
    """


@hookspec
def register_notifications() -> Iterable[NotificationKind]:  # type: ignore[empty-body]
    """Declare what people are told of by the bell; `core.notifications.notify` tells them.

    When: once at boot; those of a plugin that is off are not shown.
    Return: `NotificationKind` objects named like the plugin.
    Errors: a name without the plugin's prefix, or one taken twice, holds the plugin back.
    Example: ``return [NotificationKind("crm_leads.returned", _l("A lead goes back"), _l("%(record)s went back to its pool."))]``
    Since: 0.1
    """


@hookspec
def register_timeline() -> Iterable[TimelineSource]:  # type: ignore[empty-body]
    """Add entries to the timelines of records.

    When: once at boot; asked each time a timeline is read, all that answer with a `Reading` in one statement.
    Return: `TimelineSource` objects.
    Errors: a source that raises is left out of the answer and logged.
    Example: ``return [TimelineSource("calls", timeline.calls, entity="lead")]``
    Since: 0.1
    """


@hookspec
def register_documents() -> Iterable[DocumentTemplate]:  # type: ignore[empty-body]
    """Say what can be printed of records.

    When: once at boot; built each time somebody prints, on the record's page or over REST.
    Return: `DocumentTemplate` objects; each builds a `core.documents.Document`, which the core draws.
    Errors: a name taken twice for an entity holds the plugin back; an exception while building is
    answered as an error of the server.
    Example: ``return [DocumentTemplate("lead", "summary", _l("Summary"), documents.summary)]``
    Since: 0.1
    """


@hookspec
def register_goal_measures() -> Iterable[GoalMeasure]:  # type: ignore[empty-body]
    """Say which figures goals may be set for.

    When: once at boot; read each time somebody looks at goals, within that person's scope.
    Return: `GoalMeasure` objects; their names begin with the plugin and a dot. Fields declared
    ``ChoiceField(measures=True)`` offer those of modules that are on.
    Errors: a name taken twice, or an unknown unit, holds the plugin back; a measure that raises when
    asked what to read is logged, and shown without a figure.
    Example: ``return [GoalMeasure("crm_leads.calls", _l("Calls"), "count", calls.reading, calls.behind)]``
    Since: 0.1
    """


@hookspec
def register_commands() -> Iterable[click.Command]:  # type: ignore[empty-body]
    """Add commands to ``dougong``.

    When: at the start of each command line; refused while the plugin is off.
    Return: click commands; they appear as ``dougong <plugin> <command>``.
    Errors: none.
    Example: ``return [commands.recount]``
    Since: 0.1
    """


@hookspec
def register_demo() -> Iterable[DemoStep]:  # type: ignore[empty-body]
    """Tell the plugin's part of the demonstration story.

    When: only by ``dougong init --demo``, once, after all plugins are enabled.
    Return: `DemoStep` objects; steps run in the order of the plugins.
    Errors: an exception ends ``init`` and nothing of the step is kept.
    Example: ``return [DemoStep("leads", demo.leads)]``
    Since: 0.1
    """


# B. In the transaction: called by the service, with all changes of one write at once.


@hookspec
def validate_changes(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:  # type: ignore[empty-body]
    """Refuse changes that break a rule of the business.

    When: for every create, update, delete and restore, after permissions and field checks, before anything is written.
    Not for writes of the audit trail, jobs and sessions.
    Return: `Problem` objects; one is enough to refuse the whole write.
    Errors: an exception ends the transaction and is reported with the plugin's name.
    Example: ``return [change.problem("mobile", "taken", _("…")) for change in changes if …]``
    Since: 0.1
    """


@hookspec
def before_changes(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Set derived values before they are written.

    When: after ``validate_changes`` found no problem; the one place where ``change.set(...)`` is allowed.
    Return: nothing.
    Errors: an exception ends the transaction and is reported with the plugin's name.
    Example: ``for change in changes: change.set("score", score(change.after))``
    Since: 0.1
    """


@hookspec
def after_changes(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Write what follows from the changes, in the same transaction.

    When: after the rows and their audit entries are written; ids are known. No network, no mail: publish an event.
    Return: nothing.
    Errors: an exception ends the transaction and is reported with the plugin's name.
    Example: ``service.create(uow, "task", [...])``
    Since: 0.1
    """


@hookspec
def records_merged(
    entity: EntitySpec, kept: int, merged: Sequence[int], memo: dict[str, Any], uow: UnitOfWork
) -> None:
    """Let what names merged records outside fields name the one that stays.

    When: several records become one, after all references, lines and records about them moved; in the transaction.
    Return: nothing. What is needed to take it back is noted in ``memo``, as JSON, under the plugin's name.
    Errors: an exception ends the transaction and is reported with the plugin's name.
    Example: ``memo["crm_sales"] = move_marks(uow, merged, kept)``
    Since: 0.1
    """


@hookspec
def records_split(
    entity: EntitySpec, kept: int, merged: Sequence[int], memo: dict[str, Any], uow: UnitOfWork
) -> None:
    """Take back what was done when records became one.

    When: a merge is taken back, after the records and what named them are as they were; in the transaction.
    Return: nothing. ``memo`` is what was noted then.
    Errors: an exception ends the transaction and is reported with the plugin's name.
    Example: ``put_back_marks(uow, memo.get("crm_sales", {}))``
    Since: 0.1
    """


@hookspec
def request_consent(  # type: ignore[empty-body]
    entity: EntitySpec,
    action: str,
    records: Sequence[Mapping[str, Any]],
    reasons: Mapping[int, Sequence[str]],
    uow: UnitOfWork,
) -> Iterable[int]:
    """Take over records that may go on only with somebody's consent, and ask for it.

    When: within a verb, in its transaction, where a rule of the business wants more than the right to it (a
    discount beyond the limit of who submits a quote), through `core.entities.consent`. ``reasons`` says why,
    by record, in the reader's language.
    Return: the ids of the records that the plugin takes; it tells the module of the entity by its ``api.py`` how
    it ended. What nobody takes is refused with the reasons.
    Errors: an exception ends the transaction and is reported with the plugin's name.
    Example: ``return flows.start(uow, entity, records, reasons) if entity.name == "quote" else []``
    Since: 0.1
    """


@hookspec
def plugin_enabled(plugin: Manifest, uow: UnitOfWork) -> None:
    """Set up what the plugin needs when it is switched on.

    When: after its migrations, in the transaction that enables it; only the plugin itself is told, each time anew.
    Return: nothing.
    Errors: an exception leaves the plugin off, and the Apps page shows it.
    Example: ``service.create(uow, "lead_pool", [{"name": _("Public pool")}])``
    Since: 0.1
    """


@hookspec
def plugin_disabled(plugin: Manifest, uow: UnitOfWork) -> None:
    """Put away what should not stay when the plugin is switched off; data stays.

    When: in the transaction that disables it; only the plugin itself is told.
    Return: nothing.
    Errors: an exception leaves the plugin on, and the Apps page shows it.
    Example: ``settings.put(uow, "crm_leads", {"paused": True})``
    Since: 0.1
    """


# C. Questions: during a request; an answer or None.


@hookspec(firstresult=True)
def authenticate(request: Request) -> int | None:
    """Recognise the caller by other means than a session or an API token.

    When: only for requests that carry neither.
    Return: the id of an active user, or None.
    Errors: an exception counts as no answer and is logged.
    Example: ``return user_of_certificate(request.headers.get("X-Client-Cert"))``
    Since: 0.1
    """


@hookspec
def check_permission(actor: Actor, permission: str) -> bool | None:
    """Take a right away that roles have given.

    When: after the roles granted it; never asked for the system itself.
    Return: False to refuse; anything else changes nothing, so a plugin can only narrow.
    Errors: an exception refuses.
    Example: ``return False if permission.endswith(".export") and not at_work(actor) else None``
    Since: 0.1
    """


@hookspec
def scope_query(entity: EntitySpec, action: str, actor: Actor) -> ColumnElement[bool] | None:
    """Narrow the rows that somebody reaches, beyond the roles' scopes.

    When: for every statement of the query and the service; not for administrators' scopes of the system itself.
    Return: an SQL condition over ``entity.table`` that is AND-ed, or None.
    Errors: an exception refuses the access.
    Example: ``return entity.column("company").in_(companies_of(actor))``
    Since: 0.1
    """


@hookspec
def adjust_form(entity: EntitySpec, actor: Actor) -> Iterable[FormEdit]:  # type: ignore[empty-body]
    """Move, hide or explain fields of a form.

    When: each time a form of the entity is laid out. Rights are not changed by it.
    Return: `FormEdit` objects.
    Errors: an edit of an unknown field is left out and logged.
    Example: ``return [FormEdit("hide", "wechat")]``
    Since: 0.1
    """


@hookspec
def adjust_list(entity: EntitySpec, actor: Actor) -> Iterable[ListEdit]:  # type: ignore[empty-body]
    """Add or remove columns of a list as first shown.

    When: each time a list is laid out for somebody who has not chosen columns.
    Return: `ListEdit` objects.
    Errors: an edit of an unknown field is left out and logged.
    Example: ``return [ListEdit("add", "score", before="owner")]``
    Since: 0.1
    """


@hookspec
def record_actions(entity: EntitySpec, actor: Actor) -> Iterable[ActionSpec]:  # type: ignore[empty-body]
    """Add verbs to another plugin's entity.

    When: whenever the verbs of an entity are asked for: on pages, in REST and OpenAPI.
    Return: `ActionSpec` objects; a name that the entity has already is left out, unless ``replaces`` says
    that the verb stands in for the entity's own. It then asks for the same right, and keeps its scope.
    Errors: an exception is logged and adds nothing.
    Example: ``return [ActionSpec("call", _l("Call"), calls.start)] if entity.name == "lead" else []``
    Since: 0.1
    """


@hookspec(firstresult=True)
def resolve_theme(request: Request) -> str | None:
    """Choose the theme of a page.

    When: for each page; not for REST.
    Return: the name of an installed theme, or None for the company's.
    Errors: an unknown name is ignored.
    Example: ``return "portal" if request.host.startswith("portal.") else None``
    Since: 0.1
    """


@hookspec
def app_ready(app: Flask) -> None:
    """Do the last things when the web application stands.

    When: once at boot in web processes, after all blueprints; not in workers and commands.
    Return: nothing.
    Errors: an exception holds the plugin back.
    Example: ``log.info("%s routes", len(list(app.url_map.iter_rules())))``
    Since: 0.1
    """


def hook_names() -> list[str]:
    """The names of all hooks, in the order of this file."""
    return [
        name
        for name, value in globals().items()
        if callable(value) and hasattr(value, "dougong_spec")
    ]
