"""What consumers read: immutable descriptions of fields and entities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from core.fields.rules import FieldRules
from core.fields.types import (
    Boolean,
    ChoiceField,
    Computed,
    FieldType,
    Label,
    Lines,
    References,
    Related,
    Tags,
)

if TYPE_CHECKING:
    from sqlalchemy import Column, Table

__all__ = [
    "ActionSpec",
    "EntitySpec",
    "FieldSpec",
    "Given",
    "HandOver",
    "ScopeSpec",
    "Section",
]


_STAMPS = frozenset(
    {"id", "version", "created_at", "created_by", "updated_at", "updated_by", "archived_at"}
)


@dataclass(frozen=True)
class FieldSpec:
    """One field of an entity. ``column`` is None for what lives in other tables (lines, links)."""

    name: str
    type: FieldType
    label: Label
    help: Label = ""
    required: bool = False
    unique: bool = False
    default: Any = None
    #: Found by the quick search of the list.
    searchable: bool = False
    #: Set by code only: absent from forms and imports, refused from callers.
    readonly: bool = False
    #: How the value is masked for those who may see it only masked, e.g. ``3-4`` keeps 3 and 4 characters.
    mask: str = ""
    #: About a person: exported and erased with them. ``maker`` says where or when the person was who made
    #: the record: it goes with that account too.
    personal: bool | str = False
    #: Other names under which a column of an import is known, e.g. ``公司名称``.
    synonyms: tuple[str, ...] = ()
    #: Of a number: whether lists add it up, or the field whose values are added up apart, such as
    #: what each target counts.
    totals: bool | str = True
    #: Of a reference: what the records with it are called on the page of the one it names.
    related_label: Label = ""
    #: Of a reference: the field of this record that its choices must share, e.g. a contact's
    #: ``customer``; of a region, the field with the one that it lies in.
    within: str = ""
    column: str | None = None
    #: The plugin that declared it; ``custom`` when the company did.
    owner: str = "core"
    custom: bool = False
    retired: bool = False
    #: What the company asks beyond the declaration; ``required``, ``unique`` and ``default`` say
    #: already what comes of both.
    rules: FieldRules | None = None

    @property
    def is_stored(self) -> bool:
        """True when the value is a column of the entity's own table."""
        return self.column is not None

    @property
    def is_writable(self) -> bool:
        """True when a caller with the right to may give a value."""
        from core.fields.types import AutoNumber

        return not self.readonly and not isinstance(self.type, (Computed, AutoNumber))

    @property
    def is_always_required(self) -> bool:
        """True when it must be filled in whatever else the record holds."""
        return self.required and not (self.rules is not None and self.rules.is_conditional)

    @property
    def is_needed(self) -> bool:
        """True when a new record that does not name it is refused: no default fills it in."""
        return self.is_always_required and self.default is None

    @property
    def value_type(self) -> FieldType:
        """The type of the value itself: that of the result for a computed field."""
        return self.type.result if isinstance(self.type, Computed) else self.type


@dataclass(frozen=True)
class Section:
    """A titled group of fields on the form and the detail page."""

    title: Label
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Given:
    """In ``ActionSpec.sets``: after the verb the field is what the parameter ``param`` was given."""

    param: str


