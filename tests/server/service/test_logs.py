import errno
import io
import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.secret import Secret
from server.config.paths import DataFolder
from server.service.logs import LogSetup, OneLineFormatter, RotatingLog, SecretMask, set_up_logging

AES_KEY = "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij"
LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d INFO \[MainThread\] server\.test: "
)
log = logging.getLogger("server.test")


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "数据 文件夹")


@pytest.fixture
def mask() -> SecretMask:
    return SecretMask()


@pytest.fixture
def setup(folder: DataFolder, mask: SecretMask) -> Iterator[LogSetup]:
    setup = set_up_logging(folder, mask)
    yield setup
    setup.close()


def lines(folder: DataFolder) -> list[str]:
    return folder.log_file.read_text("utf-8").splitlines()


def formatted(text: str, mask: SecretMask | None = None) -> str:
    record = logging.LogRecord("server.test", logging.INFO, "", 0, text, None, None)
    return OneLineFormatter(mask or SecretMask()).format(record)


@pytest.mark.usefixtures("setup")
def test_an_event_is_one_line_with_time_level_and_thread(folder: DataFolder) -> None:
    log.info("已启动 at %s", "127.0.0.1")
    (line,) = lines(folder)
    assert LINE.match(line)
    assert line.endswith("server.test: 已启动 at 127.0.0.1")


@pytest.mark.usefixtures("setup")
def test_a_traceback_stays_on_its_line(folder: DataFolder) -> None:
    try:
        int("x\ny")
    except ValueError:
        log.exception("it failed")
    (line,) = lines(folder)
    assert "it failed\\nTraceback" in line
    assert line.endswith(
        "ValueError: invalid literal for int() with base 10: 'x\\\\ny'".replace("\\\\", "\\")
    )


@given(st.text())
def test_nobody_can_forge_a_line(text: str) -> None:
    line = formatted(text)
    assert len(line.splitlines()) == 1
    assert line.encode().decode() == line


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        ("a\r\n2026 INFO fake", "a\\r\\n2026 INFO fake"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\u2028b\u202ec", "a\\u2028b\\u202ec"),
        ("half \ud800", "half \\ud800"),
    ],
)
def test_control_characters_are_written_as_escapes(sent: str, written: str) -> None:
    assert formatted(sent).endswith(": " + written)


def test_an_endless_message_is_cut_in_the_middle() -> None:
    line = formatted("x" * 1_000_000 + "the cause")
    assert len(line) < 8100
    assert line.endswith("the cause")


# Masking


def test_registered_secrets_are_masked_until_all_who_registered_them_let_go() -> None:
    mask = SecretMask()
    active, pending = [Secret(AES_KEY), Secret("tokenA")], [Secret(AES_KEY)]
    mask.register(active)
    mask.register(pending)
    assert mask.mask(f"{AES_KEY} tokenA") == "*** ***"
    mask.unregister(active)
    assert mask.mask(f"{AES_KEY} tokenA") == "*** tokenA"
    mask.unregister(pending)
    mask.unregister(pending)
    assert mask.mask(AES_KEY) == AES_KEY


def test_a_secret_that_begins_with_another_is_masked_whole() -> None:
    mask = SecretMask()
    mask.register([Secret("abcdef"), Secret("abcdef123"), Secret("")])
    assert mask.mask("abcdef123") == "***"


def test_a_short_token_is_masked_as_a_word_only() -> None:
    mask = SecretMask()
    mask.register([Secret("log")])
    assert mask.mask("log=log, catalogue") == "***=***, catalogue"


def test_a_secret_in_an_address_is_masked() -> None:
    mask = SecretMask()
    mask.register([Secret("p&ss/word+1")])
    assert mask.mask("x=" + quote("p&ss/word+1", safe="")) == "x=***"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "GET /user?access_token=abc.d-e&userid=7 HTTP/1.1",
            "GET /user?access_token=***&userid=7 HTTP/1.1",
        ),
        ("corpid=ww1&corpsecret=xyz", "corpid=ww1&corpsecret=***"),
        ("appkey=ding1&appsecret=xyz'", "appkey=ding1&appsecret=***'"),
        ("?signature=5a6&msg_signature=5a6&nonce=n", "?signature=***&msg_signature=***&nonce=n"),
        ('{"aes_key": "a\\"b", "port": 1}', '{"aes_key": "***", "port": 1}'),
        ('{"access_token":"x","expires_in":7200}', '{"access_token": "***","expires_in":7200}'),
        ("{'token': 'x', 'key': 'ding'}", "{'token': '***', 'key': 'ding'}"),
        (r'"{\"app_secret\":\"x\",\"a\":1}"', r'"{\"app_secret\": \"***\",\"a\":1}"'),
        ('"corpSecret": "cut off', '"corpSecret": "***"'),
    ],
)
def test_what_looks_like_a_secret_by_its_name_is_masked(text: str, expected: str) -> None:
    assert SecretMask().mask(text) == expected


def test_masking_hostile_text_takes_no_time_to_speak_of() -> None:
    for text in ("\\" * 200_000, '"token"' + " " * 200_000, '"token":"' + "\\" * 200_001):
        SecretMask().mask(text)


@pytest.mark.usefixtures("setup")
def test_a_secret_in_arguments_or_an_exception_is_masked(
    folder: DataFolder, mask: SecretMask
) -> None:
    mask.register([Secret(AES_KEY)])
    try:
        json.loads(AES_KEY)
        raise ValueError(AES_KEY)  # noqa: TRY301 - what is logged below
    except ValueError:
        log.exception("with %s", AES_KEY)
    assert AES_KEY not in folder.log_file.read_text("utf-8")


