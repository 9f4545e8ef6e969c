"""Writing a run of the sync to a file: CSV for a spreadsheet, JSON for programs. On a worker."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

from server.api.app import App
from server.api.status import ChangeView, RunSummary, RunView
from ui.console.documents import change_document, sync_document
from ui.export.exporting import CsvWriter, Output, is_csv, plain_cell, written
from ui.words.change_words import action_words, arrow, field_lines, result_words, who
from ui.words.text import Texts

_PAGE = 250


def export_run(app: App, run: RunSummary, path: Path, texts: Texts) -> int:
    """Write a run and its changes to `path`; its ending says how. Returns how many changes.

    Raises JournalError, and FileAccessError where the file cannot be written.
    """
    changes = _all(app, run.id)
    with written(path) as file:
        if is_csv(path):
            return _write_csv(csv.writer(file), changes, texts)
        return _write_json(file, run, changes, texts)


def _all(app: App, run_id: int) -> Iterator[ChangeView]:
    after = 0
    while True:
        page = app.mirror.changes(run_id, _PAGE, after)
        yield from page
        after += len(page)
        if len(page) < _PAGE:
            return


def _write_csv(writer: CsvWriter, changes: Iterator[ChangeView], texts: Texts) -> int:
    writer.writerow(
        [
            texts("Number"),
            texts("Action"),
            texts("Who"),
            texts("DingTalk id"),
            texts("WeCom id"),
            texts("Changes"),
            texts("Result"),
            texts("Cause"),
            texts("What to do"),
            texts("Notes"),
        ]
    )
    count = 0
    for count, change in enumerate(changes, 1):
        writer.writerow([plain_cell(text) for text in (str(count), *_cells(change, texts))])
    return count


def _cells(change: ChangeView, texts: Texts) -> list[str]:
    error = change.error
    return [
        action_words(change, texts),
        who(change),
        change.dingtalk_id,
        change.wecom_id,
        "\n".join(arrow(words, texts) for words in field_lines(change, texts)),
        result_words(change.result, texts),
        texts.of(error.title) if error else "",
        texts.of(error.hint) if error else "",
        "\n".join(map(texts.of, change.warnings)),
    ]


def _write_json(file: Output, run: RunSummary, changes: Iterator[ChangeView], texts: Texts) -> int:
    """Write the document of `sync --json`, change by change: a company may have 100,000."""
    head = sync_document(RunView(run), texts)
    del head["changes"]
    opening = json.dumps(head, ensure_ascii=False).removesuffix("}")
    file.write(f'{opening}, "changes": [')
    count = 0
    for count, change in enumerate(changes, 1):
        file.write(",\n" if count > 1 else "\n")
        file.write(json.dumps(change_document(change, texts), ensure_ascii=False))
    file.write("\n]}\n")
    return count
