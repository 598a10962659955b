"""The demo knowledge base: CLAW.AI's own handbook, in Chinese and English."""

from pathlib import Path

from django.core.files import File

from accounts.models import User
from knowledge import services
from knowledge.models import KnowledgeBase

SLUG = "handbook"
HANDBOOK = Path(__file__).resolve().parent / "handbook"


def fill(actor: User) -> None:
    """Put the handbook into a base that everyone may read; the worker indexes it later.

    Safe to repeat: changed pages become new versions. Where people have bases of their own and
    no handbook, it was removed on purpose and stays away.
    """
    base = KnowledgeBase.objects.filter(slug=SLUG).first()
    if base is None and KnowledgeBase.objects.exists():
        return
    if base is None:
        base = services.create_base(
            actor=actor,
            name="CLAW.AI 手册 · Handbook",
            description="使用和运行 CLAW.AI 的方法 · How to use and run CLAW.AI",
            visibility=KnowledgeBase.Visibility.EVERYONE,
            slug=SLUG,
        )
    for path in sorted(HANDBOOK.glob("*/*.md")):
        with path.open("rb") as file:
            services.upload(
                actor=actor,
                base_id=base.pk,
                file=File(file),
                name=path.name,
                source=f"handbook/{path.relative_to(HANDBOOK)}",
            )