def test_secrets_may_be_registered_while_others_log(mask: SecretMask) -> None:
    def register(number: int) -> None:
        for count in range(50):
            secret = [Secret(f"secret-{number}-{count}")]
            mask.register(secret)
            assert mask.mask(f"secret-{number}-{count}") == "***"
            mask.unregister(secret)

    threads = [Thread(target=register, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mask.mask("secret-1-1") == "secret-1-1"


# Set-up


def test_the_console_gets_the_same_line(folder: DataFolder, mask: SecretMask) -> None:
    console = io.StringIO()
    setup = set_up_logging(folder, mask, console=console)
    log.info("signature=abc")
    setup.close()
    assert console.getvalue().splitlines() == lines(folder)
    assert console.getvalue().endswith("signature=***\n")


@pytest.mark.usefixtures("setup")
def test_libraries_are_heard_only_when_they_fail(folder: DataFolder) -> None:
    logging.getLogger("waitress.queue").warning("Task queue depth is 1")
    logging.getLogger("urllib3.connectionpool").warning("Retrying")
    logging.getLogger("urllib3.connectionpool").error("failed")
    assert len(lines(folder)) == 1


def test_closing_puts_logging_back_as_it_was(folder: DataFolder, mask: SecretMask) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.getLogger("waitress").level)
    setup = set_up_logging(folder, mask)
    setup.close()
    setup.close()
    assert before == (root.level, list(root.handlers), logging.getLogger("waitress").level)


def test_a_log_folder_that_cannot_be_written_stops_nothing(
    folder: DataFolder, mask: SecretMask, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.ensure()
    folder.logs.write_text("")
    setup = set_up_logging(folder, mask)
    log.info("goes on")
    setup.close()
    assert str(folder.logs) in capsys.readouterr().err


def test_a_windowed_program_without_standard_error_goes_on(
    folder: DataFolder, mask: SecretMask, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.ensure()
    folder.logs.write_text("")
    monkeypatch.setattr(sys, "stderr", None)
    set_up_logging(folder, mask).close()


# Rotation


@pytest.fixture
def small(tmp_path: Path) -> Iterator[RotatingLog]:
    handler = RotatingLog(tmp_path / "small.log", file_bytes=100, old_files=2)
    handler.setFormatter(logging.Formatter("%(message)s"))
    yield handler
    handler.close()


def write(handler: RotatingLog, *texts: str) -> None:
    for text in texts:
        handler.handle(logging.LogRecord("x", logging.INFO, "", 0, text, None, None))


def first_letters(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text()[:1] for path in sorted(folder.iterdir())}


def test_the_oldest_lines_go_when_the_files_are_full(small: RotatingLog, tmp_path: Path) -> None:
    write(small, *(letter * 60 for letter in "abcd"))
    assert first_letters(tmp_path) == {"small.log": "d", "small.log.1": "c", "small.log.2": "b"}


@pytest.mark.parametrize("stuck", ["small.log", "small.log.1"])
def test_a_file_that_another_program_holds_is_rotated_later(
    small: RotatingLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stuck: str
) -> None:
    write(small, "a" * 60, "b" * 60)
    genuine = os.replace

    def refuse(source: Path, target: Path) -> None:
        if source.name == stuck:
            raise PermissionError(errno.EACCES, "in use", str(source))
        genuine(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    write(small, "c" * 60, "d" * 60)
    monkeypatch.undo()
    assert first_letters(tmp_path) == {"small.log": "b", "small.log.1": "a"}
    assert (tmp_path / "small.log").read_text().split() == ["b" * 60, "c" * 60, "d" * 60]
    write(small, "e" * 60)
    assert first_letters(tmp_path) == {"small.log": "e", "small.log.1": "b", "small.log.2": "a"}


def test_a_full_disk_is_told_once_and_logging_comes_back(
    small: RotatingLog,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(small, "flush", full)
        write(small, "lost", "lost, too")
    assert len(capsys.readouterr().err.splitlines()) == 1
    write(small, "back")
    assert (tmp_path / "small.log").read_text().endswith("back\n")


def test_a_mistake_in_a_log_call_is_shown(
    small: RotatingLog, capsys: pytest.CaptureFixture[str]
) -> None:
    small.handle(logging.LogRecord("x", logging.INFO, "", 0, "%d", ("no number",), None))
    assert "TypeError" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such rights")
@pytest.mark.parametrize("is_old", [False, True])
def test_the_log_is_for_its_owner_only(
    folder: DataFolder, mask: SecretMask, *, is_old: bool
) -> None:
    before = os.umask(0)
    try:
        if is_old:
            folder.logs.mkdir(parents=True)
            folder.log_file.touch(0o666)
        set_up_logging(folder, mask).close()
    finally:
        os.umask(before)
    assert folder.log_file.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.name == "nt", reason="links take rights there that nobody has")
def test_a_link_in_the_logs_place_is_not_followed(
    folder: DataFolder, mask: SecretMask, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    folder.logs.mkdir(parents=True)
    folder.log_file.symlink_to(victim)
    setup = set_up_logging(folder, mask)
    log.info("an event")
    setup.close()
    assert victim.read_text() == "mine"
    assert "an event" in folder.log_file.read_text()
    assert f"was a link to {victim}" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="links take rights there that nobody has")
def test_a_link_that_comes_back_while_the_log_is_opened_is_refused(
    folder: DataFolder, mask: SecretMask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    folder.logs.mkdir(parents=True)
    folder.log_file.symlink_to(victim)
    monkeypatch.setattr(Path, "is_symlink", lambda _: False)  # put there right after the look
    set_up_logging(folder, mask).close()
    assert not victim.exists()
