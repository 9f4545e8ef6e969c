"""The JSON documents that other programs rely on. Names in here are a contract; add, never rename.

Times are ISO 8601 in UTC with milliseconds. Titles and hints are in the language of `ui.language`.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime

from server.api.checks import SelfTestReport
from server.api.status import (
    ChangeView,
    CredentialSetView,
    ErrorView,
    EventView,
    Notice,
    RejectionView,
    RunSummary,
    RunView,
    Status,
    SubscriptionView,
    SyncView,
)
from server.errors.base import DingBridgeError, SettingsError
from server.errors.message import Message
from ui.words.text import Texts

Document = dict[str, object]


def dumped(document: object) -> str:
    """Return the JSON text; ASCII only, so that no console's code page can spoil it."""
    return json.dumps(document, indent=2)


def iso(at_ms: int | None) -> str | None:
    """Return milliseconds since 1970 as ISO 8601 text; None for what no calendar has."""
    if at_ms is None:
        return None
    try:
        moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def status_document(status: Status, texts: Texts) -> Document:
    """Return the document of `status --json`."""
    service, credentials = status.service, status.credentials
    return {
        "service": {
            "running": service.is_running,
            "address": service.address or None,
            "pid": service.pid or None,
            "started_at": iso(service.started_at_ms) if service.is_running else None,
            "version": service.version or None,
        },
        "credentials": {
            "active": _credential_set(credentials.active),
            "pending": _credential_set(credentials.pending),
            "previous": _credential_set(credentials.previous),
            "in_use": credentials.in_use,
            "missing": list(credentials.missing),
        },
        "doctor": None if status.doctor is None else _rejection(status.doctor, texts),
        "events": asdict(status.events),
        "sync": sync_state_document(status.sync, texts),
        "subscription": subscription_state_document(status.subscription, texts),
        "notices": [_notice(notice, texts) for notice in status.notices],
    }


def sync_state_document(view: SyncView, texts: Texts) -> Document:
    """Return the part of `status --json` about the mirror."""
    held, quarantine = view.held, view.quarantine
    return {
        "enabled": view.is_enabled,
        "state": str(view.state),
        "last_success_at": iso(view.last_success_at_ms),
        "last_run": _run(view.last_run, texts),
        "current_run": _run(view.current_run, texts),
        "next_full_run_at": iso(view.next_full_run_at_ms),
        "held": held
        and {
            "digest": held.digest,
            "run": held.run_id,
            "since": iso(held.since_ms),
            "reasons": [texts.of(reason) for reason in held.reasons],
            "rejected": held.is_rejected,
        },
        "quarantine": quarantine
        and {
            "since": iso(quarantine.since_ms),
            "until": iso(quarantine.until_ms),
            "error": _error(quarantine.error, texts),
        },
        "conflicts": view.conflicts,
    }


def _run(run: RunSummary | None, texts: Texts) -> Document | None:
    if run is None:
        return None
    return {
        "id": run.id,
        "cause": texts.of(run.cause),
        "full": run.is_full,
        "started_at": iso(run.started_at_ms),
        "finished_at": iso(run.finished_at_ms),
        "status": run.status,
        **asdict(run.totals),
    }


def _error(error: ErrorView | None, texts: Texts) -> Document | None:
    if error is None:
        return None
    return {"code": error.code, "title": texts.of(error.title), "hint": texts.of(error.hint)}


def sync_document(run: RunView, texts: Texts) -> Document:
    """Return the document of `sync --json`."""
    summary = run.summary
    return {
        "status": summary.status,
        "digest": summary.digest,
        "snapshot_complete": bool(summary.snapshot_complete),
        "incomplete_reason": _lines(summary.incomplete_reason, texts),
        "error": _error(summary.error, texts),
        "changes": [change_document(change, texts) for change in run.changes],
        "warnings": [texts.of(warning) for warning in summary.warnings],
    }


def unmade_sync_document(failure: DingBridgeError, texts: Texts) -> Document:
    """Return the document of a `sync --json` that could not even begin."""
    return {
        "status": "failed",
        "digest": None,
        "snapshot_complete": False,
        "incomplete_reason": None,
        "error": _error(ErrorView(failure.code, failure.title, failure.hint), texts),
        "changes": [],
        "warnings": [],
    }


