"""People at the HTTP door: signed in with a session, as a browser does it."""

import contextlib
import uuid
from collections.abc import Iterator
from typing import Any

import httpx

from tests.stack.seed import PASSWORD

API = "/api/v1/"


class Person:
    """Someone with a session; `http` sends the CSRF token along."""

    def __init__(self, base_url: str, name: str) -> None:
        self.base_url, self.name = base_url, name
        self.http = httpx.Client(base_url=base_url, timeout=30, follow_redirects=False)

    def log_in(self, password: str = PASSWORD) -> None:
        """Sign in through the login page."""
        page = self.http.get("/accounts/login/")
        page.raise_for_status()
        self._take_token()
        answer = self.http.post(
            "/accounts/login/",
            data={
                "username": self.name,
                "password": password,
                "csrfmiddlewaretoken": self.http.headers["X-CSRFToken"],
            },
        )
        if answer.status_code != 302:
            raise RuntimeError(f"{self.name} could not sign in: {answer.status_code}")
        self._take_token()

    def _take_token(self) -> None:
        self.http.headers["X-CSRFToken"] = self.http.cookies.get("clawai_csrf") or ""
        self.http.headers["Referer"] = self.base_url

    def log_out(self) -> None:
        """Sign out through the page's form."""
        answer = self.http.post("/accounts/logout/")
        if answer.status_code not in (200, 302):
            raise RuntimeError(f"{self.name} could not sign out: {answer.status_code}")

    def cookie_header(self) -> str:
        """Return the cookies as a WebSocket handshake sends them."""
        return "; ".join(f"{name}={value}" for name, value in self.http.cookies.items())

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Call the API below `/api/v1/`."""
        return self.http.request(method, API + path, **options)

    def get(self, path: str, **options: Any) -> Any:
        """GET from the API; the answer must be a success."""
        return self.call("GET", path, **options).raise_for_status().json()

    def post(self, path: str, **options: Any) -> Any:
        """POST to the API; the answer must be a success."""
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        return self.call("POST", path, headers=headers, **options).raise_for_status().json()

    def conversation(self, **fields: Any) -> str:
        """Open a conversation and return its id."""
        return str(self.post("conversations/", json=fields)["id"])

    def messages(self, conversation: str) -> list[dict[str, Any]]:
        """Return all messages of a conversation, oldest first."""
        found: list[dict[str, Any]] = []
        answer = self.get(f"conversations/{conversation}/messages/")
        found += answer["results"]
        while answer["next"]:
            answer = self.http.get(answer["next"]).raise_for_status().json()
            found += answer["results"]
        return found

    def message(self, conversation: str, message: str) -> dict[str, Any]:
        """Return one message as the list shows it."""
        return next(m for m in self.messages(conversation) if m["id"] == message)

    def close(self) -> None:
        """Close the connections."""
        self.http.close()


@contextlib.contextmanager
def signed_in(base_url: str, name: str) -> Iterator[Person]:
    """Return the person with a fresh session."""
    person = Person(base_url, name)
    try:
        person.log_in()
        yield person
    finally:
        person.close()
