"""The commands for moving to another computer, and their pages."""

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from server.api.app import App
from server.api.checks import ExportView, ImportView
from server.errors.base import Problem, SettingsError
from server.errors.message import N_, Message
from ui.console.output import show
from ui.console.passphrase import passphrase
from ui.words.moving_words import after_export, after_import
from ui.words.text import Texts

_GOOD = 0


def export(app: App, texts: Texts, options: Namespace) -> int:
    """Write everything into one sealed file; a file that is there is not replaced."""
    target: Path = options.file
    if target.exists():
        text = N_("this file already exists; choose another name")
        raise SettingsError([Problem(str(target), Message(text))])
    secret = passphrase(options.passphrase_file, texts, is_new=True)
    show(_export_page(app.migration.export(target.absolute(), secret), texts))
    return _GOOD


def import_(app: App, texts: Texts, options: Namespace) -> int:
    """Put an export in the place of this data folder's files."""
    secret = passphrase(options.passphrase_file, texts, is_new=False)
    show(_import_page(app.migration.import_from(options.file.absolute(), secret), texts))
    return _GOOD


def _export_page(view: ExportView, texts: Texts) -> Iterator[str]:
    yield texts(
        "Exported to {path} ({size} KiB).", path=view.path, size=-(-view.size_bytes // 1024)
    )
    yield from (f"- {line}" for line in after_export(view, texts))


def _import_page(view: ImportView, texts: Texts) -> Iterator[str]:
    yield texts(
        "Imported the export of {moment} (version {version}).",
        moment=texts.moment(view.exported_at_ms),
        version=view.version,
    )
    yield from (f"- {line}" for line in after_import(view, texts))
