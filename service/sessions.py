"""Quart's sessions in signed cookies, of which most requests have none."""

from __future__ import annotations

from quart import Quart, Response
from quart.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from quart.wrappers import BaseRequestWebsocket
from werkzeug.wrappers import Response as WerkzeugResponse


class SeldomSessions(SecureCookieSessionInterface):
    """The same sessions, and nothing signed or looked up for a request that has and makes none."""

    async def open_session(
        self, app: Quart, request: BaseRequestWebsocket
    ) -> SecureCookieSession | None:
        """The session of the request's cookie; a new one if it has none."""
        if app.secret_key and self.get_cookie_name(app) not in request.cookies:
            return self.session_class()
        return await super().open_session(app, request)

    async def save_session(
        self, app: Quart, session: SessionMixin, response: Response | WerkzeugResponse | None
    ) -> None:
        """Put the session into a cookie, if there is anything of it."""
        if session or session.accessed or session.modified:
            await super().save_session(app, session, response)
