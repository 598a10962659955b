"""The people of the tests: alice owns, bob shares a group with her, charlie is a stranger, olga
operates, aidan audits; with browsers and API clients that are signed in as them."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import STAFF_ROLES, Role, User
from tests.factories import PASSWORD, UserFactory


def person(username: str, *roles: Role) -> User:
    """Make a person with exactly `roles`."""
    user = UserFactory.create(username=username, is_staff=bool(STAFF_ROLES.intersection(roles)))
    user.groups.set(Group.objects.filter(name__in=roles))
    return user


@pytest.fixture
def research(db: None) -> Group:
    return Group.objects.create(name="research")


@pytest.fixture
def alice(research: Group) -> User:
    user = person("alice", Role.MEMBER)
    user.groups.add(research)
    return user


@pytest.fixture
def bob(research: Group) -> User:
    user = person("bob", Role.MEMBER)
    user.groups.add(research)
    return user


@pytest.fixture
def charlie(db: None) -> User:
    return person("charlie", Role.MEMBER)


@pytest.fixture
def olga(db: None) -> User:
    return person("olga", Role.OPERATOR)


@pytest.fixture
def aidan(db: None) -> User:
    return person("aidan", Role.AUDITOR)


@pytest.fixture
def administrator(db: None) -> User:
    return person("adele", Role.ADMINISTRATOR)


@pytest.fixture
def superuser(db: None) -> User:
    return User.objects.create_superuser("root", password=PASSWORD)


@pytest.fixture
def browser_of(db: None) -> Callable[[User | None], Client]:
    """Return a maker of web clients; `None` is a visitor who has not signed in."""

    def make(user: User | None, **options: bool) -> Client:
        client = Client(**options)
        if user:
            client.force_login(user)
        return client

    return make


@pytest.fixture
def api_of(db: None) -> Callable[[User | None], APIClient]:
    """Return a maker of API clients that hold a session; `None` is anonymous."""

    def make(user: User | None, **options: bool) -> APIClient:
        client = APIClient(**options)
        if user:
            client.force_login(user)
        return client

    return make
