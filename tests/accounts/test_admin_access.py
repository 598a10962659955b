"""Every address of the admin × method × person: one without a line in the table is a failure."""

from pathlib import Path

import pytest
from django.db import transaction

from tests.accounts.admin_world import addresses, fingerprint, one_of_each

TABLE = Path(__file__).with_name("admin_access.txt")
PEOPLE = ("anonymous", "alice", "olga", "aidan", "administrator")
AUDITED = ("configs_auditentry", "configs_audithead")
FORGED = {
    "username": "mallory", "is_superuser": "on", "is_staff": "on", "is_active": "on",
    "name": "mallory", "key": "retrieval.top_k", "value": "9", "text": "{passages}",
    "kind": "chat", "provider": "fake", "title": "mallory", "_save": "Save",
    "confirmed": "1", "what": "value", "role": "1", "grant": "1:1", "cell": "1:1",
}  # fmt: skip
BODIES = (
    FORGED,
    {**FORGED, "_saveasnew": "1"},
    {"action": "delete_selected", "_selected_action": "1", "post": "yes"},
    {"action": "shut_out", "_selected_action": "1", "index": "0"},
    {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": "1", "_save": "Save"},
    {"x-TOTAL_FORMS": "1", "x-INITIAL_FORMS": "0", "x-0-id": "", "x-0-name": "mallory"},
    {"post": "yes", "reason": "forged"},
    {},
)
EXPORTS = frozenset({"configs/config/transfer/export/"})
"""What answers a POST with a copy of what the auditor may read anyway."""
HARMLESS = frozenset({"conversations/citation/uses/export/", "logout/"})
"""What an auditor may POST: a copy is taken away, which the audit log notes; or they leave."""


def expected():
    """Return the table: by route, the statuses of GET and POST in the order of `PEOPLE`."""
    lines = [line.split("|") for line in TABLE.read_text().splitlines() if "|" in line]
    return {route.strip(): (get.strip(), post.strip()) for route, get, post in lines}


def status_of(browser, method, address, body=None):
    """Return the status of a call whose changes are taken back, and whose cookies are not kept."""
    cookies = dict(browser.cookies)
    with transaction.atomic():
        response = getattr(browser, method)(address, body)
        if response.streaming:
            b"".join(response.streaming_content)
        transaction.set_rollback(True)
    browser.cookies.clear()
    browser.cookies.update(cookies)
    return response.status_code


@pytest.fixture
def cast(request, browser_of):
    people = {name: name != "anonymous" and request.getfixturevalue(name) for name in PEOPLE}
    return {name: browser_of(user or None) for name, user in people.items()}


@pytest.fixture
def rows(cast, alice):
    return one_of_each(alice)


@pytest.mark.timeout(900)
def test_addresses__every_person_and_method__answer_as_the_table_says(cast, rows):
    found = {}
    for address in addresses():
        page = address.filled(rows)
        got = [
            " ".join(str(status_of(browser, method, page, body)) for browser in cast.values())
            for method, body in (("get", None), ("post", FORGED))
        ]
        found[address.route] = tuple(got)
    known = expected()
    wrong = [
        f"{route} | {' | '.join(got)}"
        for route, got in sorted(found.items())
        if known.get(route) != got
    ]
    assert not wrong, "These differ from the table, or are not in it:\n" + "\n".join(wrong)
    assert set(known) == set(found)


def test_table__people_without_the_admin__get_in_nowhere():
    for route, answers in expected().items():
        for statuses in answers:
            anonymous, alice, *_rest = statuses.split()
            assert anonymous in {"301", "302", "403", "404", "405"}, route
            assert alice in {"301", "302", "403", "404", "405"} or route in {"jsi18n/"}, route


@pytest.mark.timeout(900)
def test_auditor__forged_posts_to_every_address__change_nothing(cast, rows):
    before = fingerprint(but=AUDITED)
    read = {route for route, (get, _post) in expected().items() if get.split()[3] == "200"}
    for address in addresses():
        if address.route in HARMLESS:
            continue
        for body in BODIES:
            status = cast["aidan"].post(address.filled(rows), body).status_code
            shown_again = status == 200 and address.route in read | EXPORTS
            assert shown_again or status in {301, 302, 403, 404, 405}, (address.route, status)
    assert fingerprint(but=AUDITED) == before


@pytest.mark.timeout(900)
def test_get__by_somebody_with_all_rights__changes_nothing(browser_of, superuser, rows):
    browser = browser_of(superuser)
    before = fingerprint(but=AUDITED)
    for address in addresses():
        if address.route != "logout/":
            response = browser.get(address.filled(rows))
            assert response.status_code < 500, address.route
    assert fingerprint(but=AUDITED) == before


def test_post__without_csrf_token__is_refused_everywhere(browser_of, superuser, rows):
    browser = browser_of(superuser, enforce_csrf_checks=True)
    for address in addresses():
        response = browser.post(address.filled(rows), FORGED)
        assert response.status_code in {403, 404, 405, 301}, (address.route, response.status_code)
