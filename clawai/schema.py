"""What the OpenAPI document says of how callers sign in."""

from drf_spectacular.authentication import SessionScheme as DrfSessionScheme


class SessionScheme(DrfSessionScheme):
    """The session cookie of the web."""

    target_class = "accounts.authentication.SessionAuthentication"
