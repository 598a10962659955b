"""Model endpoints: how a change of them is checked and written."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db.models import Max
from django.utils.translation import gettext

from configs import registry
from configs.changesets.values import Content, Wanted, is_storable, to_text
from configs.errors import Invalid, NotFound
from configs.models import Change, ModelEndpoint

SECRET = "api_key"  # noqa: S105  # the name of a field
ENDPOINT_FIELDS = frozenset(
    field.name
    for field in ModelEndpoint._meta.concrete_fields
    if field.name not in {"id", "version", "updated_at"}
)
# What an adapter fills in itself may not be overridden by a parameter.
RESERVED_PARAMETERS = frozenset({"model", "messages", "stream", "stream_options", "input"})
PARAMETER_RANGES: Mapping[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "max_tokens": (1, 1_000_000),
    "dimensions": (8, 4000),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
}


def check_endpoint(values: Mapping[str, Any]) -> None:
    """Refuse values that no endpoint may have, whatever its other fields are.

    Raises:
        Invalid: with the complaints by field; a key is never part of the message.
    """
    unknown = set(values) - ENDPOINT_FIELDS
    errors = {name: [gettext("There is no such field.")] for name in sorted(unknown)}
    errors |= _text_complaints(values)
    errors |= _parameter_complaints(values.get("parameters", {}))
    errors |= _url_complaints(str(values.get("base_url", "")))
    if errors:
        raise Invalid(errors=errors)


def check_change(wanted: Wanted, row: ModelEndpoint | None) -> Content:
    """Return what is kept of a wanted change of an endpoint.

    Raises:
        NotFound: there is no such endpoint.
        Invalid: a value is not valid; a key is never part of the message.
    """
    if wanted.action != Change.Action.CREATE and row is None:
        raise NotFound(gettext("No such endpoint is known."))
    if wanted.action == Change.Action.DELETE:
        return Content()
    values = _values(wanted)
    fresh = ModelEndpoint(version=0) if wanted.action == Change.Action.CREATE else row
    if fresh is not None:
        assign(fresh, values)
    return Content(to_text(values), SECRET in values)


def _values(wanted: Wanted) -> dict[str, Any]:
    if wanted.action == Change.Action.RESET or not isinstance(wanted.value, Mapping):
        complaint = gettext("An endpoint is changed by its fields.")
        raise Invalid(complaint, errors={"value": [complaint]})
    values = dict(wanted.value)
    if wanted.action == Change.Action.CREATE:
        if values.setdefault("name", wanted.target) != wanted.target:
            complaint = gettext("The endpoint has another name than the change.")
            raise Invalid(complaint, errors={"name": [complaint]})
        values = {name: each for name, each in values.items() if name != SECRET or each}
    return values


def assign(row: ModelEndpoint, values: Mapping[str, Any]) -> None:
    """Put the values into the row, complaining by field and never with a value; it is not saved.

    Raises:
        Invalid: a value is not valid.
    """
    check_endpoint(values)
    for name, value in values.items():
        setattr(row, name, value)
    try:
        row.full_clean(exclude=["id"])
    except ValidationError as error:
        raise Invalid(errors=dict(error.message_dict)) from None


def foresee(row: ModelEndpoint, values: Mapping[str, Any]) -> None:
    """Put checked values into a row that is only looked at, never saved."""
    for field in ModelEndpoint._meta.concrete_fields:
        if field.name in values and field.name in ENDPOINT_FIELDS:
            setattr(row, field.name, field.to_python(values[field.name]))


def write_endpoint(wanted: Wanted, row: ModelEndpoint | None) -> ModelEndpoint:
    """Write the wanted fields into the row, a new one where there is none; it is not saved.

    Raises:
        Invalid: a value is not valid.
    """
    if row is None:
        past = ModelEndpoint.history.filter(name=wanted.target)
        row = ModelEndpoint(version=past.aggregate(Max("version"))["version__max"] or 0)
    assign(row, wanted.value)
    return row


def _text_complaints(values: Mapping[str, Any]) -> dict[str, list[str]]:
    complaint = gettext("This may not hold control characters.")
    return {
        name: [complaint]
        for name, value in values.items()
        if isinstance(value, str) and not is_storable(value)
    }


def _url_complaints(url: str) -> dict[str, list[str]]:
    try:
        parts = urlsplit(url)
        sound = not url or (parts.scheme in {"http", "https"} and not parts.username)
    except ValueError:
        sound = False
    complaint = gettext("This must be an http or https address without a name or password in it.")
    return {} if sound else {"base_url": [complaint]}


def _parameter_complaints(parameters: object) -> dict[str, list[str]]:
    if not isinstance(parameters, Mapping):
        return {"parameters": [gettext("This must be a JSON object.")]}
    complaints = [
        gettext("%(name)s is set by CLAW.AI itself.") % {"name": name}
        for name in sorted(RESERVED_PARAMETERS & set(parameters))
    ]
    for name, (low, high) in PARAMETER_RANGES.items():
        value = parameters.get(name, low)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number and low <= value <= high):
            complaints.append(
                gettext("%(name)s must be a number from %(low)s to %(high)s.")
                % {"name": name, "low": low, "high": high}
            )
    complaints = complaints or _json_complaints(parameters)
    return {"parameters": complaints} if complaints else {}


def _json_complaints(parameters: Mapping[str, Any]) -> list[str]:
    try:
        registry.free("parameters", "json").check(dict(parameters))
    except Invalid as refusal:
        return [refusal.detail]
    return []
