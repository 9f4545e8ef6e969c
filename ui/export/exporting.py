"""Writing events to a file, for a spreadsheet (CSV) or for programs (JSON). On a worker."""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TextIO

from server.api.app import App
from server.api.status import EventView
from server.config.files import named
from ui.console.documents import event_document
from ui.feeds.event_feed import EventFilter, page_of
from ui.words.event_words import state_words, subject, type_words
from ui.words.text import Texts

_PAGE = 1000
# A cell that begins with one of these is a formula to a spreadsheet, whoever wrote it. The wide
# ones of Chinese keyboards are taken for the narrow ones, and a line feed is skipped.
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", *"＝＋－＠")


class Output:
    """A file that is written to; what the system refuses is told as a refusal of this file."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self._path = path
        self._file = file

    def write(self, text: str) -> int:
        """Write `text`; raises FileAccessError."""
        with named(self._path):
            return self._file.write(text)


class CsvWriter(Protocol):
    """What csv.writer returns."""

    def writerow(self, row: list[str], /) -> object:
        """Write one row."""


def export(app: App, wanted: EventFilter, path: Path, texts: Texts) -> int:
    """Write the events that fit to `path`; its ending says how. Returns how many.

    Raises JournalError, and FileAccessError where the file cannot be written.
    """
    events = _all(app, wanted)
    with written(path) as file:
        if is_csv(path):
            return _write_csv(csv.writer(file), events, texts)
        return _write_json(file, events)


@contextmanager
def written(path: Path) -> Iterator[Output]:
    """Open a file for what may come from anybody; raises FileAccessError.

    JSON may hold half of a surrogate pair, which no file can; its escape is valid in JSON, too.
    """
    encoding = "utf-8-sig" if is_csv(path) else "utf-8"
    with named(path):
        file = path.open("w", encoding=encoding, errors="backslashreplace", newline="")
    try:
        yield Output(path, file)
    finally:
        with named(path):
            file.close()


def is_csv(path: Path) -> bool:
    """Return whether a file of this name is to be a table."""
    return path.suffix.lower() == ".csv"


def _all(app: App, wanted: EventFilter) -> Iterator[EventView]:
    before_id = None
    while True:
        page = page_of(app, wanted, _PAGE, before_id)
        yield from page.events
        before_id = page.before_id
        if before_id is None:
            return


def _write_csv(writer: CsvWriter, events: Iterator[EventView], texts: Texts) -> int:
    writer.writerow(
        [
            texts("Number"),
            texts("Received"),
            texts("Event"),
            texts("Type"),
            texts("About whom"),
            texts("State"),
            texts("Error"),
            "eventId",
            "corpId",
            "JSON",
        ]
    )
    count = 0
    for event in events:
        writer.writerow([plain_cell(text) for text in _cells(event, texts)])
        count += 1
    return count


def _cells(event: EventView, texts: Texts) -> list[str]:
    payload = event.payload
    return [
        str(event.id),
        texts.moment(event.received_at_ms),
        type_words(event.event_type, texts),
        event.event_type or "",
        subject(payload, texts),
        state_words(event.state, texts),
        event.error or "",
        event.event_id or "",
        event.corp_id or "",
        payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False),
    ]


def plain_cell(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA_SIGNS) else text


def _write_json(file: Output, events: Iterator[EventView]) -> int:
    count = 0
    file.write("[")
    for event in events:
        file.write(",\n" if count else "\n")
        file.write(json.dumps(event_document(event), ensure_ascii=False))
        count += 1
    file.write("\n]\n")
    return count
