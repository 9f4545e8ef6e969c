"""The key doctor finds out which of the three values differs from what DingTalk uses.

It tries each value separately: the signature depends on the token alone, the framing on the
aes_key alone, and the tail is the key itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from crypto.callback import SealedCallback, Verifier
from crypto.credentials import CredentialField, Role


class Verdict(StrEnum):
    """Which values of a rejected callback do not match ours."""

    TOKEN = "token"  # noqa: S105 - a verdict's name
    AES_KEY = "aes_key"
    KEY = "key"
    TOKEN_AND_KEY = "token_and_key"  # noqa: S105 - a verdict's name
    MIXED = "mixed"
    UNKNOWN_SENDER = "unknown_sender"
    NO_CREDENTIALS = "no_credentials"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The verdict and what explains it."""

    verdict: Verdict
    # The set that came nearest.
    role: Role | None = None
    # What the key should be: the tail of a signed call.
    offered_key: str | None = None
    # For MIXED: which set each value belongs to.
    roles: tuple[tuple[CredentialField, Role], ...] = ()


@dataclass(frozen=True, slots=True)
class _Finding:
    """How well one set fits one callback; `tail` is None if its aes_key does not open it."""

    role: Role
    key: str
    is_token_right: bool
    tail: str | None

    @property
    def is_key_right(self) -> bool:
        return self.tail == self.key


def diagnose(callback: SealedCallback, sets: Iterable[Verifier]) -> Diagnosis:
    """Find the value that does not match, and of which set. For callbacks that no set opens."""
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
    """Rank by the number of fitting values; between equals, a fitting signature is safer."""
    fitting = finding.is_token_right + (finding.tail is not None) + finding.is_key_right
    return fitting, finding.is_token_right


def _mixed(findings: list[_Finding]) -> Diagnosis | None:
    """Recognise a callback whose values are all known, but come from different sets."""
    signing = next((one for one in findings if one.is_token_right), None)
    opening = next((one for one in findings if one.tail is not None), None)
    if signing is None or opening is None:
        return None
    owner = next((one for one in findings if one.key == opening.tail), None)
    if owner is None or signing.role == opening.role == owner.role:
        return None
    roles = (
        (CredentialField.TOKEN, signing.role),
        (CredentialField.AES_KEY, opening.role),
        (CredentialField.KEY, owner.role),
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
    # Offer the tail only of a signed call. Without a signature the sender can choose it: flipping
    # bits of the block before it in one captured call would have the admin adopt a forged key.
    return Diagnosis(Verdict.TOKEN_AND_KEY, finding.role)
