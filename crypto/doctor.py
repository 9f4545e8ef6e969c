"""The key doctor says which of the three values does not match what DingTalk uses.

A callback that no set fits is tried value by value. The signature depends on the token alone, the
framing on the aes_key alone, and the tail is the key itself, so each value can be judged apart.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from crypto.callback import SealedCallback, Verifier
from crypto.credentials import Field, Role


class Verdict(StrEnum):
    """What the doctor says of a callback that was rejected."""

    TOKEN = "token"  # noqa: S105 - a verdict's name
    AES_KEY = "aes_key"
    KEY = "key"
    TOKEN_AND_KEY = "token_and_key"  # noqa: S105 - a verdict's name
    MIXED = "mixed"
    UNKNOWN_SENDER = "unknown_sender"
    NO_CREDENTIALS = "no_credentials"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The verdict, and what goes with it.

    `role` is the set that came nearest. `offered_key` is what the key should be: the tail that
    came, of a signed call only. `roles` says, for MIXED, which set each value belongs to.
    """

    verdict: Verdict
    role: Role | None = None
    offered_key: str | None = None
    roles: tuple[tuple[Field, Role], ...] = ()


@dataclass(frozen=True, slots=True)
class _Finding:
    """How one set fares with one callback; `tail` is None where its aes_key does not open it."""

    role: Role
    key: str
    is_token_right: bool
    tail: str | None

    @property
    def is_key_right(self) -> bool:
        return self.tail == self.key


def diagnose(callback: SealedCallback, sets: Iterable[Verifier]) -> Diagnosis:
    """Say which value of which set does not match. For callbacks that no set opens."""
    findings = [_examine(callback, one) for one in sets]
    if not findings:
        return Diagnosis(Verdict.NO_CREDENTIALS)
    mixed = _mixed(findings)
    if mixed is not None:
        return mixed
    return _of_one(max(findings, key=_nearness))


def _examine(callback: SealedCallback, one: Verifier) -> _Finding:
    tail = one.tail_of(callback)
    return _Finding(one.role, one.credentials.key, one.has_signed(callback), tail)


def _nearness(finding: _Finding) -> tuple[int, bool]:
    """Rank by how many values fit; of equals, one whose signature fits is the safer sign."""
    fitting = finding.is_token_right + (finding.tail is not None) + finding.is_key_right
    return fitting, finding.is_token_right


def _mixed(findings: list[_Finding]) -> Diagnosis | None:
    """Recognise values that are all known, but come from different sets."""
    signing = next((one for one in findings if one.is_token_right), None)
    opening = next((one for one in findings if one.tail is not None), None)
    if signing is None or opening is None:
        return None
    owner = next((one for one in findings if one.key == opening.tail), None)
    if owner is None or signing.role == opening.role == owner.role:
        return None
    roles = (
        (Field.TOKEN, signing.role),
        (Field.AES_KEY, opening.role),
        (Field.KEY, owner.role),
    )
    return Diagnosis(Verdict.MIXED, signing.role, roles=roles)


def _of_one(finding: _Finding) -> Diagnosis:
    if finding.tail is None:
        verdict = Verdict.AES_KEY if finding.is_token_right else Verdict.UNKNOWN_SENDER
        role = finding.role if finding.is_token_right else None
        return Diagnosis(verdict, role)
    if finding.is_key_right:
        return Diagnosis(Verdict.TOKEN, finding.role)
    if finding.is_token_right:
        return Diagnosis(Verdict.KEY, finding.role, offered_key=finding.tail)
    # Without a signature the tail is the sender's choice: who has one captured call can flip bits
    # of the block before it, and would have the admin adopt a key of theirs.
    return Diagnosis(Verdict.TOKEN_AND_KEY, finding.role)
