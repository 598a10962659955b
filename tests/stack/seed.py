"""Fills the stack's database: the cast, and a chat endpoint that asks the fake GLM."""

import json
import os
import sys

import django

PASSWORD = "correct horse battery staple 9"
CAST = {
    "alice": ("member", "research"),
    "bob": ("member", "research"),
    "charlie": ("member",),
    "olga": ("operator",),
    "oscar": ("operator",),
    "aidan": ("auditor",),
}


def make_cast() -> None:
    """Create the people of the tests with their roles."""
    from django.contrib.auth.models import Group

    from accounts.models import STAFF_ROLES, User

    for username, groups in CAST.items():
        user = User.objects.create_user(
            username, password=PASSWORD, is_staff=bool(STAFF_ROLES & set(groups))
        )
        user.groups.set([Group.objects.get_or_create(name=name)[0] for name in groups])


def make_administrator(username: str) -> None:
    """Create somebody who may do everything."""
    from django.contrib.auth.models import Group

    from accounts.models import Role, User

    user = User.objects.create_superuser(username, password=PASSWORD)
    user.groups.add(Group.objects.get(name=Role.ADMINISTRATOR))


def point_at_the_fake(changes: dict[str, object]) -> None:
    """Make the fake GLM the only chat endpoint; `changes` are fields of its row.

    As a release of its own, so that tests that take releases back do not take this back.
    """
    from configs import changesets
    from configs.models import Change, ModelEndpoint

    draft = changesets.open_draft(title="The fake GLM", actor=None)
    values = {"name": "glm", "kind": "chat", "provider": "zhipu", "model": "glm-4-plus"}
    wanted = [("glm", Change.Action.CREATE, values | {"position": 1, **changes})]
    others = ModelEndpoint.objects.filter(kind="chat").values_list("name", flat=True)
    wanted += [(name, Change.Action.DELETE, None) for name in others]
    for name, action, value in wanted:
        changesets.draft(
            change_set=draft, kind="endpoint", target=name, action=action, value=value, actor=None
        )
    changesets.submit(change_set=draft, actor=None, reason="For the tests", ask_models=False)


def main() -> None:
    """Run with a JSON object of changes to the chat endpoint's row."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clawai.settings")
    django.setup()
    make_cast()
    point_at_the_fake(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {})


if __name__ == "__main__":
    main()