@dataclass(frozen=True)
class ActionSpec:
    """A verb of the business: ``handler(uow, records, params) -> result``.

    The handler runs with the rights of the business rule, after the caller's right to the verb
    and to each record has been checked.
    """

    name: str
    label: Label
    handler: Callable[..., Any]
    #: Asked for before it runs, in the order of the dialog. A file is an upload of the caller's own
    #: that belongs to no record; the handler gives it to a field, or attaches it.
    params: tuple[FieldSpec, ...] = ()
    #: Shown and allowed only where this holds, e.g. ``{"field": "status", "op": "eq", "value": "new"}``.
    when: Mapping[str, Any] | None = None
    bulk: bool = True
    tone: str = "neutral"
    confirm: Label = ""
    #: Rows on which the action may be used, beyond those that the roles' scopes reach (public
    #: pools): ``scope(uow, table) -> SQL condition``. The right to the action is needed all the same.
    scope: Callable[..., Any] | None = None
    #: Says in words of its own why ``when`` does not hold: ``why_not(uow, records)`` raises `Refused`.
    why_not: Callable[..., None] | None = None
    #: What fields are after it, e.g. ``{"status": "lost"}``: a card that is moved there on a board
    #: uses the verb. ``{"stage": Given("stage")}`` says that a parameter names it: then the verb is
    #: used for every column, and asks on a page of its own only for what it refuses to do without.
    sets: Mapping[str, Any] | None = None
    #: All that it does is write fields of the records themselves, and what follows from those follows
    #: from their being written back, or was done by `core.entities.bulk.act_along`: so it can be taken
    #: back, while nobody has changed them since.
    undoable: bool = False
    #: A parameter that names further records of the entity: whoever uses the verb must reach them with
    #: it, too, and the handler gets them after the one that it is used on.
    joins: str = ""
    #: Parameters written as programs write them: the timeline, which people read, leaves them out.
    untold: tuple[str, ...] = ()
    #: The page that asks for what the verb needs, in place of the usual one: an endpoint that takes
    #: ``entity`` and ``ids``.
    page: str = ""
    #: Of more records than this the usual page asks, also of all that a list finds; 0: never.
    page_takes: int = 0
    #: Among the verbs that a plugin adds to another plugin's entity: it stands in place of the one of
    #: its name there, which it is made of, with more parameters or more that follows from it.
    replaces: bool = False


@dataclass(frozen=True)
class Mark:
    """What stands out in lists and on boards: records that fulfil a condition on fields of theirs.

    Whoever may not use one of those fields sees no mark. Of several marks the first one is shown.
    """

    condition: Mapping[str, Any]
    label: Label
    tone: str = "bad"


@dataclass(frozen=True)
class HandOver:
    """What goes to a successor when somebody leaves: records that name the person in ``field``."""

    field: str
    #: Only those that fulfil it, e.g. tasks that are open: the rest is the past, and stays.
    condition: Mapping[str, Any] | None = None
    #: What they are called, when not by the entity's plural.
    label: Label = ""
    #: Goes along unless it is left out; what is not usual goes only when it is chosen.
    usual: bool = True


@dataclass(frozen=True)
class ScopeSpec:
    """A data scope of the entity's own, which roles grant by name beside own, department and all.

    ``clause(uow, table)`` gives the SQL condition for the actor of the unit of work.
    """

    name: str
    label: Label
    clause: Callable[..., Any]


