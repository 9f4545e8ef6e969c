"""Moves a data folder to another computer: exports it to one sealed file, and imports that.

Copying the folder is not enough, because Windows seals secrets for one account on one computer.
The database moves along: without its ledger the mirror would not know whom it has created.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from crypto.secret import Secret
from server.api.checks import ExportView, ImportView
from server.config import replacement
from server.config.export_file import read_export, write_export
from server.config.files import JsonObject, named
from server.config.paths import DataFolder
from server.config.store import Config, ConfigStore
from server.errors.base import JournalBusyError, JournalDamagedError
from server.errors.export import ExportDamagedError, PassphraseShortError
from server.errors.message import Message
from server.journal.opening import check_database, copy_database
from server.service.instance import acquire
from server.version import VERSION

PASSPHRASE_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class _Staged:
    """New files that were checked and are ready to use."""

    config: Config
    exported_at_ms: int
    version: str
    has_database: bool


class Migration:
    """Export and import of one data folder. Methods take seconds, and more with a large database.

    `is_serving` and `stop` are of the service in this process, if any.
    """

    def __init__(
        self,
        folder: DataFolder,
        store: ConfigStore,
        clock_ms: Callable[[], int],
        is_serving: Callable[[], bool],
        stop: Callable[[], tuple[str, ...]],
    ) -> None:
        self._folder = folder
        self._store = store
        self._clock_ms = clock_ms
        self._is_serving = is_serving
        self._stop = stop

    @staticmethod
    def judge_passphrase(text: str) -> Message | None:
        """Return what is wrong with a passphrase for an export, None if it can be used."""
        short = PassphraseShortError(minimum=PASSPHRASE_CHARACTERS)
        return short.title if len(text.strip()) < PASSPHRASE_CHARACTERS else None

    def export(self, path: Path, passphrase: str) -> ExportView:
        """Write everything, sealed, to `path`, replacing a file there. Changes nothing else.

        A service may be running. Raises PassphraseShortError, StoreError, SettingsError and
        JournalError.
        """
        if self.judge_passphrase(passphrase) is not None:
            raise PassphraseShortError(minimum=PASSPHRASE_CHARACTERS)
        settings, secrets = self._store.portable()
        with self._room_for_copy() as copy:
            has_database = copy_database(self._folder.database, copy)
            head: JsonObject = {
                "version": VERSION,
                "exported_at_ms": self._clock_ms(),
                "settings": settings,
                "secrets": secrets,
                "has_database": has_database,
            }
            write_export(path, Secret(passphrase), head, copy if has_database else None)
        with named(path):
            return ExportView(str(path), path.stat().st_size, has_database)

    def import_from(self, path: Path, passphrase: str) -> ImportView:
        """Replace everything here by an export; the old files are moved aside and kept.

        The whole export is checked before anything changes. Then a service in this process is
        stopped, and not started again; one in another process causes an AlreadyRunningError.
        Raises ExportError, StoreError, SettingsError and JournalError with nothing changed.
        """
        self._folder.ensure()
        with ExitStack() as held:
            is_serving = self._is_serving()
            if not is_serving:
                self._hold_alone(held)
            try:
                staged = self._stage(path, Secret(passphrase))
                if is_serving:
                    self._stop_service()
                    self._hold_alone(held)
                replaced = self._store.replace_folder(self._clock_ms())
            finally:
                replacement.discard(self._folder)
        callback = staged.config.settings.callback
        return ImportView(
            replaced=str(replaced or ""),
            exported_at_ms=staged.exported_at_ms,
            version=staged.version,
            has_database=staged.has_database,
            public_url=callback.public_url,
            is_mirroring=staged.config.settings.sync.enabled,
        )

    @contextmanager
    def _room_for_copy(self) -> Iterator[Path]:
        # In the data folder: only its owner can read it, and its disk holds such a file already.
        with (
            named(self._folder.root),
            tempfile.TemporaryDirectory(dir=self._folder.root, prefix="export.tmp-") as place,
        ):
            yield Path(place) / self._folder.database.name

    def _hold_alone(self, held: ExitStack) -> None:
        instance = acquire(self._folder, VERSION, self._clock_ms())
        held.callback(instance.release)

    def _stop_service(self) -> None:
        if "dingbridge-journal" in self._stop():
            raise JournalBusyError(path=str(self._folder.database))

    def _stage(self, path: Path, passphrase: Secret) -> _Staged:
        staged = replacement.staging(self._folder)
        head = read_export(path, passphrase, staged.database)
        try:
            settings, secrets, has_database, exported_at_ms, version = _parts(head)
        except TypeError as exc:
            raise ExportDamagedError(path=str(path)) from exc
        config = self._store.stage(staged, settings, secrets, path)
        if has_database:
            try:
                check_database(staged.database, named=path)
            except JournalDamagedError as exc:
                raise ExportDamagedError(path=str(path)) from exc
        else:
            with named(staged.database):
                staged.database.unlink()
        return _Staged(config, exported_at_ms, version, has_database)


def _parts(head: JsonObject) -> tuple[JsonObject, JsonObject, bool, int, str]:
    """Return the head's parts in order. Raises TypeError if one has the wrong type."""
    settings, secrets = head.get("settings"), head.get("secrets")
    has_database, moment, version = (
        head.get(name) for name in ("has_database", "exported_at_ms", "version")
    )
    if (
        not isinstance(settings, dict)
        or not isinstance(secrets, dict)
        or not isinstance(has_database, bool)
        or not isinstance(moment, int)
        or not isinstance(version, str)
    ):
        raise TypeError
    return settings, secrets, has_database, moment, version
