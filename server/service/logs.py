"""The log: a rotating file with one line per record and no secrets in it.

Callers must not log secrets; the mask here is the last resort, and covers tracebacks, too.
"""

import logging
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from threading import Lock
from typing import TextIO
from urllib.parse import quote

from crypto.secret import Secret
from server.config.files import access_error
from server.config.paths import DataFolder
from server.errors.base import FileAccessError

MASK = "***"
_FILE_BYTES = 1024 * 1024
_OLD_FILES = 4
_LINE_CHARACTERS = 8000
_SHORT = 6
_OWNER_ONLY = 0o600
_QUIET = ("waitress", "waitress.queue", "urllib3", "requests")

_QUERY = re.compile(
    r"(?i)\b(access_token|(?:app|corp|client|contact|suite)_?secret|(?:msg_)?signature|token)="
    r"[^&\s\"'<>]+"
)
_FIELD = re.compile(
    r"(?i)(?P<quote>\\{0,8}[\"'])(?P<name>(?:access_?|refresh_?)?token|(?:encoding_?)?aes_?key"
    r"|(?:app|corp|client|contact|suite)_?secret)(?P=quote)\s*:\s*"
    r"(?P<mark>\\{0,8}[\"'])(?:(?!(?P=mark))(?:\\.|[^\\]))*(?P=mark)?"
)
# Text from outside must not forge lines by line breaks or terminal controls, nor disguise them by
# marks that reverse the writing direction. Lone surrogates cannot be encoded.
_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


class SecretMask:
    """Knows the secrets in use and masks them in any text. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[str] = Counter()
        self._pattern: re.Pattern[str] | None = None

    def register(self, secrets: Iterable[Secret]) -> None:
        """Mask these from now on. A secret registered twice must be unregistered twice."""
        with self._lock:
            self._counts.update(secret.reveal() for secret in secrets if secret)
            self._compile()

    def unregister(self, secrets: Iterable[Secret]) -> None:
        """Stop masking these; unknown ones are ignored."""
        with self._lock:
            self._counts.subtract(secret.reveal() for secret in secrets if secret)
            self._counts = +self._counts
            self._compile()

    def mask(self, text: str) -> str:
        """Mask registered secrets in `text`, and values whose name says they are secret."""
        pattern = self._pattern  # replaced as a whole, so reading it needs no lock
        if pattern is not None:
            text = pattern.sub(MASK, text)
        text = _QUERY.sub(rf"\1={MASK}", text)
        return _FIELD.sub(rf"\g<quote>\g<name>\g<quote>: \g<mark>{MASK}\g<mark>", text)

    def _compile(self) -> None:
        forms = {form for secret in self._counts for form in (secret, quote(secret, safe=""))}
        # The longest first, because one secret may begin with another.
        parts = [_as_pattern(form) for form in sorted(forms, key=len, reverse=True)]
        self._pattern = re.compile("|".join(parts)) if parts else None


def _as_pattern(secret: str) -> str:
    """Match a short secret (tokens may have 3 letters) only as a word; keeps the log readable."""
    escaped = re.escape(secret)
    if len(secret) >= _SHORT:
        return escaped
    return rf"(?<![A-Za-z0-9]){escaped}(?![A-Za-z0-9])"


class OneLineFormatter(logging.Formatter):
    r"""One record, one line: local time with offset, level, thread, logger, message, traceback.

    Line breaks and other control characters are written as escapes such as `\n`.
    """

    def __init__(self, mask: SecretMask) -> None:
        super().__init__("%(asctime)s %(levelname)s [%(threadName)s] %(name)s: %(message)s")
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        """Return the whole line, masked, escaped and of bounded length."""
        # Mask before cutting: half a secret at the cut would not be recognised.
        line = _CONTROLS.sub(_escape, self._mask.mask(super().format(record)))
        if len(line) <= _LINE_CHARACTERS:
            return line
        half = _LINE_CHARACTERS // 2
        # Keep both ends: the message is at the front, a traceback's cause at the end.
        return f"{line[:half]} … {len(line) - 2 * half} characters … {line[-half:]}"

    def formatTime(  # noqa: N802 - logging's own name
        self,
        record: logging.LogRecord,
        datefmt: str | None = None,  # noqa: ARG002 - logging's own signature
    ) -> str:
        """Return the local time with milliseconds and offset, so that the zone is clear."""
        moment = datetime.fromtimestamp(record.created).astimezone()
        return moment.isoformat(timespec="milliseconds")


def _escape(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode("ascii")


class RotatingLog(RotatingFileHandler):
    """Rotates when the system permits, and never fails the program.

    Windows does not rename a file that another program (an editor, a virus scanner) has open. Then
    the file keeps growing and is rotated later.
    """

    def __init__(self, path: Path, *, file_bytes: int, old_files: int) -> None:
        self._path = path
        super().__init__(
            path, maxBytes=file_bytes, backupCount=old_files, encoding="utf-8", errors="replace"
        )
        self._file_bytes = file_bytes
        self._has_failed = False

    def _open(self) -> TextIOWrapper:
        """Open the file for its owner only, never through a link."""
        self._remove_link()
        return open(
            self._path, "a", encoding=self.encoding, errors=self.errors, opener=_opened_privately
        )

    def _remove_link(self) -> None:
        """Remove a link in the file's place: somebody else may have put it there."""
        if self._path.is_symlink():
            target = self._path.readlink()
            self._path.unlink()
            warn(f"The log file {self._path} was a link to {target}; it is a file of its own now.")

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record. Of consecutive failures only the first goes to standard error."""
        failed_before, self._has_failed = self._has_failed, False
        super().emit(record)
        self._has_failed, is_new = self._has_failed, self._has_failed and not failed_before
        if is_new:
            warn(f"The log file {self._path} cannot be written at the moment.")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Note that writing failed, mostly for a full disk; the service continues without a log.

        Any other failure is a bug of ours, and logging shows it as usual.
        """
        if isinstance(sys.exc_info()[1], OSError):
            self._has_failed = True
        else:
            super().handleError(record)

    def doRollover(self) -> None:  # noqa: N802 - logging's own name
        """Renumber the files; if the newest cannot be moved, move none and let it grow."""
        if self.stream is not None:
            self.stream.close()
        # If the file cannot be reopened below, logging retries with each record.
        self.stream = None
        aside = self._path.with_name(self._path.name + ".new")
        try:
            # First the step that Windows may refuse: renumbering the old files at each failed
            # attempt would soon delete them all.
            self._path.replace(aside)
            for number in range(self.backupCount - 1, 0, -1):
                self._move(self._numbered(number), self._numbered(number + 1))
            self._move(aside, self._numbered(1))
            self.maxBytes = self._file_bytes
        except OSError:
            self._move(aside, self._path)
            self.maxBytes += self._file_bytes // 16
        finally:
            self.stream = self._open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    @staticmethod
    def _move(source: Path, target: Path) -> None:
        if source.exists():
            source.replace(target)