def decision_document(
    status: str, digest: str | None, held: Iterable[ChangeView], texts: Texts
) -> Document:
    """Return the document of `sync --reject --json`: the same fields, though no run was made."""
    return {
        "status": status,
        "digest": digest,
        "snapshot_complete": False,
        "incomplete_reason": None,
        "error": None,
        "changes": [change_document(change, texts) for change in held],
        "warnings": [],
    }


def change_document(change: ChangeView, texts: Texts) -> Document:
    """Return one element of the changes that `sync --json` prints."""
    return {
        "action": change.action,
        "kind": change.kind,
        "dingtalk_id": change.dingtalk_id,
        "wecom_id": change.wecom_id,
        "fields": {name: {"old": old, "new": new} for name, (old, new) in change.fields.items()},
        "result": change.result,
        "error": _error(change.error, texts),
        "warning": _lines(change.warnings, texts),
    }


def _lines(messages: Iterable[Message], texts: Texts) -> str | None:
    """Give sentences as lines of one text; null for none."""
    return "\n".join(map(texts.of, messages)) or None


def _credential_set(view: CredentialSetView | None) -> Document | None:
    if view is None:
        return None
    return {
        "token": view.token,
        "aes_key": view.aes_key,
        "key": view.key,
        "first_used_at": iso(view.first_used_at_ms),
        "last_used_at": iso(view.last_used_at_ms),
        "last_used_from": view.last_used_from,
        "last_event_type": view.last_event_type,
        "calls": view.calls,
        "accepted_until": iso(view.accepted_until_ms),
    }


def _rejection(view: RejectionView, texts: Texts) -> Document:
    return {
        "verdict": view.verdict,
        "title": texts.of(view.title),
        "hint": texts.of(view.hint),
        "offered_key": view.offered_key,
        "at": iso(view.at_ms),
        "first_at": iso(view.first_at_ms),
        "remote": view.remote,
        "count": view.count,
        "settled": view.is_settled,
    }


def _notice(notice: Notice, texts: Texts) -> Document:
    return {
        "code": notice.code,
        "level": str(notice.level),
        "title": texts.of(notice.title),
        "hint": texts.of(notice.hint),
    }


def event_document(event: EventView) -> Document:
    """Return one element of the list that `events --json` prints."""
    return {
        "id": event.id,
        "received_at": iso(event.received_at_ms),
        "event_type": event.event_type,
        "event_id": event.event_id,
        "corp_id": event.corp_id,
        "state": event.state,
        "error": event.error,
        "payload": event.payload,
        "duplicates": event.duplicates,
    }


def self_test_document(report: SelfTestReport, texts: Texts) -> Document:
    """Return the document of `self-test --json`."""
    return {
        "passed": report.is_passed,
        "steps": [
            {
                "name": step.name,
                "state": str(step.state),
                "title": texts.of(step.title),
                "hint": None if step.hint is None else texts.of(step.hint),
                "elapsed_ms": round(step.elapsed_ms, 1),
            }
            for step in report.steps
        ],
    }


def subscription_state_document(view: SubscriptionView, texts: Texts) -> Document:
    """Return the part of `status --json` and of `subscription --json` about DingTalk's record."""
    return {
        "state": str(view.state),
        "checked_at": iso(view.checked_at_ms),
        "url": view.url or None,
        "token": view.token or None,
        "aes_key": view.aes_key or None,
        "events": list(view.event_types),
        "fits": view.fits,
        "differences": list(view.differences),
        "unusable": list(view.unusable),
        "missing_events": list(view.missing_events),
        "missing_settings": list(view.missing),
        "error": _error(view.error, texts),
    }


def subscription_document(
    view: SubscriptionView,
    texts: Texts,
    credentials: str | None = None,
    report: SelfTestReport | None = None,
) -> Document:
    """Return the document of `subscription --json`."""
    return {
        **subscription_state_document(view, texts),
        "credentials": credentials,
        "steps": None if report is None else self_test_document(report, texts)["steps"],
    }


def error_document(failure: DingBridgeError, texts: Texts) -> Document:
    """Return the document printed in place of any other when a command fails."""
    document: Document = {
        "code": failure.code,
        "title": texts.of(failure.title),
        "hint": texts.of(failure.hint),
    }
    if isinstance(failure, SettingsError):
        document["problems"] = [
            {"name": problem.name, "message": texts.of(problem.message)}
            for problem in failure.problems
        ]
    return {"error": document}
