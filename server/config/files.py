"""Replaces JSON files atomically and keeps the last good copy beside them.

A crash, a full disk or a power cut leaves the old content or the new one, never a mixture. Callers
hold a lock, so there is one writer at a time; one fixed name for the unfinished file is enough, and
the leftover of a killed process is recognised and removed.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import BinaryIO

from server.errors.base import FileAccessError, FileDamagedError, FileNewerError

JsonObject = dict[str, object]
Step = Callable[[JsonObject], JsonObject]

_OWNER_ONLY = 0o600
# A virus scanner or an indexer may hold a file on Windows for a moment; POSIX never does.
_ATTEMPTS = 40 if os.name == "nt" else 1
_PAUSE_S = 0.05


def access_error(path: Path, exc: OSError) -> FileAccessError:
    """Translate an OSError; the system's own message gives the reason, in its language."""
    return FileAccessError(path=str(path), reason=(exc.strerror or str(exc)).rstrip(".。"))


@dataclass(frozen=True, slots=True)
class Stamp:
    """Distinguishes contents of a file without reading it; all zero if there is no file."""

    modified_ns: int = 0
    size_bytes: int = 0
    inode: int = 0

    @classmethod
    def of(cls, found: os.stat_result) -> "Stamp":
        """Build the stamp from the file's stat result."""
        return cls(found.st_mtime_ns, found.st_size, found.st_ino)


@dataclass(frozen=True, slots=True)
class FileImage:
    """A file's content (None if there is no file), its stamp, and its POSIX rights."""

    path: Path
    content: bytes | None = None
    stamp: Stamp = Stamp()
    mode: int = _OWNER_ONLY


def stamp_of(path: Path) -> Stamp:
    """Return the file's stamp without opening it; raises FileAccessError."""
    try:
        return Stamp.of(path.stat())
    except FileNotFoundError:
        return Stamp()
    except OSError as exc:
        raise access_error(path, exc) from exc


def read_image(path: Path) -> FileImage:
    """Read the file together with the stamp of exactly this content. Raises FileAccessError."""
    try:
        with path.open("rb") as stream:
            found = os.fstat(stream.fileno())
            return FileImage(path, stream.read(), Stamp.of(found), found.st_mode & 0o777)
    except FileNotFoundError:
        return FileImage(path)
    except OSError as exc:
        raise access_error(path, exc) from exc


def backup_of(path: Path) -> Path:
    """Return where the last good copy of `path` is kept."""
    return path.with_name(path.name + ".bak")


def damaged(path: Path, reason: str) -> FileDamagedError:
    """Build the error for a damaged file; it names the last good copy, if there is one."""
    backup = backup_of(path)
    return FileDamagedError(
        path=str(path), reason=reason, backup=str(backup) if backup.exists() else ""
    )


def parse_document(image: FileImage, steps: Sequence[Step] = ()) -> JsonObject:
    """Return the file's JSON object in today's format, `version` first; without a file only that.

    `steps[n]` turns format n + 1 into n + 2, so today's format is `len(steps) + 1`. A file without
    a version was written by hand and has format 1. Raises FileDamagedError, FileNewerError.
    """
    supported = len(steps) + 1
    if image.content is None:
        return {"version": supported}
    document = _parse_object(image.path, image.content)
    version = document.get("version", 1)
    if type(version) is not int or version < 1:
        raise damaged(image.path, '"version" is not a positive integer')
    if version > supported:
        raise FileNewerError(path=str(image.path), version=version, supported=supported)
    for step in steps[version - 1 :]:
        document = step(document)
    return {"version": supported} | document | {"version": supported}


class NoObjectError(Exception):
    """The content is not a reliable JSON object; says why, and where."""


