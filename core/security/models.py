"""People, departments and roles (entities), and the private tables beside them."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy import Boolean as Flag
from sqlalchemy.orm import Mapped

from core.db.base import metadata
from core.db.types import BigId, Json, PlainText, UtcDateTime
from core.fields import (
    Boolean,
    Choice,
    ChoiceField,
    Date,
    Document,
    Email,
    Entity,
    Lines,
    Phone,
    Reference,
    References,
    Text,
    detached,
    field,
)
from core.i18n import lazy_gettext as _l

__all__ = [
    "LONGEST_PATH",
    "Absence",
    "Department",
    "Role",
    "User",
    "api_token_table",
    "credential_table",
    "session_table",
    "share_table",
    "sign_in_table",
]


#: Characters that the path of a department has room for.
LONGEST_PATH = 500


class Department(Entity):
    """A node of the department tree."""

    __tablename__ = "core_department"

    name: Mapped[str | None] = field(Text(100), label=_l("Name"), required=True, searchable=True)
    parent: Mapped[int | None] = field(
        Reference("department"), label=_l("Above"), table="core_department", column="parent_id"
    )
    #: Without a foreign key: users point at departments already.
    head: Mapped[int | None] = field(
        Reference("user"), label=_l("Head"), column="head_id", constraint=False
    )
    #: ``/1/4/``: the ids from the top to this one, so that "and all below" is one prefix.
    path: Mapped[str | None] = field(
        Text(LONGEST_PATH), label=_l("Path"), readonly=True, index=True
    )


class Role(Entity):
    """What a group of people may do."""

    __tablename__ = "core_role"

    name: Mapped[str | None] = field(Text(60), label=_l("Code"), required=True, unique=True)
    title: Mapped[str | None] = field(Text(100), label=_l("Name"), required=True, searchable=True)
    is_admin: Mapped[bool | None] = field(
        Boolean(), label=_l("Administrator"), readonly=True, default=False
    )
    #: ``{entity: {action: scope}}``
    grants: Mapped[Any] = field(Document(), label=_l("Grants"), default=dict)
    #: ``{entity: {field: "hidden" | "masked" | "read" | "write"}}``
    field_rules: Mapped[Any] = field(Document(), label=_l("Field rules"), default=dict)
    #: Rights beyond records.
    permissions: Mapped[Any] = field(Document(), label=_l("Permissions"), default=list)


class User(Entity):
    """A person who signs in."""

    __tablename__ = "core_user"

    name: Mapped[str | None] = field(
        Text(100),
        label=_l("Full name"),
        required=True,
        searchable=True,
        personal=True,
        synonyms=("姓名", "name"),
    )
    email: Mapped[str | None] = field(
        Email(), label=_l("E-mail"), required=True, unique=True, searchable=True, personal=True
    )
    mobile: Mapped[str | None] = field(Phone(), label=_l("Mobile"), mask="3-4", personal=True)
    title: Mapped[str | None] = field(Text(100), label=_l("Position"))
    department: Mapped[int | None] = field(
        Reference("department"),
        label=_l("Department"),
        table="core_department",
        column="department_id",
    )
    departments = detached(References("department"), label=_l("Further departments"))
    roles = detached(References("role"), label=_l("Roles"))
    absences = detached(Lines("absence", parent="user"), label=_l("Absences"))
    locale: Mapped[str | None] = field(
        ChoiceField(choices=(Choice("zh_CN", "中文"), Choice("en", "English"))),
        label=_l("Language"),
        default="zh_CN",
    )
    is_active: Mapped[bool | None] = field(Boolean(), label=_l("Active"), default=True)


class Absence(Entity):
    """A period in which a person gets no new work."""

    __tablename__ = "core_absence"

    user: Mapped[int | None] = field(
        Reference("user", on_delete="cascade"),
        label=_l("Person"),
        table="core_user",
        column="user_id",
        required=True,
    )
    starts_on: Mapped[date | None] = field(Date(), label=_l("From"), required=True)
    ends_on: Mapped[date | None] = field(Date(), label=_l("To"), required=True)
    reason: Mapped[str | None] = field(Text(200), label=_l("Reason"))
    #: Who stands in meanwhile; see `core.security.delegation`. Without a foreign key, as the column
    #: came to a table that was there.
    deputy: Mapped[int | None] = field(
        Reference("user"), label=_l("Deputy"), column="deputy_id", constraint=False, index=True
    )


def _user_key(*, primary: bool = False, nullable: bool = False) -> Column[int]:
    return Column(
        "user_id",
        BigId,
        ForeignKey("core_user.id", ondelete="CASCADE"),
        primary_key=primary,
        nullable=nullable,
    )


credential_table = Table(
    "core_credential",
    metadata,
    _user_key(primary=True),
    Column("password", PlainText(200), nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    #: Somebody else set it: the person chooses another at the next sign-in.
    Column("must_change", Flag, nullable=False, server_default=false()),
    #: Hashes of earlier ones, newest first, where the company keeps them.
    Column("previous", Json),
)

session_table = Table(
    "core_session",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("token_hash", PlainText(64), nullable=False),
    _user_key(),
    Column("csrf", PlainText(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    Column("address", PlainText(64), nullable=False),
    Column("agent", PlainText(300), nullable=False),
    #: A hash of the browser's own mark, by which a new device is told from a known one.
    Column("device", PlainText(64)),
    #: The administrator who signed in as the person.
    Column("behind_id", BigId),
    UniqueConstraint("token_hash"),
    Index("ix_core_session_user_id", "user_id"),
    sqlite_autoincrement=True,
)

api_token_table = Table(
    "core_api_token",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("token_hash", PlainText(64), nullable=False),
    _user_key(),
    Column("title", PlainText(100), nullable=False),
    Column("scopes", Json, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    UniqueConstraint("token_hash"),
    Index("ix_core_api_token_user_id", "user_id"),
    sqlite_autoincrement=True,
)

#: Sign-ins that are half done: the password was right, and something is still asked for. No rights.
sign_in_step_table = Table(
    "core_sign_in_step",
    metadata,
    Column("token_hash", PlainText(64), primary_key=True),
    _user_key(),
    #: Of the account as it was when the password was proven; another one ends the step.
    Column("version", PlainText(64), nullable=False),
    #: The second factor was given, or was set up on the way.
    Column("is_proven", Flag, nullable=False, server_default=false()),
    #: The session that this browser had before: it ends with the new one.
    Column("instead_of", BigId),
    Column("expires_at", UtcDateTime, nullable=False),
)

#: Links by mail that set a password: once, for a short while, for the account as it was.
password_link_table = Table(
    "core_password_link",
    metadata,
    Column("token_hash", PlainText(64), primary_key=True),
    _user_key(),
    Column("version", PlainText(64), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Index("ix_core_password_link_user_id", "user_id"),
)

second_factor_table = Table(
    "core_second_factor",
    metadata,
    _user_key(primary=True),
    #: The key of the codes, sealed.
    Column("secret", PlainText(500), nullable=False, info={"sealed": "second factor"}),
    #: Empty until a first code has shown that the key arrived.
    Column("confirmed_at", UtcDateTime),
    #: The time step of the last code that was taken: none is taken twice.
    Column("last_step", BigInteger, nullable=False, server_default=text("0")),
)

recovery_code_table = Table(
    "core_recovery_code",
    metadata,
    Column("code_hash", PlainText(64), primary_key=True),
    _user_key(),
    Index("ix_core_recovery_code_user_id", "user_id"),
)

#: Wrong tries of an account counted towards a lock, and the lock. One row for all places that the
#: person never signed in from, and one for each of the others.
lock_table = Table(
    "core_sign_in_lock",
    metadata,
    Column("key", PlainText(64), primary_key=True),
    _user_key(nullable=True),
    #: The network address; empty for all unknown ones.
    Column("place", PlainText(64), nullable=False),
    Column("failures", Integer, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("locked_at", UtcDateTime),
)

#: Failed sign-ins, by a hash of the address that was tried; a success removes the row.
sign_in_table = Table(
    "core_sign_in",
    metadata,
    Column("key", PlainText(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("blocked_until", UtcDateTime, nullable=False),
)

#: Records shared with one person, or with a department and all below it. A record's shares stay
#: while it is in the recycle bin; `core.security.sharing` writes them.
share_table = Table(
    "core_share",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("entity", PlainText(63), nullable=False),
    Column("record_id", BigId, nullable=False),
    _user_key(nullable=True),
    Column("department_id", BigId, ForeignKey("core_department.id", ondelete="CASCADE")),
    #: ``read``, or ``write`` for reading and changing.
    Column("level", PlainText(8), nullable=False),
    Column("by_id", BigId),
    Column("at", UtcDateTime, nullable=False),
    Column("until", UtcDateTime),
    Index("ix_core_share_record", "entity", "record_id"),
    Index("ix_core_share_user", "user_id", "entity", "record_id", unique=True),
    Index("ix_core_share_department", "department_id", "entity", "record_id", unique=True),
    sqlite_autoincrement=True,
)
