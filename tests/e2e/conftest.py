import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.program import Program, values

# Signals, limits of a running process and closed descriptors are POSIX's; the built program is
# tested on Windows by itself.
collect_ignore_glob = ["test_*.py"] if sys.platform == "win32" else []

# Whatever a test does, these appear nowhere but in secrets.json.
SECRETS = [text for number in range(10) for text in (values(number).token, values(number).aes_key)]


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    transcripts = tmp_path / "transcripts"
    transcripts.mkdir()
    program = Program(tmp_path / "home" / "数据 文件夹", transcripts)
    program.folder.root.parent.mkdir()
    try:
        yield program
    finally:
        program.close()
    leaks = [
        (path.name, secret)
        for path, content in program.written().items()
        for secret in SECRETS
        if secret.encode() in content
    ]
    assert leaks == []
