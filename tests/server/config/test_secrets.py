import base64
import os
from pathlib import Path

import pytest

from crypto.credentials import CredentialField, Credentials, Keyring
from crypto.secret import Secret
from server.config.files import JsonObject
from server.config.sealing import (
    DpapiSealer,
    MalformedError,
    PlainSealer,
    Sealer,
    UnsealError,
    system_sealer,
)
from server.config.secrets import Draft, Secrets, parse_secrets, render_secrets
from server.errors.base import FileDamagedError, SecretsLockedError

AES_KEY = "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij"
OLD = Credentials.of("oldtoken", AES_KEY[::-1], "dingold")
NEW = Credentials.of("newtoken", AES_KEY, "dingnew")
ALL = Secrets(
    Keyring(OLD, NEW, OLD, 1234), Draft(Secret("t")), Secret("app-secret"), Secret("contact")
)
PATH = Path("secrets.json")


def turned(content: bytes) -> bytes:
    return bytes(byte ^ 0x5A for byte in content)


def refuse(content: bytes) -> bytes:
    raise OSError(22, "Key not valid for use in specified state.", str(len(content)))


FAKE_DPAPI = DpapiSealer(turned, turned)


@pytest.mark.parametrize("sealer", [PlainSealer(), FAKE_DPAPI])
@pytest.mark.parametrize("secrets", [Secrets(), ALL])
def test_secrets_are_read_as_they_were_written(sealer: Sealer, secrets: Secrets) -> None:
    assert secrets == parse_secrets(render_secrets(secrets, sealer), PATH, sealer)


def test_sealed_values_name_their_method_and_show_nothing() -> None:
    document = render_secrets(ALL, FAKE_DPAPI)
    expected = "dpapi:" + base64.b64encode(turned(b"app-secret")).decode()
    assert expected == document["app_secret"]
    assert not [text for text in ("oldtoken", AES_KEY, 'contact"') if text in str(document)]


def test_plain_values_from_another_system_are_read_on_windows() -> None:
    assert parse_secrets(render_secrets(ALL, PlainSealer()), PATH, FAKE_DPAPI) == ALL


@pytest.mark.parametrize("sealer", [PlainSealer(), DpapiSealer(refuse, refuse)])
def test_values_that_another_account_sealed_are_locked(sealer: Sealer) -> None:
    with pytest.raises(SecretsLockedError) as caught:
        parse_secrets(render_secrets(ALL, FAKE_DPAPI), PATH, sealer)
    assert str(PATH) == caught.value.values["path"]


def test_bytes_that_are_no_text_are_locked_too() -> None:
    with pytest.raises(UnsealError):
        DpapiSealer(turned, lambda _: b"\xff").unseal(FAKE_DPAPI.seal("x"))


@pytest.mark.parametrize("stored", ["bare", "dpapi:!!!", "rot13:abc"])
def test_a_value_no_sealer_wrote_is_malformed(stored: str) -> None:
    with pytest.raises(MalformedError):
        FAKE_DPAPI.unseal(stored)


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"active": {"token": "plain:hush", "key": "k"}}, "active"),
        ({"active": ["hush"]}, "active"),
        ({"draft": {"token": 7}}, "token"),
        ({"app_secret": "hush"}, "app_secret"),
        ({"previous_until_ms": "hush"}, "previous_until_ms"),
    ],
)
def test_a_wrong_shape_is_named_without_its_content(document: JsonObject, named: str) -> None:
    with pytest.raises(FileDamagedError) as caught:
        parse_secrets(document, PATH, PlainSealer())
    assert named in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_draft_knows_what_it_misses() -> None:
    draft = Draft().with_values({CredentialField.AES_KEY: AES_KEY})
    assert draft.missing == (CredentialField.TOKEN, CredentialField.KEY)
    assert draft.completed() is None
    complete = draft.with_values(
        {CredentialField.TOKEN: "newtoken", CredentialField.KEY: "dingnew"}
    )
    assert complete.completed() == NEW


def test_no_secret_shows_in_a_repr() -> None:
    assert not [text for text in ("oldtoken", AES_KEY, "app-secret") if text in repr(ALL)]


def test_every_secret_is_listed_for_masking() -> None:
    expected = {"oldtoken", "newtoken", AES_KEY, AES_KEY[::-1], "t", "app-secret", "contact"}
    assert expected == {secret.reveal() for secret in ALL.all()}


def test_the_systems_own_sealer_opens_what_it_sealed() -> None:
    sealer = system_sealer()
    stored = sealer.seal("a secret, 密钥")
    assert sealer.unseal(stored) == "a secret, 密钥"
    assert stored.startswith("dpapi:" if os.name == "nt" else "plain:")
