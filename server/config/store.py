"""Loads and changes settings and secrets on the disk together, from any process.

Each load and each read-modify-write holds a file lock. So `configure` and a running service never
lose each other's changes, and Windows never refuses to replace a file that one of them is reading.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from crypto.credentials import CredentialField, Keyring
from server.config import replacement
from server.config.files import (
    FileImage,
    JsonObject,
    Stamp,
    Step,
    access_error,
    backup_of,
    discard_leftovers,
    parse_document,
    read_image,
    render,
    replace_files,
    stamp_of,
    write_atomically,
)
from server.config.locks import FileLock, LockHeldError
from server.config.merge import Effect, changes_secrets, merged
from server.config.parsing import parse_settings
from server.config.paths import DataFolder
from server.config.sealing import PlainSealer, Sealer, system_sealer
from server.config.secrets import Secrets, parse_secrets, render_secrets
from server.config.settings import Settings
from server.errors.base import FileAccessError, FileMissingError, SecretsLockedError
from server.errors.message import N_, Message

# A save takes milliseconds; a process that holds the lock for longer hangs.
_LOCK_WAIT_S = 2.0
_OTHERS_RIGHTS = 0o077
# Each step migrates a format to the next; see `parse_document`.
_SETTINGS_STEPS: tuple[Step, ...] = ()
_SECRETS_STEPS: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """Settings and secrets as of one moment; `notes` are remarks on them for the admin."""

    settings: Settings = field(default_factory=Settings)
    secrets: Secrets = field(default_factory=Secrets)
    notes: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a merge. `config` is in force now.

    `changed` holds the dotted names whose values changed, `missing` the values that incomplete
    credentials still need.
    """

    config: Config
    changed: tuple[str, ...]
    needs_restart: bool
    credentials: Effect
    missing: tuple[CredentialField, ...]


@dataclass(frozen=True, slots=True)
class _Disk:
    """Both files as they are, and their JSON in today's format."""

    settings_image: FileImage
    secrets_image: FileImage
    settings: JsonObject
    secrets: JsonObject
    notes: tuple[Message, ...]


