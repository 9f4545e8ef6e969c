r"""Start with Windows: one value under HKCU's Run key, written and removed on request only."""

import sys
from contextlib import suppress
from pathlib import Path

_VALUE = "DingBridge"
_KEY = r"Software\Microsoft\Windows\CurrentVersion\Run"


def is_supported() -> bool:
    """Tell whether this system has a Run key."""
    return sys.platform == "win32"


def command_line(executable: str, script: str | None, data_dir: Path | None) -> str:
    """Return the command that starts this program again; quoted, for paths with blanks.

    `script` is main.py where the program is not frozen; `data_dir` only where one was chosen.
    """
    words = [f'"{executable}"', *([f'"{script}"'] if script else []), "--background"]
    if data_dir is not None:
        words += ["--data-dir", f'"{data_dir.absolute()}"']
    return " ".join(words)


if sys.platform == "win32":
    import winreg

    from server.config.files import access_error, named

    _PLACE = Path("HKEY_CURRENT_USER", _KEY)

    def is_enabled() -> bool:
        """Tell whether Windows starts the program at log-on. Raises FileAccessError."""
        try:
            with winreg.OpenKey(winreg.HKEY_CURRENT_USER, _KEY) as key:
                winreg.QueryValueEx(key, _VALUE)
        except FileNotFoundError:
            return False
        except OSError as exc:
            raise access_error(_PLACE, exc) from exc
        return True

    def enable(command: str) -> None:
        """Have Windows run `command` at log-on. Raises FileAccessError: a policy may forbid it."""
        with named(_PLACE), winreg.CreateKey(winreg.HKEY_CURRENT_USER, _KEY) as key:
            winreg.SetValueEx(key, _VALUE, 0, winreg.REG_SZ, command)

    def disable() -> None:
        """Remove the value; nothing happens where there is none. Raises FileAccessError."""
        with (
            named(_PLACE),
            suppress(FileNotFoundError),
            winreg.OpenKey(winreg.HKEY_CURRENT_USER, _KEY, 0, winreg.KEY_SET_VALUE) as key,
        ):
            winreg.DeleteValue(key, _VALUE)
else:

    def is_enabled() -> bool:
        """Tell whether the system starts the program; never, where there is no Run key."""
        return False

    def enable(command: str) -> None:
        """Refuse: see `is_supported`. Raises OSError."""
        raise OSError(f"no Run key for {command}")

    def disable() -> None:
        """Do nothing: there is no value to remove."""
