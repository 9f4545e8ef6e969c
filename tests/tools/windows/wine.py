"""A Wine of our own: its folder of registry and drives, and how programs are started in it."""

import hashlib
import os
import selectors
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from tests.tools.windows.assemble import cache_folder, keep_latest, one_at_a_time
from tests.tools.windows.debian import CHINESE, MissingToolError, run

# What Windows calls its fonts, and Debian's font that has the Chinese letters.
_WINDOWS_FONTS = (
    "MS Shell Dlg", "MS Shell Dlg 2", "Microsoft YaHei", "Microsoft YaHei UI", "Segoe UI",
    "SimSun", "System", "Tahoma",
)  # fmt: skip
_CHINESE_FONT = "WenQuanYi Micro Hei"
_LAST_WORDS_S, _POLL_S, _LIMIT_S = 0.3, 0.05, 30
_BLOCK_BYTES = 1 << 16
# No offers to download a browser or .NET, and no entries in the menu of whoever runs the tests.
_OVERRIDES = "mscoree=;mshtml=;winemenubuilder.exe="


def windows_path(path: Path) -> str:
    """Return a path as Windows programs under Wine call it: `/` is their drive Z."""
    return str(PureWindowsPath("Z:", *path.absolute().parts))


@dataclass(frozen=True, slots=True)
class Wine:
    """One Wine prefix. `language` is a locale's name; Windows speaks its language.

    Its programs share what the first of them opened, the screen that they would draw on included:
    so all get the same `display`, or none.
    """

    prefix: Path
    language: str = "C.UTF-8"
    display: str = ""

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment for programs: nothing of this machine's that could leak in."""
        kept = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
        own = {
            "WINEPREFIX": str(self.prefix),
            "WINEARCH": "win64",
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": _OVERRIDES,
            "LC_ALL": self.language,
        }
        if self.display:
            own["DISPLAY"] = self.display
        return kept | own | dict(extra or {})

    def start(
        self,
        program: Path | str,
        *arguments: str,
        extra: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> "subprocess.Popen[bytes]":
        """Start a program with pipes: with files or none, Windows' Python does not come up."""
        name = windows_path(program) if isinstance(program, Path) else program
        return subprocess.Popen(
            ["wine", name, *arguments],
            env=self.environment(extra),
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let what runs in every Windows run for the time of the block, for this process alone.

        Two at a time would find each other's desktops, and one that comes later a Windows that
        draws on the screen of one that is gone.
        """
        with one_at_a_time("running"):
            self._end()
            self._wake()
            try:
                yield
            finally:
                self._end()

    def _wake(self) -> None:
        """Start Windows, and let it stay for half an hour after the last program.

        What the first program starts keeps that program's pipes open: whoever read them to their
        end would wait for all of Windows to end. So the first one has none.
        """
        run(["wineserver", "--persistent=1800"], self.environment())
        run(["wine", "cmd", "/c", "exit"], self.environment())

    def _end(self) -> None:
        # Exit code 1: there is none.
        subprocess.run(
            ["wineserver", "--kill"], env=self.environment(), timeout=_LIMIT_S, check=False
        )


def outcome(process: "subprocess.Popen[bytes]", text: bytes, limit_s: float) -> tuple[bytes, bytes]:
    """Give a program its input and return what it wrote until its end.

    Not until the end of its pipes, as `communicate` does: what Windows starts for the first program
    on a desktop inherits them and stays. Raises TimeoutExpired.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    streams = (process.stdout, process.stderr)
    found = dict.fromkeys(streams, b"")
    end_s = time.monotonic() + limit_s
    with suppress(BrokenPipeError), process.stdin:
        process.stdin.write(text)
    with selectors.DefaultSelector() as waiting:
        for stream in streams:
            waiting.register(stream, selectors.EVENT_READ)
        while waiting.get_map():
            has_ended = process.poll() is not None
            ready = waiting.select(_LAST_WORDS_S if has_ended else _POLL_S)
            for key, _ in ready:
                content = os.read(key.fd, _BLOCK_BYTES)
                found[key.fileobj] += content  # type: ignore[index] # one of the two above
                if not content:
                    waiting.unregister(key.fileobj)
            if has_ended and not ready:
                break
            if time.monotonic() > end_s:
                raise subprocess.TimeoutExpired(process.args, limit_s)
    for stream in streams:
        stream.close()
    process.wait(_LIMIT_S)
    return found[process.stdout], found[process.stderr]


def ensure_wine() -> Wine:
    """Return the Wine that builds, made now where it is not there yet; raises MissingToolError."""
    if shutil.which("wine") is None:
        raise MissingToolError("wine is missing: run tests.tools.windows.assemble first")
    target = cache_folder() / f"wine-{_fingerprint()}"
    with one_at_a_time("wine"):
        if not target.exists():
            _make(target)
        keep_latest(target)
    return Wine(target)


def _fingerprint() -> str:
    version = subprocess.run(["wine", "--version"], capture_output=True, check=True).stdout
    return hashlib.sha256(version + _fonts().encode()).hexdigest()[:12]


def _make(target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        wine = Wine(Path(folder) / "wine", CHINESE)
        run(["wineboot", "--init"], wine.environment())
        fonts = Path(folder) / "fonts.reg"
        fonts.write_text(_fonts(), encoding="utf-16")
        run(["wine", "regedit", "/S", windows_path(fonts)], wine.environment())
        run(["wineserver", "--wait"], wine.environment())
        wine.prefix.rename(target)


def _fonts() -> str:
    lines = [f'"{name}"="{_CHINESE_FONT}"' for name in _WINDOWS_FONTS]
    key = r"[HKEY_CURRENT_USER\Software\Wine\Fonts\Replacements]"
    return "\r\n".join(["Windows Registry Editor Version 5.00", "", key, *lines, ""])