def _opened_privately(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), _OWNER_ONLY)
    if os.name == "posix" and os.fstat(descriptor).st_mode & 0o077:  # of an earlier version
        os.fchmod(descriptor, _OWNER_ONLY)
    return descriptor


def warn(text: str) -> None:
    """Write to standard error, if there is one: a windowed program has none."""
    if sys.stderr is not None:
        with suppress(OSError):  # nobody reads it any more
            sys.stderr.write(text + "\n")


class LogSetup:
    """The installed handlers; `close()` restores the logging system."""

    def __init__(self, handlers: list[logging.Handler], level: int) -> None:
        self._handlers = handlers
        root = logging.getLogger()
        self._old_levels = {name: logging.getLogger(name).level for name in ("", *_QUIET)}
        root.setLevel(level)
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.ERROR)
        for handler in handlers:
            root.addHandler(handler)

    def close(self) -> None:
        """Flush and close the log. A second close does nothing."""
        for handler in self._handlers:
            logging.getLogger().removeHandler(handler)
            with suppress(OSError):  # the disk is full, which was reported before
                handler.close()
        for name, level in self._old_levels.items():
            logging.getLogger(name).setLevel(level)
        self._handlers, self._old_levels = [], {}


def set_up_logging(
    folder: DataFolder,
    mask: SecretMask,
    *,
    console: TextIO | None = None,
    level: int = logging.INFO,
) -> LogSetup:
    """Log to the data folder, and to `console` if one is given.

    If the log folder cannot be written, standard error says so and the program continues. Of
    waitress and urllib3 only errors are logged. Only the service may write the file: two processes
    would rotate it under each other.
    """
    handlers: list[logging.Handler] = []
    try:
        handlers.append(_file_handler(folder))
    except FileAccessError as exc:
        warn(str(exc))
    if console is not None:
        handlers.append(logging.StreamHandler(console))
    for handler in handlers:
        handler.setFormatter(OneLineFormatter(mask))
    return LogSetup(handlers, level)


def _file_handler(folder: DataFolder) -> RotatingLog:
    try:
        folder.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        return RotatingLog(folder.log_file, file_bytes=_FILE_BYTES, old_files=_OLD_FILES)
    except OSError as exc:
        raise access_error(folder.logs, exc) from exc
