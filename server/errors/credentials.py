"""Explains the doctor's verdicts, unusable values and rejected calls to people."""

from dataclasses import dataclass

from crypto.credential_input import ValueFault, ValueProblem
from crypto.credentials import CredentialField
from crypto.doctor import Diagnosis, Verdict
from server.errors.message import N_, Message


@dataclass(frozen=True, slots=True)
class Explanation:
    """What happened, and what to do about it."""

    title: Message
    hint: Message


_VERDICTS: dict[Verdict, tuple[str, str]] = {
    Verdict.TOKEN: (
        N_("The token does not match the DingTalk console."),
        N_(
            "DingTalk's request can be decrypted with your aes_key and key, but it was signed with "
            "another token. Copy the token from the console again, without spaces. If only some "
            "requests fail, two apps or two subscriptions send to this address with different "
            "tokens."
        ),
    ),
    Verdict.AES_KEY: (
        N_("The aes_key does not match the DingTalk console."),
        N_(
            "The signature is right, so the token is right; but the content cannot be decrypted. "
            "Copy the aes_key from the console again: all 43 characters, none missing and none "
            "added."
        ),
    ),
    Verdict.KEY: (
        N_("The key does not match: DingTalk sent {offered_key}, but another one is entered here."),
        N_(
            "token and aes_key are right. Use {offered_key} as the key. A subscription set up in "
            "the console uses the Client ID (formerly AppKey), one registered through the API the "
            "CorpId."
        ),
    ),
    Verdict.TOKEN_AND_KEY: (
        N_("The token and the key do not match the DingTalk console."),
        N_("Only the aes_key is right. Copy the token and the key from the console again."),
    ),
    Verdict.MIXED: (
        N_("DingTalk uses values from two different sets entered here."),
        N_(
            "All three values are known here, but no single set contains them all. Enter the three "
            "values exactly as the console shows them now."
        ),
    ),
    Verdict.UNKNOWN_SENDER: (
        N_("Neither the token nor the aes_key matches, or the request did not come from DingTalk."),
        N_(
            "If the DingTalk console reports a failure at the same time, copy both values from it "
            "again. If it does not, someone else sent a request to this address and was rejected: "
            "nothing needs to be done."
        ),
    ),
    Verdict.NO_CREDENTIALS: (
        N_("A request arrived, but token, aes_key and key have not been entered yet."),
        N_("Enter the three values from the DingTalk console."),
    ),
}


# For a key that cannot be genuine: empty, far too long, or with characters that no key has.
_WITHOUT_OFFER: dict[Verdict, tuple[str, str]] = {
    Verdict.KEY: (
        N_("The key does not match, and what DingTalk sent instead cannot be a key."),
        N_(
            "token and aes_key are right. Copy the key from the console again: a subscription set "
            "up in the console uses the Client ID (formerly AppKey), one registered through the "
            "API the CorpId."
        ),
    ),
}


def describe_diagnosis(diagnosis: Diagnosis) -> Explanation:
    """Return title and hint of the doctor's verdict."""
    title, hint = _VERDICTS[diagnosis.verdict]
    if not diagnosis.offered_key:
        title, hint = _WITHOUT_OFFER.get(diagnosis.verdict, (title, hint))
    values = {"offered_key": diagnosis.offered_key or ""}
    return Explanation(Message(title, values), Message(hint, values))


_FAULTS: dict[ValueFault, str] = {
    ValueFault.EMPTY: N_("{field} is empty. Copy it from the DingTalk console."),
    ValueFault.TOO_SHORT: N_(
        "{field} has {length} characters, but needs at least {wanted}. Was part of it not copied?"
    ),
    ValueFault.TOO_LONG: N_(
        "{field} has {length} characters, but may have {wanted} at most. Was too much copied?"
    ),
    ValueFault.WRONG_LENGTH: N_(
        "{field} has {length} characters, but must have exactly {wanted}. Copy it again."
    ),
    ValueFault.FORBIDDEN_CHARACTER: N_(
        "{field} may contain letters and digits only; character {position} is “{character}”."
    ),
}
# token and key allow more characters than the aes_key.
_NOT_ASCII = N_(
    "{field} may contain letters, digits and ASCII punctuation only; character {position} is "
    "“{character}”."
)


def describe_problem(problem: ValueProblem) -> Message:
    """Return what is wrong with an entered value.

    A forbidden character is quoted: no valid value holds it, so it reveals nothing of a secret.
    """
    is_wide = problem.field is not CredentialField.AES_KEY
    is_foreign = problem.fault is ValueFault.FORBIDDEN_CHARACTER
    return Message(
        _NOT_ASCII if is_foreign and is_wide else _FAULTS[problem.fault],
        {
            "field": str(problem.field),
            "length": problem.length,
            "wanted": problem.wanted,
            "position": problem.position,
            "character": problem.character,
        },
    )
