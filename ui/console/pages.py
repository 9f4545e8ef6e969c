"""The command line's pages for people: plain lines, no colours, as narrow as they can be."""

import json
from collections.abc import Iterator

from server.api.checks import SelfTestReport, Step, StepState
from server.api.status import CredentialSetView, EventView, Status, SubscriptionState
from server.config.merge import Effect
from server.config.store import Outcome
from server.errors.base import DingBridgeError, SettingsError
from server.errors.message import N_
from ui.console.subscription_pages import subscription_line
from ui.console.sync_pages import sync_lines
from ui.words.text import Texts

_PAYLOAD_CHARACTERS = 160
_SAYS_NOTHING = frozenset({SubscriptionState.NOT_SET_UP, SubscriptionState.NOT_COMPARED})


def status_page(status: Status, texts: Texts) -> Iterator[str]:
    """Yield the lines of `status`."""
    service = status.service
    if service.is_running:
        yield texts(
            "Service: running at {address} (process {pid}, since {since})",
            address=service.address or "…",
            pid=service.pid,
            since=texts.moment(service.started_at_ms),
        )
    else:
        yield texts("Service: not running")
    yield from _credentials_lines(status, texts)
    if status.subscription.state not in _SAYS_NOTHING:
        yield subscription_line(status.subscription, texts)
    counts = status.events
    yield texts(
        "Events: {pending} pending, {working} in progress, {done} done, {ignored} ignored, "
        "{failed} failed; {duplicates} duplicates",
        pending=counts.pending,
        working=counts.working,
        done=counts.done,
        ignored=counts.ignored,
        failed=counts.failed,
        duplicates=counts.duplicates,
    )
    yield from sync_lines(status.sync, texts)
    for notice in status.notices:
        yield f"! {texts.of(notice.title)}"
        yield f"  {texts.of(notice.hint)}"


def _credentials_lines(status: Status, texts: Texts) -> Iterator[str]:
    sets = status.credentials
    for title, view in (
        (N_("Active credentials: key {key}, token {token}, aes_key {aes_key}"), sets.active),
        (N_("Pending credentials: key {key}, token {token}, aes_key {aes_key}"), sets.pending),
        (N_("Previous credentials: key {key}, token {token}, aes_key {aes_key}"), sets.previous),
    ):
        if view is not None:
            yield texts(title, key=view.key, token=view.token, aes_key=view.aes_key)
            yield f"  {_use_line(view, texts)}"
    if sets.missing:
        yield texts("Still missing: {names}", names=", ".join(sets.missing))


def _use_line(view: CredentialSetView, texts: Texts) -> str:
    if view.last_used_at_ms is None:
        return texts("not used by DingTalk yet")
    return texts(
        "last used {moment} from {remote}, requests: {calls}",
        moment=texts.moment(view.last_used_at_ms),
        remote=view.last_used_from or "?",
        calls=view.calls,
    )


def event_line(event: EventView, texts: Texts) -> str:
    """Return the line of one event: id, time, state, type, and the payload as far as it fits."""
    payload = event.payload
    shown = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
    if len(shown) > _PAYLOAD_CHARACTERS:
        shown = f"{shown[:_PAYLOAD_CHARACTERS]}…"
    moment = texts.moment(event.received_at_ms)
    line = f"{event.id:>6}  {moment}  {event.state:<8} {event.event_type or '–':<20} {shown}"
    return f"{line}  ({event.error})" if event.error else line


_MARKS = {
    StepState.PASSED: "ok  ",
    StepState.FAILED: "FAIL",
    StepState.SKIPPED: "--  ",
    StepState.NOTE: "note",
}


def self_test_page(report: SelfTestReport, texts: Texts) -> Iterator[str]:
    """Yield a line a step, and the hint under a step that failed."""
    for step in report.steps:
        yield from step_lines(step, texts)
    yield texts("All is well.") if report.is_passed else texts("The self-test failed.")


def step_lines(step: Step, texts: Texts) -> Iterator[str]:
    """Yield the line of a step, and what to do about it."""
    yield _step_line(step, texts)
    if step.hint is not None:
        yield f"      {texts.of(step.hint)}"


def _step_line(step: Step, texts: Texts) -> str:
    line = f"{_MARKS[step.state]}  {texts.of(step.title)}"
    if step.state in {StepState.PASSED, StepState.FAILED}:
        return f"{line} ({step.elapsed_ms:.0f} ms)"
    return line


def outcome_page(outcome: Outcome, texts: Texts) -> Iterator[str]:
    """Yield what `configure` did."""
    if not outcome.changed:
        yield texts("Nothing changed.")
    else:
        yield texts("Changed: {names}", names=", ".join(outcome.changed))
    if outcome.credentials is Effect.ACTIVE:
        yield texts("The credentials are active now.")
    elif outcome.credentials is Effect.PENDING:
        yield texts(
            "The new credentials are pending: they become active with DingTalk's first request "
            "that uses them. Save them in the DingTalk console now; the old ones stay valid until "
            "then."
        )
    elif outcome.credentials is Effect.INCOMPLETE:
        names = ", ".join(map(str, outcome.missing))
        yield texts("The credentials are not complete: {names} still missing.", names=names)
    if outcome.needs_restart:
        yield texts("A new host or port takes effect after the running service is restarted.")
    for note in outcome.config.notes:
        yield f"! {texts.of(note)}"


def error_page(failure: DingBridgeError, texts: Texts) -> Iterator[str]:
    """Yield what went wrong and what to do."""
    yield texts.of(failure.title)
    if isinstance(failure, SettingsError):
        for problem in failure.problems:
            yield f"  {problem.name}: {texts.of(problem.message)}"
    yield texts.of(failure.hint)
