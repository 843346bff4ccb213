"""People and their API tokens."""

from __future__ import annotations

import click

from core.cli.installation import as_json, emit, open_runtime, system_work, user_id

__all__ = ["token", "user"]


@click.group()
def user() -> None:
    """People who sign in."""


@user.command("create")
@click.argument("email")
@click.option("--name", required=True)
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="May be repeated.")
@click.option("--department", metavar="PATH", help="Such as 销售部/华东组; made when missing.")
@click.option("--password", metavar="PW", help="Without one the person cannot sign in yet.")
@as_json
def create_user_(
    email: str,
    name: str,
    roles: tuple[str, ...],
    department: str | None,
    password: str | None,
    as_json: bool,
) -> None:
    """Create a person."""
    from core.i18n import gettext as _
    from core.ops.install import create_user

    with open_runtime() as runtime:
        with system_work(runtime) as uow:
            key = create_user(
                uow, email, name=name, password=password, roles=roles, department=department
            )
        text = _("%(name)s has the number %(id)s.", name=name, id=key)
        emit({"id": key, "email": email}, text, as_json=as_json)


@user.command("reset")
@click.argument("email")
@click.option(
    "--password", metavar="PW", help="Another password, to be changed at the next sign-in."
)
@as_json
def reset_user(email: str, password: str | None, as_json: bool) -> None:
    """Let somebody in again who is locked out or has lost phone and recovery codes.

    The second factor and locks are taken away; it is for the administrator whom nobody else can help.
    """
    from core.i18n import gettext as _
    from core.ops.rescue import let_in

    with open_runtime() as runtime, system_work(runtime) as uow:
        key = user_id(uow, email)
        let_in(uow, key, password)
    emit({"id": key}, _("%(email)s can sign in again.", email=email), as_json=as_json)


@click.group()
def token() -> None:
    """Tokens for the REST interface."""


@token.command("create")
@click.option("--user", "email", required=True, metavar="EMAIL", help="Whose rights it has.")
@click.option("--scope", "scopes", multiple=True, metavar="lead.read", help="May be repeated.")
@click.option("--days", type=click.IntRange(1, 3650), help="How long it is valid.")
@click.option("--title", default="dougong token create", show_default=True)
@as_json
def create_token_(
    email: str, scopes: tuple[str, ...], days: int | None, title: str, as_json: bool
) -> None:
    """Make a token and print it: it is not shown again."""
    from core.security.tokens import create_token

    with open_runtime() as runtime, system_work(runtime) as uow:
        made = create_token(
            uow, user_id(uow, email), title=title, scopes=list(scopes) or None, days=days
        )
    emit({"token": made.text, "expires_at": made.expires_at}, made.text, as_json=as_json)
