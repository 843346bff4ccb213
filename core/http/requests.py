"""One request: who asks, its unit of work, and what each route demands."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flask import Flask, Response, after_this_request, current_app, g, request
from sqlalchemy.exc import OperationalError

from core.errors import Forbidden
from core.i18n import LOCALES
from core.i18n import gettext as _
from core.plugins.state import closed_to
from core.security.actor import ANONYMOUS, SYSTEM, Actor
from core.security.authentication import actor_of_session, touch_session
from core.security.tokens import actor_of_token, note_token_use, token_use_is_due
from core.work.uow import Origin, UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = [
    "SITE",
    "actor",
    "authenticate",
    "close_reading",
    "framed_by",
    "in_one_transaction",
    "origin",
    "public",
    "requires",
    "route_policy",
    "runtime",
    "session_cookie",
    "signed_in",
    "unit_of_work",
]

log = logging.getLogger("dougong.http")
View = TypeVar("View", bound=Callable[..., Any])
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
#: A body of up to so many bytes is read before the caller is recognised; see `in_one_transaction`.
SHORT_BODY = 64_000
#: Where pages are: what a policy may name, and nothing that could end it.
SITE = re.compile(r"https?://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?")
#: Answered without asking the database who asks.
WITHOUT_DATABASE = frozenset(
    f"system.{name}"
    for name in ("healthz", "readyz", "static", "favicon", "accent", "service_worker")
)


def runtime() -> Runtime:
    """The runtime of the application that answers this request."""
    return cast("Runtime", current_app.extensions["dougong"])


def actor() -> Actor:
    """Who asks; nobody before signing in."""
    return cast(Actor, g.get("actor", ANONYMOUS))


def session_cookie(app: Flask) -> str:
    """The cookie's name: with the prefix that binds it to this host, where the address is https.

    A workspace has one of its own: browsers do not tell the ports of a host apart.
    """
    workspace = app.extensions["dougong"].config.workspace
    name = "dougong" if workspace is None else f"dougong-{workspace.name}"
    return f"__Host-{name}" if app.config["SESSION_COOKIE_SECURE"] else name


def origin() -> Origin:
    """From where this request comes, for the audit trail."""
    channel = "api" if request.path.startswith("/api/") else "web"
    return Origin(channel, request.remote_addr or "", g.get("request_id", ""))


@contextmanager
def unit_of_work(*, write: bool | None = None) -> Iterator[UnitOfWork]:
    """The transaction of this request, with the caller's rights; reading for GET, else writing.

    A reading request has one transaction from beginning to end: that in which the caller was
    recognised. So has a writing one whose view says `in_one_transaction`.
    """
    safe = request.method in SAFE_METHODS
    writing = not safe if write is None else write
    if writing:
        before: UnitOfWork | None = None if safe else g.pop("reading", None)
        with UnitOfWork(runtime(), actor(), origin=origin(), write=True, after=before) as uow:
            yield uow
        g.has_written = True
        return
    reading: UnitOfWork | None = g.get("reading")
    if reading is None:
        with UnitOfWork(runtime(), actor(), origin=origin(), write=False) as uow:
            yield uow
        return
    try:
        yield reading
    except Exception:
        close_reading()  # the transaction may be beyond use; whoever reads next opens another
        raise


def close_reading(error: BaseException | None = None) -> None:
    """End the reading transaction of this request, if there is one."""
    reading: UnitOfWork | None = g.pop("reading", None)
    if reading is not None:
        reading.__exit__(None, None, None)


# What a route demands


def framed_by(sites: Sequence[str]) -> None:
    """Let this answer stand in a frame of these sites, each written ``https://www.example.com``.

    No other answer may: what a signed-in person can do must not be done through somebody else's page.
    """
    if not all(SITE.fullmatch(site) for site in sites):
        raise ValueError("a site is a scheme, a host and perhaps a port")
    g.framed_by = tuple(sites)


def public(view: View) -> View:
    """Open to everybody, signed in or not."""
    view.dougong_policy = "public"  # type: ignore[attr-defined]
    return view


def signed_in(view: View) -> View:
    """Open to every signed-in person; what they may do is decided by the service and the query."""
    view.dougong_policy = "signed_in"  # type: ignore[attr-defined]
    return view


def requires(permission: str) -> Callable[[View], View]:
    """Open to who holds a right, e.g. ``@requires("crm_leads.see_funnel")``; ``admin`` for administrators."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            who = actor()
            allowed = (
                who.manages_security if permission == "admin" else who.has_permission(permission)
            )
            if not allowed:
                raise Forbidden(_("You do not have the right to do this."))
            return view(*args, **kwargs)

        guarded.dougong_policy = permission  # type: ignore[attr-defined]
        return cast(View, guarded)

    return decorate