def parse_object(content: bytes) -> JsonObject:
    """Parse a JSON object that people or this program wrote. Raises NoObjectError."""
    # json.loads reads UTF-8 and UTF-16, with or without the byte order mark that Notepad writes.
    try:
        document = json.loads(content, object_pairs_hook=_each_once)
    except json.JSONDecodeError as exc:
        raise NoObjectError(f"line {exc.lineno}, column {exc.colno}: {exc.msg}") from exc
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        raise NoObjectError(f"line {line}: not text in UTF-8") from exc
    except (ValueError, RecursionError) as exc:
        raise NoObjectError("numbers too long or values nested too deep") from exc
    if not isinstance(document, dict):
        raise NoObjectError("not a JSON object")
    return document


def _each_once(pairs: list[tuple[str, object]]) -> JsonObject:
    """Refuse duplicate names: the parser would silently drop all but the last value."""
    found: JsonObject = {}
    for name, value in pairs:
        if name in found:
            raise NoObjectError(f"{json.dumps(name)} stands twice in the same place")
        found[name] = value
    return found


def _parse_object(path: Path, content: bytes) -> JsonObject:
    try:
        return parse_object(content)
    except NoObjectError as exc:
        raise damaged(path, str(exc)) from exc


def render(document: JsonObject) -> bytes:
    """Return the document for people: indented, UTF-8, Chinese not escaped."""
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()


def replace_files(changes: Iterable[tuple[FileImage, bytes]]) -> None:
    """Replace files by new contents; the old contents become the last good copies.

    Everything that may fail for lack of space or rights is done for all files before the first is
    replaced. New files are private to their owner from the start. Returns once the new contents
    are on the disk. Raises FileAccessError with all old contents in place, even if only the second
    file failed. Writes nothing if nothing changes.
    """
    changed = [(image, content) for image, content in changes if image.content != content]
    for image, _ in changed:
        if image.content is not None:
            write_atomically(backup_of(image.path), image.content)
    try:
        _write_all([(image.path, content) for image, content in changed])
    except FileAccessError:
        for image, content in changed:
            if read_image(image.path).content == content:
                _put_back(image)
        raise


def _put_back(image: FileImage) -> None:
    if image.content is None:
        with named(image.path):
            image.path.unlink()
    else:
        write_atomically(image.path, image.content)


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically, for the owner only. Raises FileAccessError."""
    _write_all([(path, content)])


def _write_all(files: list[tuple[Path, bytes]]) -> None:
    try:
        for path, content in files:
            with named(path):
                _write_through(half_written(path), content)
        for path, _ in files:
            with named(path):
                replace_path(half_written(path), path)
                sync_folder(path.parent)
    finally:
        for path, _ in files:
            with suppress(OSError):  # only cleans up; the error is being raised already
                half_written(path).unlink(missing_ok=True)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Translate an OSError of the body into a FileAccessError about `path`."""
    try:
        yield
    except OSError as exc:
        raise access_error(path, exc) from exc


def discard_leftovers(path: Path) -> None:
    """Remove the unfinished file of a process that was killed while saving `path`."""
    for target in (path, backup_of(path)):
        with suppress(OSError):  # harmless: the next save replaces it
            half_written(target).unlink(missing_ok=True)


def half_written(path: Path) -> Path:
    """Return the path of the new content of `path` until it is complete."""
    return path.with_name(path.name + ".tmp")


def _write_through(path: Path, content: bytes) -> None:
    with written_through(path) as stream:
        stream.write(content)


@contextmanager
def written_through(path: Path) -> Iterator[BinaryIO]:
    """Open a new private file for writing and fsync it at the end. Raises OSError."""
    # Never write into the leftover of a killed process: its rights may be wider than we want.
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, _OWNER_ONLY), "wb") as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())


def replace_path(source: Path, target: Path) -> None:
    """Rename `source` to `target`, with retries on Windows. Raises OSError."""
    for _ in range(_ATTEMPTS - 1):
        try:
            source.replace(target)
        except PermissionError:
            Event().wait(_PAUSE_S)
        else:
            return
    source.replace(target)


def sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut; Windows has no call for that."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
