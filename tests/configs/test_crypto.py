"""Envelopes: a key for each value, wrapped by the newest field key, bound to where it stands."""

import json

import pytest
from cryptography.fernet import Fernet
from django.core import serializers

from configs import crypto
from configs.errors import SecretUnreadable
from configs.fields import Sealed
from configs.models import ModelEndpoint
from tests.configs.keys import NEW, OLD

SECRET = "sk-canary-4711-0815"


def test_encrypt__twice__gives_two_envelopes_with_the_keys_name_and_not_the_text():
    one, other = crypto.encrypt(SECRET, "a"), crypto.encrypt(SECRET, "a")
    assert one.startswith(f"enc:v2:{crypto.field_keys()[0].id}:")
    assert one.count(":") == 4
    assert one.split(":")[3:] != other.split(":")[3:]
    assert crypto.decrypt(one, "a") == crypto.decrypt(other, "a") == SECRET
    assert crypto.encrypt("", "a") == crypto.decrypt("", "a") == ""


def test_decrypt__value_moved_to_another_place__does_not_open():
    sealed = crypto.encrypt(SECRET, "config:a")
    with pytest.raises(SecretUnreadable, match="does not belong"):
        crypto.decrypt(sealed, "config:b")


@pytest.mark.parametrize("part", [3, 4])
def test_decrypt__altered_or_mixed_parts__do_not_open(part):
    one = crypto.encrypt(SECRET, "a").split(":")
    other = crypto.encrypt("another secret", "a").split(":")
    for forged in (other[part], one[part][:-6] + "AAAAA=", "", "é"):
        with pytest.raises(SecretUnreadable):
            crypto.decrypt(":".join([*one[:part], forged, *one[part + 1 :]]), "a")


@pytest.mark.parametrize("broken", ["enc:v2:", "enc:v2:a:b", "enc:v1:x", "plain", "enc:v9:a:b:c"])
def test_decrypt__what_is_no_envelope__is_refused_without_repeating_it(broken):
    with pytest.raises(SecretUnreadable) as refused:
        crypto.decrypt(broken)
    assert broken not in str(refused.value)


def test_decrypt__first_format__still_opens(settings):
    settings.FIELD_KEYS = [NEW, OLD]
    token = Fernet(OLD).encrypt(SECRET.encode()).decode()
    assert crypto.decrypt(f"enc:v1:{token}", "a") == SECRET


def test_decrypt__key_is_gone__names_it(settings):
    settings.FIELD_KEYS = [OLD]
    sealed = crypto.encrypt(SECRET, "a")
    gone = crypto.field_keys()[0].id
    settings.FIELD_KEYS = [NEW]
    with pytest.raises(SecretUnreadable, match=gone):
        crypto.decrypt(sealed, "a")
    assert OLD not in gone


@pytest.mark.parametrize("first_format", [False, True])
def test_rewrap__new_key__leaves_the_token_and_the_place(settings, first_format):
    settings.FIELD_KEYS = [OLD]
    sealed = crypto.encrypt(SECRET, "a")
    if first_format:
        sealed = "enc:v1:" + Fernet(OLD).encrypt(SECRET.encode()).decode()
    settings.FIELD_KEYS = [NEW, OLD]
    assert not crypto.is_newest(sealed)
    again = crypto.rewrap(sealed, "a")
    assert crypto.is_newest(again)
    assert again.split(":")[-1] == sealed.split(":")[-1]
    settings.FIELD_KEYS = [NEW]
    assert crypto.decrypt(again, "a") == SECRET
    with pytest.raises(SecretUnreadable):
        crypto.decrypt(again, "b")


@pytest.mark.parametrize(
    ("plain", "shown"), [("", ""), ("short", "••••"), (SECRET, "••••0815"), ('"ab"', "••••")]
)
def test_masked__shows_four_characters_at_most(plain, shown):
    assert crypto.masked(crypto.encrypt(plain)) == shown
    assert crypto.masked(crypto.encrypt(json.dumps(plain))) == shown or plain == '"ab"'


def test_masked__unreadable__is_dots():
    assert crypto.masked("enc:v2:nobody:a:b") == "••••"


# --- The field -----------------------------------------------------------------------------------
@pytest.fixture
def endpoint(db: None) -> ModelEndpoint:
    return ModelEndpoint.objects.create(name="g", kind="chat", provider="zhipu", api_key=SECRET)


def test_field__loaded_row__holds_no_plain_text_until_it_is_asked(endpoint):
    row = ModelEndpoint.objects.get(pk=endpoint.pk)
    assert SECRET not in repr(vars(row))
    assert row.api_key == SECRET
    assert SECRET not in repr(vars(row))


def test_field__values_and_serializers__get_it_sealed(endpoint):
    [stored] = ModelEndpoint.objects.filter(pk=endpoint.pk).values_list("api_key", flat=True)
    written = serializers.serialize(
        "json", [endpoint, *ModelEndpoint.history.filter(id=endpoint.pk)]
    )
    assert stored.startswith("enc:v2:")
    assert SECRET not in written
    assert written.count("enc:v2:") == 2


def test_field__history__opens_in_its_own_row(endpoint):
    assert ModelEndpoint.history.get(id=endpoint.pk).api_key == SECRET


def test_field__sealed_text_of_another_row__does_not_open(endpoint):
    other = ModelEndpoint.objects.create(name="h", kind="chat", provider="zhipu", api_key="other")
    stolen = ModelEndpoint.objects.values_list("api_key", flat=True).get(pk=endpoint.pk)
    vars(other)["api_key"] = stolen
    with pytest.raises(SecretUnreadable):
        _ = other.api_key


def test_field__update_with_plain_text__is_refused(endpoint):
    with pytest.raises(TypeError, match="save it"):
        ModelEndpoint.objects.filter(pk=endpoint.pk).update(api_key="plain")


def test_field__typed_text_that_looks_sealed__is_a_text_like_any_other(endpoint):
    endpoint.api_key, endpoint.version = "enc:v1:typed", 2
    endpoint.save()
    assert ModelEndpoint.objects.get(pk=endpoint.pk).api_key == "enc:v1:typed"


def test_field__saved_untouched__keeps_its_envelope(endpoint):
    row = ModelEndpoint.objects.get(pk=endpoint.pk)
    before = vars(row)["api_key"]
    row.version = 2
    row.save()
    assert type(before) is Sealed
    assert vars(ModelEndpoint.objects.get(pk=endpoint.pk))["api_key"] == before
