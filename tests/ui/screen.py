"""A screen of its own for the windows under test: Xvfb, where there is one."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

HAS_XVFB = shutil.which("Xvfb") is not None


@contextmanager
def screen(width: int = 1280, height: int = 900) -> Iterator[str]:
    """Run an Xvfb, name it in DISPLAY, and yield its name."""
    reader, writer = os.pipe()
    command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", f"{width}x{height}x24"]
    before = os.environ.get("DISPLAY")
    with subprocess.Popen(
        [*command, "-nolisten", "tcp", "-noreset"],
        pass_fds=[writer],
        stderr=subprocess.DEVNULL,
    ) as server:
        os.close(writer)
        with os.fdopen(reader) as told:
            name = f":{told.readline().strip()}"
        os.environ["DISPLAY"] = name
        try:
            yield name
        finally:
            if before is None:
                del os.environ["DISPLAY"]
            else:
                os.environ["DISPLAY"] = before
            server.terminate()
            server.wait(10)
