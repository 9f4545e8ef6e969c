"""What becomes a notice, and how loud it is."""

from dataclasses import replace

from server.api.status import (
    CredentialSetView,
    CredentialsView,
    ErrorView,
    Level,
    SubscriptionState,
    SubscriptionView,
)
from server.api.views.subscription import subscription_notices
from server.errors.message import Message

SINCE_MS = 1_700_000_000_000
USED_LATER = CredentialSetView("t", "a", "k", last_used_at_ms=SINCE_MS + 1)
DIFFERS = SubscriptionView(
    SubscriptionState.DIFFERS, since_ms=SINCE_MS, url="https://x", differences=("token",)
)
FAILED = SubscriptionView(
    SubscriptionState.FAILED, error=ErrorView("made-up", Message("Title."), Message("Hint."))
)


def levels(
    view: SubscriptionView, sets: CredentialsView | None = None, *, is_mirroring: bool = False
) -> dict[str, Level]:
    found = subscription_notices(view, sets or CredentialsView(), is_mirroring=is_mirroring)
    return {notice.code: notice.level for notice in found}


def test_what_differs_is_a_warning_until_calls_prove_another_subscription() -> None:
    assert levels(DIFFERS) == {"subscription-differs": Level.WARNING}
    sets = CredentialsView(active=USED_LATER)
    assert levels(DIFFERS, sets) == {"subscription-differs": Level.INFO}
    before = replace(USED_LATER, last_used_at_ms=SINCE_MS)
    sets = CredentialsView(active=before)
    assert levels(DIFFERS, sets) == {"subscription-differs": Level.WARNING}


def test_values_that_are_accepted_for_a_while_only_stay_a_warning() -> None:
    view = replace(DIFFERS, fits="previous")
    sets = CredentialsView(active=USED_LATER)
    assert levels(view, sets) == {"subscription-differs": Level.WARNING}


def test_a_lasting_failure_is_told_once() -> None:
    assert levels(FAILED) == {"subscription-not-asked": Level.WARNING}
    assert levels(FAILED, is_mirroring=True) == {}  # the mirror's own notice tells it
    assert levels(replace(FAILED, will_pass=True)) == {}


def test_where_there_is_nothing_to_say_nothing_is_said() -> None:
    for state in SubscriptionState:
        if state is not SubscriptionState.DIFFERS:
            assert levels(SubscriptionView(state), is_mirroring=True) == {}
