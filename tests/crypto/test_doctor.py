from itertools import product

import pytest

from crypto.callback import Verifier
from crypto.credentials import CredentialField, Credentials, Role
from crypto.doctor import Diagnosis, Verdict, diagnose
from tests.crypto.made_up import ACTIVE, AES_KEYS, KEYS, TOKENS, open_sets, sent_with

ROLES = (Role.ACTIVE, Role.PENDING, Role.PREVIOUS, None)
NOBODY = 3


def expected(token: int, aes_key: int, key: int) -> Diagnosis:
    """What is true of a call whose values are those of the sets with these numbers; 3: nobody's."""
    if aes_key == NOBODY:  # the key lies inside, so it cannot be judged
        verdict = Verdict.UNKNOWN_SENDER if token == NOBODY else Verdict.AES_KEY
        return Diagnosis(verdict, ROLES[token])
    if NOBODY not in {token, key}:
        whose = zip(CredentialField, (token, aes_key, key), strict=True)
        roles = tuple((field, role) for field, one in whose if (role := ROLES[one]) is not None)
        return Diagnosis(Verdict.MIXED, ROLES[token], roles=roles)
    if token not in {NOBODY, aes_key}:
        # Of two sets with one right value each, the one that signed is judged: its aes_key is
        # wrong. The key's turn comes once that has been entered.
        return Diagnosis(Verdict.AES_KEY, ROLES[token])
    if key == aes_key:
        return Diagnosis(Verdict.TOKEN, ROLES[aes_key])
    if token == aes_key:
        return Diagnosis(Verdict.KEY, ROLES[aes_key], offered_key=KEYS[key])
    return Diagnosis(Verdict.TOKEN_AND_KEY, ROLES[aes_key])  # unsigned: the tail proves nothing


REJECTED = [one for one in product(range(4), repeat=3) if len(set(one)) > 1 or NOBODY in one]


@pytest.mark.parametrize("values", REJECTED, ids=str)
def test_every_combination_of_values_gets_the_true_verdict(values: tuple[int, int, int]) -> None:
    token, aes_key, key = values
    callback = sent_with(TOKENS[token], AES_KEYS[aes_key], KEYS[key])
    diagnosis = diagnose(callback, open_sets())
    assert expected(*values) == diagnosis


@pytest.mark.parametrize(
    ("token", "aes_key", "key", "verdict"),
    [
        (3, 0, 0, Verdict.TOKEN),
        (0, 3, 0, Verdict.AES_KEY),
        (0, 0, 3, Verdict.KEY),
        (3, 0, 3, Verdict.TOKEN_AND_KEY),
        (3, 3, 0, Verdict.UNKNOWN_SENDER),
        (3, 3, 3, Verdict.UNKNOWN_SENDER),
    ],
)
def test_with_one_set_the_wrong_values_are_named(
    token: int, aes_key: int, key: int, verdict: Verdict
) -> None:
    callback = sent_with(TOKENS[token], AES_KEYS[aes_key], KEYS[key])
    assert verdict is diagnose(callback, open_sets()[:1]).verdict


def test_without_credentials_it_says_so() -> None:
    callback = sent_with(TOKENS[0], AES_KEYS[0], KEYS[0])
    assert Diagnosis(Verdict.NO_CREDENTIALS) == diagnose(callback, [])


@pytest.mark.parametrize(
    ("pending", "called_with", "verdict"),
    [
        # Only one value was changed in the console: the sets share the others.
        ((1, 0, 0), (3, 0, 0), Verdict.TOKEN),
        ((0, 1, 0), (0, 3, 0), Verdict.AES_KEY),
        ((0, 0, 1), (0, 0, 3), Verdict.KEY),
        ((0, 1, 1), (0, 1, 3), Verdict.KEY),
        ((1, 1, 0), (0, 1, 0), Verdict.MIXED),
        ((1, 1, 0), (3, 1, 0), Verdict.TOKEN),
        ((1, 0, 1), (1, 0, 3), Verdict.KEY),
    ],
)
def test_sets_that_share_values_are_told_apart(
    pending: tuple[int, int, int], called_with: tuple[int, int, int], verdict: Verdict
) -> None:
    token, aes_key, key = pending
    sets = [
        Verifier(Role.ACTIVE, ACTIVE),
        Verifier(Role.PENDING, Credentials.of(TOKENS[token], AES_KEYS[aes_key], KEYS[key])),
    ]
    token, aes_key, key = called_with
    callback = sent_with(TOKENS[token], AES_KEYS[aes_key], KEYS[key])
    assert verdict is diagnose(callback, sets).verdict


def test_the_verdicts_keep_the_names_that_files_and_programs_know() -> None:
    assert [str(verdict) for verdict in Verdict] == [
        "token",
        "aes_key",
        "key",
        "token_and_key",
        "mixed",
        "unknown_sender",
        "no_credentials",
    ]
