"""The commands of the command line: each asks the facade and prints; returns the exit code.

0 good, 1 the thing asked for failed, was held or refused, 2 wrong usage or settings, 3 done but
with problems listed.
"""

import logging
import sys
import threading
from argparse import Namespace
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType

from server.api.app import App
from server.api.status import EventView
from server.config.files import NoObjectError, parse_object
from server.config.settings import Language
from server.errors.base import (
    DingBridgeError,
    FileAccessError,
    FileDamagedError,
    FileNewerError,
    Problem,
    SecretsLockedError,
    SettingsError,
)
from server.errors.export import PassphraseShortError
from server.errors.message import N_, Message
from ui.console import documents, pages, sync_pages
from ui.console.output import say, show, show_text
from ui.console.signals import stop_signals
from ui.words.text import Texts

_log = logging.getLogger(__name__)

GOOD, FAILED, WRONG, WITH_PROBLEMS = 0, 1, 2, 3
_WRONG_SETTINGS = (
    SettingsError,
    FileDamagedError,
    FileNewerError,
    FileAccessError,
    SecretsLockedError,
    PassphraseShortError,
)
_STOP_WITHIN_S = 3.0
_LOOK_EVERY_S = 0.5
_PAGE = 500


def texts_for(app: App) -> Texts:
    """Return the texts in the language of the settings, the system's where they do not load."""
    try:
        return Texts(app.config().settings.ui.language)
    except DingBridgeError:
        return Texts(Language.AUTO)


def report_error(failure: DingBridgeError, texts: Texts, *, as_json: bool) -> int:
    """Print an error and return the exit code that goes with it."""
    if as_json:
        show_text(documents.dumped(documents.error_document(failure, texts)))
    say(*pages.error_page(failure, texts))
    return WRONG if isinstance(failure, _WRONG_SETTINGS) else FAILED


def status(app: App, texts: Texts, options: Namespace) -> int:
    """Print everything at a glance."""
    found = app.status()
    if options.json:
        show_text(documents.dumped(documents.status_document(found, texts)))
    else:
        show(pages.status_page(found, texts))
    unreadable = {failure.code for failure in _WRONG_SETTINGS}
    return WRONG if any(notice.code in unreadable for notice in found.notices) else GOOD


def events(app: App, texts: Texts, options: Namespace) -> int:
    """Print the newest events."""
    found: list[EventView] = []
    before_id = None
    while len(found) < options.limit:
        wanted = min(_PAGE, options.limit - len(found))
        page = app.events(wanted, before_id=before_id, event_type=options.event_type)
        found += page.events
        before_id = page.before_id
        if before_id is None:
            break
    if options.json:
        show_text(documents.dumped([documents.event_document(event) for event in found]))
    elif found:
        show(pages.event_line(event, texts) for event in found)
    else:
        say(texts("No such events."))
    return GOOD


def self_test(app: App, texts: Texts, options: Namespace) -> int:
    """Run the self-test and print its steps."""
    report = app.self_test()
    if options.json:
        show_text(documents.dumped(documents.self_test_document(report, texts)))
    else:
        show(pages.self_test_page(report, texts))
    return GOOD if report.is_passed else FAILED


def configure(app: App, texts: Texts, options: Namespace) -> int:
    """Merge a JSON object of settings from a file or standard input."""
    outcome = app.configure(_object_from(options.source))
    show(pages.outcome_page(outcome, texts))
    return GOOD


def _object_from(source: Path | None) -> Mapping[str, object]:
    name = "-" if source is None else str(source)
    try:
        content = _standard_input() if source is None else source.read_bytes()
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        text = N_("it cannot be read: {reason}")
        raise SettingsError([Problem(name, Message(text, {"reason": reason}))]) from exc
    try:
        return parse_object(content)
    except NoObjectError as exc:
        text = N_("a JSON object of settings is expected ({reason})")
        raise SettingsError([Problem(name, Message(text, {"reason": str(exc)}))]) from exc


def _standard_input() -> bytes:
    return b"" if sys.stdin is None else sys.stdin.buffer.read()


_SYNC_CODES = MappingProxyType({"success": GOOD, "preview": GOOD, "partial": WITH_PROBLEMS})


def sync(app: App, texts: Texts, options: Namespace) -> int:
    """Have a full run made, or its preview, and print what it did; or reject what is held."""
    if options.reject is not None:
        return _reject(app, texts, options)
    stop = threading.Event()
    if not options.json:
        say(
            texts(
                "Syncing. This can take several minutes for a large company; press Ctrl+C to stop."
            )
        )
    try:
        with stop_signals(stop.set):
            run = app.sync(preview=options.preview, allow=options.allow, stop=stop)
    except DingBridgeError as failure:
        if options.json:
            show_text(documents.dumped(documents.unmade_sync_document(failure, texts)))
        return report_error(failure, texts, as_json=False)
    if options.json:
        show_text(documents.dumped(documents.sync_document(run, texts)))
    else:
        show(sync_pages.run_page(run, texts))
    return _SYNC_CODES.get(run.summary.status or "", FAILED)


def _reject(app: App, texts: Texts, options: Namespace) -> int:
    """Decide against exactly what is held; no run is made."""
    is_rejected = app.mirror.reject(options.reject)
    held = app.status().sync.held
    if options.json:
        listed = app.mirror.held_changes() if is_rejected else ()
        digest = held.digest if held else None
        status = "rejected" if is_rejected else "refused"
        show_text(documents.dumped(documents.decision_document(status, digest, listed, texts)))
    else:
        show(sync_pages.decision_page(held, texts, is_rejected=is_rejected))
    return GOOD if is_rejected else FAILED


def serve(app: App, texts: Texts, options: Namespace) -> int:
    """Serve until SIGINT or SIGTERM."""
    stop = threading.Event()
    with stop_signals(stop.set), closing(app.set_up_logging()):
        try:
            address = app.start(options.host, options.port)
        except DingBridgeError as failure:
            # Whoever started this without a console finds the reason in the log.
            _log.error("The service could not start: %s", failure)
            raise
        say(f"listening on {address}")
        while not stop.wait(_LOOK_EVERY_S) and app.is_serving:
            pass
        has_broken_down = not app.is_serving
        hanging = app.stop(_STOP_WITHIN_S)
    if has_broken_down:
        say(texts("The service crashed; see the log file for details."))
    return FAILED if has_broken_down or hanging else GOOD
