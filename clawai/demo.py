"""The demo knowledge base: CLAW.AI's own handbook, in Chinese and English."""

from accounts.models import User


def fill(actor: User) -> None:
    """X."""