@dataclass(frozen=True, repr=False, eq=False)
class EntitySpec:
    """One business object, with everything that is derived from; made by `describe`."""

    name: str
    plugin: str
    label: Label
    label_plural: Label
    table: Table
    #: The declaring class; None for what the company made while all runs.
    model: type[Any] | None
    fields: tuple[FieldSpec, ...]
    label_field: str
    owned: bool = False
    icon: str = "file-text"
    list_columns: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    actions: tuple[ActionSpec, ...] = ()
    scopes: tuple[ScopeSpec, ...] = ()
    marks: tuple[Mark, ...] = ()
    default_sort: str = "-created_at"
    #: Field names whose values together tell two records apart, e.g. ``("company", "mobile")``.
    duplicate_keys: tuple[str, ...] = ()
    #: The field that points to the parent, for child lines.
    parent_field: str | None = None
    #: Of rows that say which record became which: the field that names the former. Its comments, files
    #: and follow-ups are told in the timeline of what the row is about (its field of the type `Related`).
    origin_field: str = ""
    creatable: bool = True
    updatable: bool = True
    deletable: bool = True
    importable: bool = True
    #: Read-only fields that the system's import fills all the same: what happened before, elsewhere.
    history: tuple[str, ...] = ()
    #: Every signed-in person may read its rows (users, departments: the company's directory).
    directory: bool = False
    #: What somebody reaches follows from its records (people, roles, pools): a change of one lets
    #: every process work out rights, and the names it keeps, anew. For few records, seldom changed.
    shapes_access: bool = False
    #: Only the administrator manages it; never part of a role's grants.
    audited: bool = True
    #: Shown in the navigation.
    navigable: bool = True
    custom: bool = False
    #: Takes out of a row what its reader may not see inside it: ``redact(uow, row)``.
    redact: Callable[[Any, dict[str, Any]], dict[str, Any]] | None = None
    #: Decides alone which rows an actor reaches, in place of the roles: ``scope(uow, action, table)``.
    scope: Callable[[Any, str, Any], Any] | None = None
    #: Fields that a reader sees masked in some rows only: ``veil(uow, table)`` gives, by field name, the
    #: SQL condition of those rows. They are not found or sorted there by what the mask hides.
    veil: Callable[[Any, Any], Mapping[str, Any]] | None = None
    #: The endpoint of the plugin's own page on which a new record is made, in place of the generic form.
    new_page: str = ""
    #: The fields that this page begins with when the address names them: ``?customer=7``.
    new_page_takes: tuple[str, ...] = ()
    #: What a successor gets when somebody leaves; nothing said: the records that the person owns.
    hand_over: tuple[HandOver, ...] = ()

    def __repr__(self) -> str:
        return f"<entity {self.name}>"

    @cached_property
    def by_name(self) -> dict[str, FieldSpec]:
        """Fields in use, by name."""
        return {spec.name: spec for spec in self.fields if not spec.retired}

    def __iter__(self) -> Iterator[FieldSpec]:
        return iter(self.by_name.values())

    def __getitem__(self, name: str) -> FieldSpec:
        return self.by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self.by_name

    @cached_property
    def stored(self) -> tuple[FieldSpec, ...]:
        """The fields that are columns of the table."""
        return tuple(spec for spec in self if spec.is_stored)

    @cached_property
    def audited_names(self) -> tuple[str, ...]:
        """The stored fields whose changes the audit trail names: all but who and when."""
        return tuple(spec.name for spec in self.stored if spec.name not in _STAMPS)

    @cached_property
    def defaulted(self) -> tuple[FieldSpec, ...]:
        """The stored fields that are not null when nothing is given: yes or no is never null."""
        return tuple(
            spec
            for spec in self.stored
            if spec.default is not None or isinstance(spec.type, Boolean)
        )

    @cached_property
    def ruled(self) -> tuple[FieldSpec, ...]:
        """The fields that the company has given rules."""
        return tuple(spec for spec in self if spec.rules is not None)

    @cached_property
    def narrowed(self) -> tuple[FieldSpec, ...]:
        """The stored fields some of whose values are not given to every record: those with retired
        options, and tags that come in groups."""
        return tuple(
            spec
            for spec in self.stored
            if (isinstance(spec.type, ChoiceField) and spec.type.retired_values)
            or (isinstance(spec.type, Tags) and spec.type.groups)
        )

    @cached_property
    def detached(self) -> tuple[FieldSpec, ...]:
        """The fields that live in other tables: child lines and links."""
        return tuple(spec for spec in self if isinstance(spec.type, (Lines, References)))

    @cached_property
    def related(self) -> FieldSpec | None:
        """The field that points to a record of any entity, if there is one."""
        return next((spec for spec in self.stored if isinstance(spec.type, Related)), None)

    @cached_property
    def actions_by_name(self) -> dict[str, ActionSpec]:
        """Verbs, by name."""
        return {action.name: action for action in self.actions}

    @cached_property
    def scopes_by_name(self) -> dict[str, ScopeSpec]:
        """Data scopes of its own, by name."""
        return {scope.name: scope for scope in self.scopes}

    @cached_property
    def governed_by(self) -> str:
        """The entity whose grants apply: the parent's for child lines, else its own."""
        if self.parent_field is None:
            return self.name
        parent: str = self.by_name[self.parent_field].type.entity  # type: ignore[attr-defined]
        return parent

    @cached_property
    def searchable(self) -> tuple[FieldSpec, ...]:
        """The fields that the quick search looks at."""
        return tuple(spec for spec in self if spec.searchable and spec.is_stored)

    def column(self, name: str) -> Column[Any]:
        """The database column of the stored field ``name``."""
        physical = self.by_name[name].column
        if physical is None:
            raise KeyError(f"{self.name}.{name} is not a column")
        return self.table.c[physical]

    def permission(self, action: str) -> str:
        """The permission's text form, e.g. ``crm_leads.lead.update``."""
        return f"{self.plugin}.{self.name}.{action}"

    def with_fields(self, fields: tuple[FieldSpec, ...]) -> EntitySpec:
        """A copy with other fields."""
        return replace(self, fields=fields)
