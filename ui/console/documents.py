"""The JSON documents that other programs rely on. Names in here are a contract; add, never rename.

Times are ISO 8601 in UTC with milliseconds. Titles and hints are in the language of `ui.language`.
"""

import json
from dataclasses import asdict
from datetime import UTC, datetime

from server.errors import DingBridgeError, SettingsError
from server.status import (
    CredentialSetView,
    EventView,
    Notice,
    RejectionView,
    SelfTestReport,
    Status,
)
from ui.text import Texts

Document = dict[str, object]


def dumped(document: object) -> str:
    """Return the JSON text; ASCII only, so that no console's code page can spoil it."""
    return json.dumps(document, indent=2)


def iso(at_ms: int | None) -> str | None:
    """Return milliseconds since 1970 as ISO 8601 text."""
    if at_ms is None:
        return None
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
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
        "sync": {"enabled": status.sync.is_enabled},
        "notices": [_notice(notice, texts) for notice in status.notices],
    }


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
