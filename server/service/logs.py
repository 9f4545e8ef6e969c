"""The log: a rotating file, one line an event, and nothing in it that gives a secret away.

Whoever logs keeps secrets out; the mask here is the last resort, and covers tracebacks, too.
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
# Line breaks and terminal controls of whoever sends us something must not forge lines, and marks
# that reverse the direction of writing must not disguise them. Lone surrogates do not encode.
_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


class SecretMask:
    """Knows the secrets in use and takes them out of any text. Safe for threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[str] = Counter()
        self._pattern: re.Pattern[str] | None = None

    def register(self, secrets: Iterable[Secret]) -> None:
        """Mask these from now on. What is registered twice must be unregistered twice."""
        with self._lock:
            self._counts.update(secret.reveal() for secret in secrets if secret)
            self._compile()

    def unregister(self, secrets: Iterable[Secret]) -> None:
        """No longer mask these; unknown ones are passed over."""
        with self._lock:
            self._counts.subtract(secret.reveal() for secret in secrets if secret)
            self._counts = +self._counts
            self._compile()

    def mask(self, text: str) -> str:
        """Return `text` without registered secrets and without what looks like one by its name."""
        pattern = self._pattern  # replaced whole, so no lock is needed to read it
        if pattern is not None:
            text = pattern.sub(MASK, text)
        text = _QUERY.sub(rf"\1={MASK}", text)
        return _FIELD.sub(rf"\g<quote>\g<name>\g<quote>: \g<mark>{MASK}\g<mark>", text)

    def _compile(self) -> None:
        forms = {form for secret in self._counts for form in (secret, quote(secret, safe=""))}
        # The longest first: a secret may begin with another one.
        parts = [_as_pattern(form) for form in sorted(forms, key=len, reverse=True)]
        self._pattern = re.compile("|".join(parts)) if parts else None


def _as_pattern(secret: str) -> str:
    """Match a short secret (tokens may have 3 letters) as a word only, to keep the log readable."""
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
        # Masked before it is cut: half a secret at the edge would not be recognised.
        line = _CONTROLS.sub(_escape, self._mask.mask(super().format(record)))
        if len(line) <= _LINE_CHARACTERS:
            return line
        half = _LINE_CHARACTERS // 2
        # Both ends tell: the message is at the front, a traceback's cause at the end.
        return f"{line[:half]} … {len(line) - 2 * half} characters … {line[-half:]}"

    def formatTime(  # noqa: N802 - logging's own name
        self,
        record: logging.LogRecord,
        datefmt: str | None = None,  # noqa: ARG002 - logging's own signature
    ) -> str:
        """Return the local time with milliseconds and offset, so that no zone is guessed."""
        moment = datetime.fromtimestamp(record.created).astimezone()
        return moment.isoformat(timespec="milliseconds")


def _escape(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode("ascii")


class RotatingLog(RotatingFileHandler):
    """Rotates where the system lets it, and never fails the program.

    Windows does not rename a file that another program (an editor, a virus scanner) has open;
    then the file grows on and is rotated later.
    """

    def __init__(self, path: Path, *, file_bytes: int, old_files: int) -> None:
        self._path = path
        super().__init__(
            path, maxBytes=file_bytes, backupCount=old_files, encoding="utf-8", errors="replace"
        )
        self._file_bytes = file_bytes
        self._has_failed = False

    def _open(self) -> TextIOWrapper:
        """Open the file for its owner only, and never where a link would lead."""
        self._remove_link()
        return open(
            self._path, "a", encoding=self.encoding, errors=self.errors, opener=_opened_privately
        )

    def _remove_link(self) -> None:
        """Take a link from the file's place: somebody else may have put it there."""
        if self._path.is_symlink():
            target = self._path.readlink()
            self._path.unlink()
            warn(f"The log file {self._path} was a link to {target}; it is a file of its own now.")

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record; the first failure of a row is told on standard error, no more."""
        failed_before, self._has_failed = self._has_failed, False
        super().emit(record)
        self._has_failed, is_new = self._has_failed, self._has_failed and not failed_before
        if is_new:
            warn(f"The log file {self._path} cannot be written at the moment.")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Note that writing failed (a full disk, mostly); the service goes on without.

        What is no failure of the disk is a mistake of ours, and is shown as logging does.
        """
        if isinstance(sys.exc_info()[1], OSError):
            self._has_failed = True
        else:
            super().handleError(record)

    def doRollover(self) -> None:  # noqa: N802 - logging's own name
        """Move the files up by one; where the newest cannot be moved, nothing is and it grows."""
        if self.stream is not None:
            self.stream.close()
        # Where the file cannot be opened again below, logging's own code tries with each record.
        self.stream = None
        aside = self._path.with_name(self._path.name + ".new")
        try:
            # The one step that Windows may refuse comes first: moving the old files up at each
            # attempt would push them all out.
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
    """Say something where the log cannot; a windowed program has no standard error at all."""
    if sys.stderr is not None:
        with suppress(OSError):  # closed at its other end; there is nobody left to tell
            sys.stderr.write(text + "\n")


class LogSetup:
    """The handlers in place; `close()` puts the logging system back as it was."""

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
        """Flush and close the log; closing twice does nothing."""
        for handler in self._handlers:
            logging.getLogger().removeHandler(handler)
            with suppress(OSError):  # the last lines do not fit on a full disk; told before
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
    """Log to the data folder, and to `console` as well where one is given.

    A log folder that cannot be written is told on standard error and stops nothing. Waitress and
    urllib3 are heard only when they fail. Only the service writes the file; two processes would
    rotate it under each other.
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
