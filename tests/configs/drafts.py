"""Short ways to draft and publish, for the tests of change sets."""

from configs import changesets, registry, services
from configs.models import AuditEntry

TOP_K = registry.RETRIEVAL_TOP_K.key


def drafted(actor, *changes, title="Draft"):
    """Return a draft with changes of the form (kind, target, value)."""
    found = changesets.open_draft(title=title, actor=actor)
    for kind, target, value in changes:
        changesets.draft(change_set=found, kind=kind, target=target, value=value, actor=actor)
    return found


def top_k(actor, value, **more):
    return drafted(actor, ("setting", TOP_K, value), **more)


def publish(change_set, actor=None, **more):
    return changesets.submit(change_set=change_set, actor=actor, **more)


def four_eyes(policy):
    services.change_setting(key=registry.FOUR_EYES.key, value=policy, actor=None)


def acts():
    return list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
