import copy
import json
import logging
import pickle
import traceback
from dataclasses import asdict, dataclass

import pytest

from crypto.callback import Verifier
from crypto.credentials import Credentials, Keyring, Role
from crypto.secret import Secret
from tests.crypto.made_up import ACTIVE, AES_KEYS, TOKENS

TEXT = "hunter2-hunter2-hunter2"


@dataclass
class Holder:
    secret: Secret


def raised_with(secret: Secret) -> str:
    try:
        raise RuntimeError(f"no use for {secret}", secret, Holder(secret))  # noqa: TRY301 - its text is wanted
    except RuntimeError:
        return traceback.format_exc()


@pytest.mark.parametrize(
    "shown",
    [
        repr(Secret(TEXT)),
        str(Secret(TEXT)),
        f"{Secret(TEXT)}",
        f"{Secret(TEXT)!r:>40}",
        f"{Secret(TEXT):>40}",
        "%s %r" % (Secret(TEXT), Secret(TEXT)),  # noqa: UP031 - as logging formats
        "{}".format(Secret(TEXT)),  # noqa: UP032 - the method itself is tested
        repr(Holder(Secret(TEXT))),
        repr(asdict(Holder(Secret(TEXT)))),
        repr([{"a": Secret(TEXT)}]),
        raised_with(Secret(TEXT)),
    ],
)
def test_a_secret_shows_itself_nowhere(shown: str) -> None:
    assert "hunter" not in shown


def test_a_secret_does_not_reach_a_log(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").warning("%s %r %s", Secret(TEXT), Secret(TEXT), Holder(Secret(TEXT)))
    assert "hunter" not in caplog.text


def test_a_secret_is_neither_pickled_nor_written_as_json() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret(TEXT))
    with pytest.raises(TypeError):
        json.dumps(Secret(TEXT))


def test_a_copy_of_a_secret_is_the_secret() -> None:
    secret = Secret(TEXT)
    assert copy.copy(secret) is secret
    assert copy.deepcopy({"a": secret})["a"] is secret


def test_credentials_and_what_holds_them_show_no_secret() -> None:
    shown = f"{ACTIVE} {Keyring(active=ACTIVE)!r} {Verifier(Role.ACTIVE, ACTIVE)!r}"
    assert (TOKENS[0] in shown, AES_KEYS[0] in shown) == (False, False)


@pytest.mark.parametrize(
    ("text", "masked"),
    [("", ""), ("a", "••••"), ("a" * 15, "••••"), ("ab" + "c" * 13 + "d", "ab••••cd")],
)
def test_only_the_ends_of_a_long_secret_may_be_shown(text: str, masked: str) -> None:
    assert masked == Secret(text).masked()


def test_secrets_compare_by_their_text_and_with_nothing_else() -> None:
    assert Secret("钥") == Secret("钥")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert hash(Secret("a")) == hash(Secret("a"))


def test_halves_of_surrogate_pairs_compare_too() -> None:
    assert Secret("\ud800") != Secret("\udfff")


def test_only_an_empty_secret_is_false() -> None:
    assert (bool(Secret("")), bool(Secret("x"))) == (False, True)


def test_a_fingerprint_tells_sets_apart_and_gives_nothing_away() -> None:
    sets = {Credentials.of(t, a, k).fingerprint for t in "ab" for a in "cd" for k in "ef"}
    assert (8, {16}) == (len(sets), {len(one) for one in sets})
    assert ACTIVE.fingerprint == Credentials(ACTIVE.token, ACTIVE.aes_key, ACTIVE.key).fingerprint
