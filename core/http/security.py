"""What every answer and every write carries: headers, CSRF, the gate of plugins, the default deny."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, flash, g, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from core.errors import Forbidden, NotFound
from core.http.addresses import page_before
from core.http.forms import keep_without_session
from core.http.masking import mask, unmask
from core.http.requests import SAFE_METHODS, actor, route_policy
from core.i18n import gettext as _

__all__ = ["add_headers", "check_csrf", "check_policies", "check_route", "csrf_token"]

#: Of a longer form, which may bring files, nothing is read for nobody.
_SHORT = 100_000

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
#: The pages of the API's documentation and the few others that need it may override a header.
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(self)",
    "Cache-Control": "no-store",
}


def csrf_token() -> str:
    """The token of this session's forms; empty before signing in.

    It looks different in every answer, so that the length of compressed pages tells nothing of it.
    """
    if "masked_csrf" not in g:
        g.masked_csrf = mask(g.csrf) if g.get("csrf") else ""
    return str(g.masked_csrf)


def check_csrf() -> BaseResponse | None:
    """A write with a cookie needs the session's token and must come from our own pages.

    Who presents an API token is no browser that a foreign page could steer. A form of the person's
    session before is not acted upon, but kept for them.
    """
    if request.method in SAFE_METHODS or g.by_token:
        return None
    _check_origin()
    if g.csrf is None:
        return None  # nobody is signed in: the policy of the route decides
    given = request.headers.get("X-CSRF-Token") or request.form.get("csrf_token")
    if _same(unmask(given or ""), g.csrf):
        return None
    if (kept := keep_without_session()) is not None:
        return kept
    raise Forbidden(_("This page is out of date. Load it again and repeat what you did."))


def _same(given: str | None, expected: str) -> bool:
    """Compare without telling by time how much of it was right."""
    return given is not None and hmac.compare_digest(given.encode(), expected.encode())


def _check_origin() -> None:
    """Browsers say where a write comes from; a foreign place is refused, sign-in included."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in ("same-origin", "none"):
        raise Forbidden(_("This request came from another site."))
    source = request.headers.get("Origin")
    if source == "null" and site is None:
        # A sandboxed frame hides where it is from; our own pages never do.
        raise Forbidden(_("This request came from another site."))
    if source is not None and source != "null":
        allowed = {request.host_url.rstrip("/"), current_app.config["BASE_URL"]}
        if source not in allowed:
            raise Forbidden(_("This request came from another site."))


def check_route() -> BaseResponse | None:
    """Plugins that are off answer 404; what is not public needs somebody."""
    if request.endpoint is None:
        return None  # answered as 404 or 405 by the router
    owner = current_app.extensions["dougong.owners"].get(request.blueprint or "")
    if owner is not None and owner not in g.enabled:
        raise NotFound(_("There is no such page."))
    policy = route_policy(current_app.view_functions[request.endpoint])
    if policy == "public" or not actor().is_anonymous:
        return None
    if request.path.startswith("/api/"):
        raise Unauthenticated()
    if request.headers.get("HX-Request"):
        back = _own_path(request.headers.get("HX-Current-URL", ""))
        return Response(status=401, headers={"HX-Redirect": url_for("web.sign_in_page", next=back)})
    if request.method == "GET":
        where: str | None = request.full_path.rstrip("?")
    else:
        _check_origin()
        if (kept := keep_without_session()) is not None:
            return kept
        if request.endpoint != "web.sign_out":
            text = _(
                "Your session had ended: what you just sent was not done. Sign in and repeat it."
            )
            flash(text, "warn")
        where = page_before() or _sent_back()
    return redirect(url_for("web.sign_in_page", next=where))


def _sent_back() -> str | None:
    """Where a form that answered another one leads back to."""
    is_short = request.content_length is not None and request.content_length < _SHORT
    return request.form.get("back") if is_short else None


def _own_path(address: str) -> str | None:
    """Path and query of one of our own pages; None for any other."""
    parts = urlsplit(address)
    if parts.netloc != request.host:
        return None
    return parts.path + (f"?{parts.query}" if parts.query else "")


class Unauthenticated(Forbidden):
    """Nobody, or a token that is not known."""

    status = 401
    code = "unauthenticated"

    def __init__(self) -> None:
        super().__init__(_("Sign in, or send a valid token."))


def check_policies(app: Flask) -> None:
    """Refuse to start with a route that does not say who may use it."""
    open_ended = sorted(
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if route_policy(app.view_functions[rule.endpoint]) is None
    )
    if open_ended:
        raise RuntimeError(f"routes without a stated permission: {', '.join(open_ended)}")


def _headers() -> dict[str, str]:
    sites = g.get("framed_by")
    if not sites:
        return HEADERS
    nobody, these = "frame-ancestors 'none'", f"frame-ancestors {' '.join(sites)}"
    policy = CONTENT_SECURITY_POLICY.replace(nobody, these)
    framed = {**HEADERS, "Content-Security-Policy": policy}
    del framed["X-Frame-Options"]  # it knows no sites
    return framed


def add_headers(response: Response) -> Response:
    """The headers of every answer, errors and downloads included."""
    set_already = {name.lower() for name, _value in response.headers}
    for name, value in _headers().items():
        if name.lower() not in set_already:
            response.headers.add(name, value)
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if "request_id" in g:
        response.headers["X-Request-Id"] = g.request_id
    return response
