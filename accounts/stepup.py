"""Ask whoever touches a secret for their password again: how it is checked, and that it was."""

from django.http import HttpRequest

from accounts import limits, records
from accounts.models import User
from configs import stepup
from configs.audit import actions
from configs.stepup import ConfirmationNeeded, address, fresh, hint, require, required

__all__ = ["ConfirmationNeeded", "address", "confirm", "fresh", "hint", "require", "required"]


def confirm(request: HttpRequest, *, person: User, password: str) -> bool:
    """Note that `person` typed their password just now, if it is theirs; each attempt counts.

    Raises:
        RateLimited: too many attempts; they count with those to sign in.
        Unavailable: they cannot be counted at the moment.
    """
    limits.count_login(request, person.username)
    right = person.check_password(password)
    said = actions.STEP_UP_SUCCESS if right else actions.STEP_UP_FAILURE
    records.account(said, actor=person, target=person)
    if right:
        stepup.note(request)
    return right
