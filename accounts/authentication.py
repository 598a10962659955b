"""How a REST call says who makes it."""

from rest_framework import authentication
from rest_framework.request import Request


class SessionAuthentication(authentication.SessionAuthentication):
    """The web's session cookie, with CSRF; a call without it is answered 401, not 403."""

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge for `WWW-Authenticate`."""
        return 'Session realm="CLAW.AI"'
