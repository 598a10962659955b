"""Make, change, share, re-index and delete knowledge bases."""

from collections.abc import Collection
from uuid import UUID, uuid4

from django.contrib.auth.models import Group
from django.db import transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from accounts import limits
from accounts.models import User
from configs import providers, registry, runtime
from configs.audit import actions
from configs.errors import Forbidden, Invalid, NoEndpoint
from configs.providers.base import Endpoint
from knowledge.indexing import generations
from knowledge.models import Document, IndexGeneration, KnowledgeBase
from knowledge.services import queueing, records
from knowledge.services.access import editable_base

AVERAGE_TERMS = 150.0
"""Terms of an ordinary passage, for a base that has none yet to measure."""

Visibility = KnowledgeBase.Visibility


def create_base(  # noqa: PLR0913 - one argument a column, by name only
    *,
    actor: User,
    name: str,
    description: str = "",
    visibility: str = Visibility.PRIVATE,
    slug: str = "",
    shared_users: Collection[UUID] | None = None,
    shared_groups: Collection[int] | None = None,
) -> KnowledgeBase:
    """Make a base that `actor` owns, with the embedding endpoint and chunk settings in force.

    Raises:
        Forbidden: the actor may make no bases, or none for everyone.
        Invalid: no name, the slug is taken, or there is no such user or group.
        NoEndpoint: no embedding endpoint is usable.
    """
    if not actor.has_perm("knowledge.add_knowledgebase"):
        raise Forbidden
    _check_visibility(actor, visibility)
    _check_sharing(actor, shared_users, shared_groups)
    _check_name(name)
    endpoint = embedding_endpoint()
    with transaction.atomic():
        base = KnowledgeBase.objects.create(
            owner=actor,
            name=name.strip(),
            slug=_free_slug(slug, name),
            description=description,
            visibility=visibility,
        )
        base.active_generation = _new_generation(
            base, endpoint, IndexGeneration.State.ACTIVE, AVERAGE_TERMS
        )
        base.save(update_fields=["active_generation"])
        _share(base, shared_users, shared_groups)
        records.of_base(actions.BASE_CREATE, base, actor=actor, new=records.described(base))
    return base


def change_base(  # noqa: PLR0913 - one argument a column, by name only
    *,
    actor: User,
    base_id: UUID,
    name: str | None = None,
    description: str | None = None,
    visibility: str | None = None,
    shared_users: Collection[UUID] | None = None,
    shared_groups: Collection[int] | None = None,
) -> KnowledgeBase:
    """Change what is given; None leaves it. The people and groups count while it is `shared`.

    Raises:
        NotFound, Forbidden: see the module of services.
        Invalid: no name, or there is no such user or group.
    """
    base = editable_base(actor, base_id)
    before = records.described(base)
    _check_sharing(actor, shared_users, shared_groups)
    if name is not None:
        _check_name(name)
        base.name = name.strip()
    if description is not None:
        base.description = description
    if visibility is not None and visibility != base.visibility:
        _check_visibility(actor, visibility)
        base.visibility = visibility
    with transaction.atomic():
        base.save(update_fields=["name", "description", "visibility", "updated_at"])
        _share(base, shared_users, shared_groups)
        records.change_of_base(base, before, actor=actor)
    return base