def in_one_transaction(view: View) -> View:
    """The caller is recognised in the transaction in which the view writes: saves a database two turns.

    For views that do nothing with the database outside `unit_of_work`, nor anything that takes long
    before: the transaction is open when they begin.
    """
    view.dougong_in_one_transaction = True  # type: ignore[attr-defined]
    return view


def route_policy(view: Callable[..., Any]) -> str | None:
    """What a view demands; None when nobody said, which the boot refuses."""
    return getattr(view, "dougong_policy", None)


# Who asks


def authenticate() -> None:
    """Find out who asks; runs before every request, but for those that need nobody.

    A bearer token decides alone when there is one; else the session's cookie; else what a plugin
    recognises.
    """
    g.actor, g.csrf, g.by_token, g.enabled = ANONYMOUS, None, False, frozenset()
    if request.endpoint in WITHOUT_DATABASE:
        return
    keep = request.method in SAFE_METHODS or _is_in_one_transaction()
    reading = UnitOfWork(runtime(), SYSTEM, origin=origin(), write=False)
    g.reading = reading.__enter__()
    g.enabled = reading.snapshot.enabled
    g.company_locale = reading.snapshot.settings["core"]["locale"]
    touch = _recognise(reading)
    if g.actor.is_anonymous and reading.snapshot.pilots:
        closed = closed_to(reading.snapshot.pilots, ())
        g.actor = replace(ANONYMOUS, closed=closed, _access={})
    reading.actor = g.actor
    g.enabled = reading.open_plugins
    if touch or not keep:
        close_reading()
    if touch:
        with UnitOfWork(runtime(), SYSTEM, origin=origin()) as uow:
            touch_session(uow, g.actor.session_id)


def _is_in_one_transaction() -> bool:
    """True when the view goes on with the transaction that is about to begin.

    Its body must be short and is read first: no transaction waits for somebody's slow line.
    """
    view = current_app.view_functions.get(request.endpoint or "")
    if not getattr(view, "dougong_in_one_transaction", False):
        return False
    if "Transfer-Encoding" in request.headers:
        return False  # of any length
    length = request.content_length or 0
    if length > SHORT_BODY or (length and request.mimetype != "application/json"):
        return False
    request.get_data(cache=True)
    return True


def _recognise(uow: UnitOfWork) -> bool:
    """Set the actor; True when the session's "last seen" is to be written."""
    header = request.headers.get("Authorization", "")
    cookie = request.cookies.get(session_cookie(current_app))
    if header:
        scheme, _space, text = header.partition(" ")
        found = actor_of_token(uow, text.strip()) if scheme.lower() == "bearer" else None
        g.actor, g.by_token = found or ANONYMOUS, found is not None
        token_id = None if found is None else found.token_id
        if token_id is not None and token_use_is_due(uow, token_id):
            _note_use_afterwards(token_id)
    elif cookie and len(cookie) < 200:
        session = actor_of_session(uow, cookie)
        if session is not None:
            g.actor, g.csrf, touch = session
            return touch
    elif runtime().plugins.has("authenticate", g.enabled):
        _ask_plugins(uow)
    return False


def _note_use_afterwards(token_id: int) -> None:
    """Write a token's "last used" when the answer is sent, so that nobody waits for it."""
    running, where = runtime(), origin()

    def write() -> None:
        try:
            with UnitOfWork(running, SYSTEM, origin=where) as uow:
                note_token_use(uow, token_id)
        except OperationalError:
            log.info("the use of token %s was not noted: the database is busy", token_id)

    @after_this_request
    def note(response: Response) -> Response:
        response.call_on_close(write)
        return response


def _ask_plugins(uow: UnitOfWork) -> None:
    from core.security.directory import load_actor

    plugins = uow.runtime.plugins
    for name in plugins.order(g.enabled):
        answers = plugins.ask("authenticate", frozenset((name,)), request=request)
        if answers:
            found = load_actor(uow, answers[0])
            # Whom a module recognises that is not open to them is nobody, as without it.
            if found is not None and name not in found.closed:
                # Without a session there is no CSRF token: such a caller acts only as a token would.
                g.actor, g.by_token = found, True
                return


def reader_locale() -> str:
    """The language of the answer: the person's own; before signing in a cookie, else the company's."""
    who = actor()
    if not who.is_anonymous:
        asked = request.accept_languages.best_match(["zh-CN", "zh", "en"]) if g.by_token else None
        if asked:
            return "en" if asked == "en" else "zh_CN"
        return who.locale
    chosen = request.cookies.get("locale", "")
    return chosen if chosen in LOCALES else g.get("company_locale", "zh_CN")
