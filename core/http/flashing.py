"""Flask's signed cookie, which carries nothing but messages to the next page."""

from __future__ import annotations

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

__all__ = ["MessageCookie"]


class MessageCookie(SecureCookieSessionInterface):
    """As Flask has it, but without a cookie no keys are derived to check one: most calls have none."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """See Flask."""
        if self.get_cookie_name(app) not in request.cookies:
            return self.session_class()
        return super().open_session(app, request)