class ConfigStore:
    """The settings and secrets of one data folder. Safe for threads and processes.

    Every method that returns a Config counts as a load: use what it returns.
    """

    def __init__(self, folder: DataFolder, sealer: Sealer | None = None) -> None:
        self._folder = folder
        self._sealer = sealer or system_sealer()
        self._stamps: tuple[Stamp, Stamp] | None = None
        self._is_lock_stuck = False  # a reader timed out: later readers do not wait again

    def load(self) -> Config:
        """Read both files; use the defaults if there are none.

        Raises FileDamagedError, FileNewerError, FileAccessError, SecretsLockedError, and
        SettingsError for values in settings.json that cannot be used. Changes nothing, except that
        a secrets file that others could read is restricted to its owner.
        """
        if not self._has_files():  # maybe not even the folder
            self._stamps = (Stamp(), Stamp())
            return Config(notes=self._forgotten())
        with ExitStack() as held:
            # Read without the lock: a process that hangs while saving must not keep the service
            # from starting. Each file is complete at any moment; at worst the two are of different
            # moments. If the lock cannot even be created, nobody is saving.
            if replacement.is_unfinished(self._folder):  # an interrupted import
                held.enter_context(self._locked())
            else:
                with suppress(LockHeldError, FileAccessError):
                    held.enter_context(self._read_lock())
                    self._tidy_up()
            disk = self._read()
            return self._config(disk, self._secrets(disk))

    def reload(self) -> Config:
        """Read both files again. Raises FileMissingError if one disappeared, and what `load` does.

        For a running service: a file that disappeared must not be read as empty.
        """
        self._ensure_present()
        return self.load()

    def changed_since_load(self) -> bool:
        """Whether a file changed since it was read last; takes two calls of stat.

        A failed load counts as read, so that its error is reported once, not every second.
        """
        return self._stamps != self._stamps_now()

    def merge(self, changes: Mapping[str, object]) -> Outcome:
        """Merge a JSON object of settings and secrets into the stored ones and save the result.

        Incomplete credentials are completed from the pending set, else the active one, else the
        draft. Raises SettingsError, which names every problem, and what `load` raises; then
        nothing was changed.
        """
        self._folder.ensure()
        with self._locked():
            disk = self._read()
            try:
                secrets = self._secrets(disk)
                result = merged(disk.settings, secrets, changes)
            except SecretsLockedError:
                if not changes_secrets(changes):
                    raise
                secrets = Secrets()
                result = merged(disk.settings, secrets, changes)
                disk = self._without_locked_secrets(disk)
            self._save(
                disk,
                result.settings_document,
                None if result.secrets == secrets else result.secrets,
            )
            notes = (*disk.notes, *self._unknown(result.unknown))
            return Outcome(
                Config(result.settings, result.secrets, notes),
                result.changed,
                result.needs_restart,
                result.credentials,
                result.missing,
            )

    def tried(self, changes: Mapping[str, object]) -> Config:
        """Return the result that `merge` would save; save nothing. Raises what `merge` raises."""
        self._folder.ensure()
        with self._locked():
            disk = self._read()
            result = merged(disk.settings, self._secrets(disk), changes)
        return Config(result.settings, result.secrets)

    def update_keyring(self, change: Callable[[Keyring], Keyring]) -> Config:
        """Replace the stored keyring by what `change` returns. Raises what `reload` raises.

        `change` gets the keyring on the disk, which another process may have changed.
        """
        with self._locked():
            self._ensure_present()
            disk = self._read()
            secrets = self._secrets(disk)
            config = self._config(disk, replace(secrets, keyring=change(secrets.keyring)))
            if config.secrets != secrets:
                self._save(disk, disk.settings, config.secrets)
            return config

    # --- moving to another computer

    def portable(self) -> tuple[JsonObject, JsonObject]:
        """Return both files' JSON with plain secrets; seal it at once.

        Raises what `load` raises: files that cannot be used here must not be moved elsewhere.
        """
        self._folder.ensure()
        with self._locked():
            disk = self._read()
            config = self._config(disk, self._secrets(disk))
        secrets = render_secrets(config.secrets, PlainSealer())
        return disk.settings, {"version": disk.secrets["version"], **secrets}

    def stage(
        self, staged: DataFolder, settings: JsonObject, secrets: JsonObject, origin: Path
    ) -> Config:
        """Write what `portable` returned on another computer to `staged`, sealed for this one.

        The errors name `origin`: FileNewerError, FileDamagedError, SettingsError, FileAccessError.
        """
        plain = parse_document(FileImage(origin, render(secrets)), _SECRETS_STEPS)
        opened = parse_secrets(plain, origin, PlainSealer())
        disk = _Disk(
            FileImage(staged.settings),
            FileImage(staged.secrets),
            parse_document(FileImage(origin, render(settings)), _SETTINGS_STEPS),
            {"version": plain["version"]},
            (),
        )
        config = self._config(disk, opened)
        sealed = {**disk.secrets, **self._sealed(opened)}
        write_atomically(staged.settings, render(disk.settings))
        write_atomically(staged.secrets, render(sealed))
        return config

    def replace_folder(self, now_ms: int) -> Path | None:
        """Replace this folder's files by the staged ones; return where the old ones are.

        The caller holds the lock of the service. Raises FileAccessError.
        """
        with self._locked():
            return replacement.replace(self._folder, now_ms)

    # --- the files

    @property
    def _paths(self) -> tuple[Path, Path]:
        return self._folder.settings, self._folder.secrets

    def _stamps_now(self) -> tuple[Stamp, Stamp]:
        return stamp_of(self._folder.settings), stamp_of(self._folder.secrets)

    def _has_files(self) -> bool:
        is_there = any(stamp_of(path) != Stamp() for path in self._paths)
        return is_there or replacement.is_unfinished(self._folder)

    def _ensure_present(self) -> None:
        """Raise if a file disappeared: read as empty, it would make us reject every call."""
        for path, known in zip(self._paths, self._stamps or (), strict=False):
            if known != Stamp() and stamp_of(path) == Stamp():
                raise FileMissingError(path=str(path))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            with self._lock():
                self._tidy_up()
                yield
        except LockHeldError as exc:
            path, reason = str(self._folder.config_lock), "another program keeps it locked"
            raise FileAccessError(path=path, reason=reason) from exc

    @contextmanager
    def _read_lock(self) -> Iterator[None]:
        """Take the lock for reading, if possible; after one timeout, later calls do not wait."""
        wait_s = 0.0 if self._is_lock_stuck else _LOCK_WAIT_S
        try:
            with self._lock(wait_s):
                self._is_lock_stuck = False
                yield
        except LockHeldError:
            self._is_lock_stuck = True
            raise

    @contextmanager
    def _lock(self, wait_s: float = _LOCK_WAIT_S) -> Iterator[None]:
        path = self._folder.config_lock
        lock = FileLock(path, wait_s=wait_s)
        try:
            lock.acquire()
        except OSError as exc:
            raise access_error(path, exc) from exc
        try:
            replacement.finish(self._folder)
            yield
        finally:
            lock.release()

    def _tidy_up(self) -> None:
        for path in self._paths:
            discard_leftovers(path)

    def _read(self) -> _Disk:
        settings = read_image(self._folder.settings)
        secrets = read_image(self._folder.secrets)
        self._stamps = (settings.stamp, secrets.stamp)
        return _Disk(
            settings,
            secrets,
            parse_document(settings, _SETTINGS_STEPS),
            parse_document(secrets, _SECRETS_STEPS),
            (*self._forgotten(), *self._narrowed(secrets)),
        )

    def _forgotten(self) -> tuple[Message, ...]:
        """Report a file that is gone while its last good copy exists.

        The copy is not restored automatically: it may be older, or the file was removed on purpose.
        """
        text = N_("{path} is missing. To use the older copy {backup}, give it that name.")
        return tuple(
            Message(text, {"path": str(path), "backup": str(backup_of(path))})
            for path in self._paths
            if stamp_of(path) == Stamp() and stamp_of(backup_of(path)) != Stamp()
        )

    def _narrowed(self, image: FileImage) -> tuple[Message, ...]:
        if os.name == "nt" or not image.mode & _OTHERS_RIGHTS:
            return ()
        try:
            image.path.chmod(0o600)
        except OSError as exc:
            raise access_error(image.path, exc) from exc
        text = N_(
            "Other users could read {path}; now only its owner can. Consider changing the "
            "secrets in it."
        )
        return (Message(text, {"path": str(image.path)}),)

    def _secrets(self, disk: _Disk) -> Secrets:
        return parse_secrets(disk.secrets, self._folder.secrets, self._sealer)

    def _config(self, disk: _Disk, secrets: Secrets) -> Config:
        parsed = parse_settings(disk.settings)
        return Config(parsed.settings, secrets, (*disk.notes, *self._unknown(parsed.unknown)))

    def _unknown(self, names: tuple[str, ...]) -> tuple[Message, ...]:
        if not names:
            return ()
        text = N_("{path} contains settings unknown to this version: {names}. They are kept.")
        return (Message(text, {"path": str(self._folder.settings), "names": ", ".join(names)}),)

    def _save(self, disk: _Disk, settings: JsonObject, secrets: Secrets | None) -> None:
        """Write what differs; `secrets` is None if they stay (sealing again would change them).

        Keeps the names in the old files that this version does not know.
        """
        changes = []
        if secrets is not None:
            document = {**disk.secrets, **self._sealed(secrets)}
            changes.append((disk.secrets_image, render(document)))
        if settings != disk.settings:
            changes.append((disk.settings_image, render(settings)))
        replace_files(changes)
        try:
            self._stamps = self._stamps_now()
        except FileAccessError:  # it is saved nevertheless; the next look reads it again
            self._stamps = None

    def _sealed(self, secrets: Secrets) -> JsonObject:
        try:
            return render_secrets(secrets, self._sealer)
        except OSError as exc:
            raise access_error(self._folder.secrets, exc) from exc

    @staticmethod
    def _place_aside(image: FileImage) -> Path:
        """Return an unused name, or that of a file that has this content already."""
        wanted = place = image.path.with_name(f"{image.path.name}.locked")
        number = 1
        while read_image(place).content not in {None, image.content}:
            number += 1
            place = wanted.with_name(f"{wanted.name}-{number}")
        return place

    def _without_locked_secrets(self, disk: _Disk) -> _Disk:
        """Move secrets of another account aside for good, because they are being replaced."""
        aside = self._place_aside(disk.secrets_image)
        if stamp_of(aside) == Stamp():
            write_atomically(aside, disk.secrets_image.content or b"")
        text = N_(
            "Secrets stored by another Windows account were replaced; they are kept in {path}."
        )
        note = Message(text, {"path": str(aside)})
        empty = parse_document(FileImage(self._folder.secrets), _SECRETS_STEPS)
        return replace(disk, secrets=empty, notes=(*disk.notes, note))
