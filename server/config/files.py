"""JSON files that are replaced whole or not at all, with the last good copy beside them.

A crash, a full disk or a cut cable leaves the old content or the new one, never a mixture.
Callers hold a lock: one writer at a time, so that one fixed name for the half-written file is
enough, and what a killed process left behind is known and removed.
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
    """Translate the system's refusal; its own words say why, in the system's language."""
    return FileAccessError(path=str(path), reason=(exc.strerror or str(exc)).rstrip(".。"))


@dataclass(frozen=True, slots=True)
class Stamp:
    """Tells one content of a file from another without reading it; all zero for no file."""

    modified_ns: int = 0
    size_bytes: int = 0
    inode: int = 0

    @classmethod
    def of(cls, found: os.stat_result) -> "Stamp":
        """Take the stamp from what the system says about a file."""
        return cls(found.st_mtime_ns, found.st_size, found.st_ino)


@dataclass(frozen=True, slots=True)
class FileImage:
    """What a file held (None where there is none), its stamp, and its POSIX rights."""

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
    """Read the file and the stamp that belongs to exactly this content; raises FileAccessError."""
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
    """Describe a damaged file; `backup` is the last good copy's path, empty where none is."""
    backup = backup_of(path)
    return FileDamagedError(
        path=str(path), reason=reason, backup=str(backup) if backup.exists() else ""
    )


def parse_document(image: FileImage, steps: Sequence[Step] = ()) -> JsonObject:
    """Return the file's JSON object in today's format, `version` first; no file: nothing else.

    `steps[n]` turns format n + 1 into n + 2, so today's format is `len(steps) + 1`. A file without
    a version is one written by hand, in format 1. Raises FileDamagedError, FileNewerError.
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
    """What was read is no JSON object that can be relied on; says why, and where."""


def parse_object(content: bytes) -> JsonObject:
    """Return the JSON object that people or this program wrote; raises NoObjectError."""
    # json.loads reads bytes in UTF-8 and UTF-16, with or without the mark that Notepad puts first.
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
    """Refuse a name that stands twice, of which JSON would forget the first without a word."""
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
    """Return the document as people like to read it: indented, in plain Chinese, UTF-8."""
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()


def replace_files(changes: Iterable[tuple[FileImage, bytes]]) -> None:
    """Put new contents in the place of the images', which become the last good copies.

    Whatever can fail for want of room or rights is done for all files before the first of them is
    replaced. Files are for their owner only from their first moment on. Returns once the new
    contents are on the disk; raises FileAccessError with the old ones in place, also where only the
    second of two could not be replaced. Nothing is written where nothing changes.
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
    """Write `content` to `path` whole or not at all, for the owner only; raises FileAccessError."""
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
            with suppress(OSError):  # only tidies up; what went wrong is on its way already
                half_written(path).unlink(missing_ok=True)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Say which file it was that the system refused."""
    try:
        yield
    except OSError as exc:
        raise access_error(path, exc) from exc


def discard_leftovers(path: Path) -> None:
    """Remove what a process that was killed while saving `path` left half written."""
    for target in (path, backup_of(path)):
        with suppress(OSError):  # harmless where it is: the next save replaces it
            half_written(target).unlink(missing_ok=True)


def half_written(path: Path) -> Path:
    """Return where the new content of `path` lies until it is complete."""
    return path.with_name(path.name + ".tmp")


def _write_through(path: Path, content: bytes) -> None:
    with written_through(path) as stream:
        stream.write(content)


@contextmanager
def written_through(path: Path) -> Iterator[BinaryIO]:
    """Give a new file to write to, for its owner only; on the disk at the end. Raises OSError."""
    # A leftover of a killed process may have wider rights than we want: never written into.
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, _OWNER_ONLY), "wb") as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())


def replace_path(source: Path, target: Path) -> None:
    """Rename `source` to `target`, with patience on Windows; raises OSError."""
    for _ in range(_ATTEMPTS - 1):
        try:
            source.replace(target)
        except PermissionError:
            Event().wait(_PAUSE_S)
        else:
            return
    source.replace(target)


def sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut; Windows offers nothing of the kind."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