def delete_base(*, actor: User, base_id: UUID) -> None:
    """Delete the base with its documents and their files; answers keep what they quoted.

    Raises:
        NotFound, Forbidden: see the module of services.
    """
    editable_base(actor, base_id)
    with transaction.atomic():
        base = generations.lock_base(base_id)
        if base is None:
            return
        # Locked first: a worker in the middle of a batch finishes it, then finds nothing to do.
        documents = list(
            Document.objects.select_for_update()
            .filter(base=base)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        queueing.drop_files_on_commit(documents)
        old = records.described(base) | {"documents": len(documents)}
        records.of_base(actions.BASE_DELETE, base, actor=actor, old=old)
        base.delete()


def reindex_base(*, actor: User, base_id: UUID) -> IndexGeneration:
    """Build a new index of the whole base beside the one in use, which is searched until then.

    It takes the embedding endpoint and chunk settings in force; a build under way is given up.

    Raises:
        NotFound, Forbidden: see the module of services.
        NoEndpoint: no embedding endpoint is usable.
    """
    editable_base(actor, base_id)
    endpoint = embedding_endpoint()
    with transaction.atomic():
        base = generations.lock_base(base_id)
        if base is None:
            raise Forbidden
        base.generations.filter(state=IndexGeneration.State.BUILDING).update(
            state=IndexGeneration.State.RETIRED
        )
        generation = _new_generation(
            base, endpoint, IndexGeneration.State.BUILDING, _average_terms(base)
        )
        rows = Document.objects.select_for_update(no_key=True).filter(base=base).order_by("pk")
        queueing.queue([document.pk for document in rows])
        records.of_base(actions.DOCUMENT_REINDEX, base, actor=actor)
    generations.switch_when_complete(base_id)
    generation.refresh_from_db()
    return generation


def embedding_endpoint() -> Endpoint:
    """Return the endpoint that makes the vectors of new indexes.

    Raises:
        NoEndpoint: none is usable.
    """
    current = runtime.current()
    usable = current.endpoints("embedding")
    wanted = current.get(registry.EMBEDDING_ENDPOINT)
    for endpoint in usable:
        if endpoint.name == wanted:
            return endpoint
    if not usable:
        raise NoEndpoint
    return usable[0]


def _new_generation(
    base: KnowledgeBase, endpoint: Endpoint, state: str, average_terms: float
) -> IndexGeneration:
    current = runtime.current()
    return IndexGeneration.objects.create(
        base=base,
        state=state,
        endpoint_name=endpoint.name,
        dimensions=providers.embedder(endpoint).dimensions,
        chunk_tokens=current.get(registry.CHUNKING_TOKENS),
        overlap_tokens=current.get(registry.CHUNKING_OVERLAP),
        average_terms=average_terms,
    )


def _average_terms(base: KnowledgeBase) -> float:
    """Return the length of an ordinary passage of the base, as the index in use has it."""
    active = base.active_generation
    return AVERAGE_TERMS if active is None else active.average_terms


def _share(
    base: KnowledgeBase, users: Collection[UUID] | None, groups: Collection[int] | None
) -> None:
    """Set with whom the base is shared; None leaves a list."""
    if users is not None:
        people = list(User.objects.filter(pk__in=users, is_active=True))
        _check_found("shared_users", len(people), len(set(users)))
        base.shared_users.set(people)
    if groups is not None:
        found = list(Group.objects.filter(pk__in=groups))
        _check_found("shared_groups", len(found), len(set(groups)))
        base.shared_groups.set(found)


def _free_slug(wanted: str, name: str) -> str:
    """Return a slug that no base has; one that was asked for is taken as it is, or refused."""
    slug = slugify(wanted or name, allow_unicode=True)[:72]
    taken = KnowledgeBase.objects.filter(slug=slug).exists()
    if wanted and (taken or slug != wanted):
        complaint = _("Choose another: this is taken, or no slug.")
        raise Invalid(errors={"slug": [complaint]})
    return slug if slug and not taken else f"{slug or 'base'}-{uuid4().hex[:7]}"


def _check_visibility(actor: User, visibility: str) -> None:
    if visibility not in Visibility.values:
        raise Invalid(errors={"visibility": [_("Allowed: private, shared, everyone.")]})
    if visibility == Visibility.EVERYONE and not actor.has_perm("knowledge.change_knowledgebase"):
        raise Forbidden(_("Only knowledge editors may open a base to everyone."))
    if visibility == Visibility.SHARED:
        _require_sharing(actor)


def _check_sharing(
    actor: User, users: Collection[UUID] | None, groups: Collection[int] | None
) -> None:
    """Let nobody be added while sharing is off; lists can be emptied."""
    if users or groups:
        _require_sharing(actor)


def _require_sharing(actor: User) -> None:
    if not limits.of_person(actor, registry.SHARING_ENABLED):
        raise Forbidden(_("Sharing knowledge bases is switched off here."))


def _check_name(name: str) -> None:
    longest = KnowledgeBase._meta.get_field("name").max_length or 0
    if not name.strip() or len(name) > longest:
        raise Invalid(errors={"name": [_("Give a name of 1 to %d characters.") % longest]})


def _check_found(field: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise Invalid(errors={field: [_("There is no such user or group.")]})
