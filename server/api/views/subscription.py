"""Turns the last comparison with DingTalk's record into what is shown."""

from collections.abc import Iterator

from crypto.credentials import Role
from server.api.status import (
    CredentialsView,
    ErrorView,
    Level,
    Notice,
    SubscriptionState,
    SubscriptionView,
)
from server.config.store import Config
from server.errors.message import N_, Message
from server.journal.subscription import Finding
from server.subscription.comparison import URL, LocalSubscription, missing_settings


def subscription_view(finding: Finding | None, config: Config) -> SubscriptionView:
    """Show the last finding, as far as it is about what is set now."""
    url = config.settings.callback.public_url
    lacking = missing_settings(config)
    if lacking:
        return SubscriptionView(SubscriptionState.NOT_SET_UP, our_url=url, missing=lacking)
    if finding is None or finding.subject != LocalSubscription.of(config).subject:
        return SubscriptionView(SubscriptionState.NOT_COMPARED, our_url=url)
    record, cause = finding.record, finding.cause
    return SubscriptionView(
        SubscriptionState(finding.standing),
        our_url=url,
        checked_at_ms=finding.at_ms,
        since_ms=finding.since_ms,
        url=record.url if record else "",
        token=record.token if record else "",
        aes_key=record.aes_key if record else "",
        event_types=record.event_types if record else (),
        fits=finding.fits,
        differences=finding.differences,
        unusable=finding.unusable,
        missing_events=finding.missing_events,
        error=None if cause is None else ErrorView(cause.code, cause.title, cause.hint),
        will_pass=finding.will_pass,
    )


def subscription_notices(
    view: SubscriptionView, credentials: CredentialsView, *, is_mirroring: bool
) -> Iterator[Notice]:
    """Yield what somebody should know about DingTalk's record, the gravest first."""
    if view.state is SubscriptionState.DIFFERS:
        values = {"names": ", ".join(view.differences), "url": view.url}
        level = Level.INFO if _is_refuted(view, credentials) else Level.WARNING
        text, hint = _OTHER_URL if view.differences == (URL,) else _DIFFERS
        yield Notice("subscription-differs", level, Message(text, values), Message(hint, values))
    if view.missing_events and is_mirroring:
        values = {"names": ", ".join(view.missing_events)}
        text, hint = _LACKING_EVENTS
        yield Notice(
            "events-not-subscribed", Level.WARNING, Message(text, values), Message(hint, values)
        )
    # With the mirror on, its own quarantine tells the same.
    if view.error is not None and not view.will_pass and not is_mirroring:
        yield Notice("subscription-not-asked", Level.WARNING, view.error.title, view.error.hint)


_DIFFERS = (
    N_("The subscription registered with DingTalk differs from the values entered here: {names}."),
    N_(
        "Compare both on the Credentials page. There you can use DingTalk's values or write yours "
        "to DingTalk."
    ),
)
_OTHER_URL = (
    N_("Another callback address is registered with DingTalk: {url}"),
    N_(
        "If that address leads to this computer, enter it as callback.public_url. Otherwise, write "
        "yours to DingTalk on the Credentials page."
    ),
)
_LACKING_EVENTS = (
    N_("DingTalk does not send these events, which the sync needs: {names}."),
    N_(
        "Write your subscription to DingTalk on the Credentials page to add them. Until then, such "
        "changes only arrive with the daily full sync."
    ),
)


def _is_refuted(view: SubscriptionView, credentials: CredentialsView) -> bool:
    """Whether DingTalk has called with our values since the difference was found.

    Then what it uses is another subscription than the one on record, made in the console. A set
    that is accepted only for a while proves nothing: soon it will not be.
    """
    lasting = (credentials.active, credentials.pending)
    used_ms = max((one.last_used_at_ms or 0 for one in lasting if one is not None), default=0)
    return view.fits != Role.PREVIOUS and used_ms > view.since_ms
