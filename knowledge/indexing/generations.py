"""Generations of a base's index: build a new one beside the one in use, then switch."""

from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef

from knowledge.indexing import passages
from knowledge.models import Document, IndexedVersion, IndexGeneration, KnowledgeBase


def targets(base_id: UUID) -> list[IndexGeneration]:
    """Return the generations that a document has to be in: the one in use, then one being built."""
    wanted = (IndexGeneration.State.ACTIVE, IndexGeneration.State.BUILDING)
    return list(
        IndexGeneration.objects.filter(base_id=base_id, state__in=wanted).order_by("state", "pk")
    )


def lock_base(base_id: UUID) -> KnowledgeBase | None:
    """Lock the base's row: whoever changes what has to be indexed takes turns here."""
    return KnowledgeBase.objects.select_for_update(no_key=True).filter(pk=base_id).first()


def switch_when_complete(base_id: UUID) -> None:
    """Put the generation that is being built in use once every document is in it.

    Then the one before is emptied. A document that can be searched now and is not in the new
    generation, because its indexing failed, holds the switch up: nothing disappears from search.
    """
    with transaction.atomic():
        base = lock_base(base_id)
        if base is None:
            return
        building = base.generations.filter(state=IndexGeneration.State.BUILDING).first()
        if building is None or not _has_all(building):
            return
        base.generations.filter(state=IndexGeneration.State.ACTIVE).update(
            state=IndexGeneration.State.RETIRED
        )
        building.state = IndexGeneration.State.ACTIVE
        building.save(update_fields=["state"])
        base.active_generation = building
        base.save(update_fields=["active_generation", "updated_at"])
    clear_retired(base_id)


def _has_all(building: IndexGeneration) -> bool:
    entry = IndexedVersion.objects.filter(
        generation=building, version=OuterRef("current_version_id")
    )
    searchable = Document.objects.filter(base_id=building.base_id).exclude(current_version=None)
    missing = searchable.filter(~Exists(entry)).exists()
    return not missing and passages.base_is_unchanged(building.base_id)


def give_up(generation_id: int | None) -> None:
    """Drop a generation that is being built; what is in use stays."""
    if generation_id is None:
        return
    building = IndexGeneration.objects.filter(
        pk=generation_id, state=IndexGeneration.State.BUILDING
    )
    if building.update(state=IndexGeneration.State.RETIRED):
        clear_retired()


def clear_retired(base_id: UUID | None = None) -> None:
    """Empty the retired generations, of one base or of all; the sweeper repeats it."""
    retired = IndexGeneration.objects.filter(state=IndexGeneration.State.RETIRED, chunk_count__gt=0)
    if base_id is not None:
        retired = retired.filter(base_id=base_id)
    for generation_id in retired.values_list("pk", flat=True):
        passages.remove_generation(generation_id)
