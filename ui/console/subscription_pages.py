"""The pages of `subscription`: DingTalk's own record beside ours."""

from collections.abc import Iterator

from server.api.checks import SelfTestReport
from server.api.status import SubscriptionState, SubscriptionView
from server.errors.message import N_
from ui.words.text import Texts

_STATES = {
    SubscriptionState.NOT_SET_UP: N_(
        "Registered with DingTalk: cannot be checked; {missing} missing"
    ),
    SubscriptionState.NOT_COMPARED: N_("Registered with DingTalk: not compared yet"),
    SubscriptionState.EQUAL: N_("Registered with DingTalk: the same as here (compared {moment})"),
    SubscriptionState.DIFFERS: N_(
        "Registered with DingTalk: differs in {names} (compared {moment})"
    ),
    SubscriptionState.NO_RECORD: N_(
        "Registered with DingTalk: nothing, which is normal for a subscription set up in the "
        "console (checked {moment})"
    ),
    SubscriptionState.FAILED: N_("Registered with DingTalk: could not be checked ({moment})"),
}


def subscription_line(view: SubscriptionView, texts: Texts) -> str:
    """Return the line of `status`."""
    return texts(
        _STATES[view.state],
        missing=", ".join(view.missing),
        names=", ".join(view.differences),
        moment=texts.moment(view.checked_at_ms),
    )


def subscription_page(view: SubscriptionView, texts: Texts) -> Iterator[str]:
    """Yield the lines of `subscription`."""
    yield subscription_line(view, texts)
    if view.url:
        yield texts("  callback address: {url}", url=view.url)
        yield texts("  token {token}, aes_key {aes_key}", token=view.token, aes_key=view.aes_key)
        yield texts("  events: {names}", names=", ".join(view.event_types) or "–")
    if view.fits == "pending":
        yield texts(
            "The pending credentials are the registered ones: DingTalk's next request makes "
            "them active."
        )
    if view.unusable:
        names = ", ".join(view.unusable)
        yield texts("Registered values that cannot be used here: {names}", names=names)
    if view.missing_events:
        names = ", ".join(view.missing_events)
        yield texts("Events that the sync needs and DingTalk does not send: {names}", names=names)
    if view.error is not None:
        yield f"! {texts.of(view.error.title)}"
        yield f"  {texts.of(view.error.hint)}"
    if view.can_be_taken:
        yield texts("--take uses DingTalk's token and aes_key here.")
    if view.can_be_written:
        yield texts("--register writes your values to DingTalk.")


def registration_page(report: SelfTestReport, texts: Texts) -> Iterator[str]:
    """Yield the last line of `subscription --register`; its steps were shown as they came."""
    if report.is_passed:
        yield texts("Your subscription is registered with DingTalk.")
    else:
        yield texts("The subscription could not be registered.")
