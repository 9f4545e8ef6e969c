"""Replaces all files of a data folder by others, or none of them.

Several files cannot be renamed in one step. So one rename decides: that of the folder with the new
files. After it, whoever loads the settings finishes what a killed process began.

    import.tmp/             unfinished; ignored
    replacing-TIME/new/     decided: first the old files move to old.tmp/, which is then renamed to
                            old/, then these take their place
    replaced-TIME/old/      done; the old files, kept
"""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from server.config.files import backup_of, named, replace_path, sync_folder
from server.config.paths import DataFolder
from server.errors.base import FileAccessError


def staging(folder: DataFolder) -> DataFolder:
    """Return an empty folder for the new files. Raises FileAccessError."""
    place = folder.root / "import.tmp"
    with named(place):
        if place.exists():
            shutil.rmtree(place)
        (place / "new").mkdir(mode=0o700, parents=True)
    return DataFolder(place / "new")


def discard(folder: DataFolder) -> None:
    """Remove new files that will not be used."""
    place = folder.root / "import.tmp"
    with named(place):
        if place.exists():
            shutil.rmtree(place)


def replace(folder: DataFolder, now_ms: int) -> Path | None:
    """Replace the old files by the staged ones; return where the old ones are kept, if any.

    The caller holds the locks of settings and service. Raises FileAccessError; if an old file
    could not be moved, nothing has changed.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now_ms / 1000))
    place = _free(folder.root / f"replacing-{stamp}")
    with named(folder.root):
        sync_folder(folder.root / "import.tmp" / "new")
        replace_path(folder.root / "import.tmp", place)
        sync_folder(folder.root)
    try:
        _put_aside(folder, place)
    except FileAccessError:
        with named(folder.root):
            _put_back(folder, place)
        raise
    return _put_in_place(folder, place)


def is_unfinished(folder: DataFolder) -> bool:
    """Whether a process was killed while it replaced the files."""
    return next(_unfinished(folder), None) is not None


def finish(folder: DataFolder) -> None:
    """Finish what a killed process began. The caller holds the lock of the settings.

    Raises FileAccessError; then the next call retries.
    """
    for place in _unfinished(folder):
        _put_aside(folder, place)
        _put_in_place(folder, place)


def _unfinished(folder: DataFolder) -> Iterator[Path]:
    return folder.root.glob("replacing-*")


def _free(place: Path) -> Path:
    number = 1
    wanted = place
    while place.exists() or _done(place).exists():
        number += 1
        place = wanted.with_name(f"{wanted.name}-{number}")
    return place


def _done(place: Path) -> Path:
    return place.with_name(place.name.replace("replacing-", "replaced-", 1))


def _names(folder: DataFolder) -> Iterator[Path]:
    """Yield the files to move, in order.

    The database first: if somebody holds it open, moving fails before anything has changed. Its
    companions even before it: an old WAL beside a new database would be replayed into it.
    """
    database = folder.database
    for suffix in ("-wal", "-shm", ".suspect", ""):
        yield database.with_name(database.name + suffix)
    for path in (folder.settings, folder.secrets):
        yield backup_of(path)
        yield path


def _put_aside(folder: DataFolder, place: Path) -> None:
    """Move the old files aside, unless that is done already."""
    aside, moved = place / "old.tmp", place / "old"
    if moved.exists():
        return
    with named(aside):
        aside.mkdir(mode=0o700, exist_ok=True)
    for path in _names(folder):
        with named(path):
            if path.exists():
                replace_path(path, aside / path.name)
    with named(place):
        sync_folder(aside)
        sync_folder(folder.root)
        replace_path(aside, moved)
        sync_folder(place)


def _put_back(folder: DataFolder, place: Path) -> None:
    aside = place / "old.tmp"
    for path in reversed(tuple(_names(folder))):
        if (aside / path.name).exists():
            replace_path(aside / path.name, path)
    replace_path(place, folder.root / "import.tmp")
    sync_folder(folder.root)


def _put_in_place(folder: DataFolder, place: Path) -> Path | None:
    """Move the new files in; return the folder of the old ones, None if there were none."""
    new, old = place / "new", place / "old"
    with named(folder.root):
        for path in _names(folder):
            if (new / path.name).exists():
                replace_path(new / path.name, path)
        sync_folder(folder.root)
        if not any(old.iterdir()):
            shutil.rmtree(place)
            return None
        if new.exists():
            shutil.rmtree(new)
        done = _done(place)
        replace_path(place, done)
        sync_folder(folder.root)
    return done / old.name
