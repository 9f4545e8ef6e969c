"""The command line in scripts: exit codes, one JSON document, awkward terminals."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import main
from server.config.paths import DataFolder
from server.version import VERSION
from tests.e2e.program import FIRST, ROOT, Program
from tests.waiting import PATIENCE_S

COMMANDS = ("serve", "configure", "status", "events", "self-test", "demo")


@pytest.fixture
def with_events(program: Program) -> Program:
    program.set_up()
    service = program.serve()
    with service.sender() as sender:
        sent = [{"EventType": "user_add_org", "名": "张三丰🙂", "n": n} for n in range(300)]
        assert all(one.accepted for one in sender.burst(sent, 4))
    assert service.stop() == 0
    return program


def test_the_version_and_the_commands_are_told(program: Program) -> None:
    assert program.run("--version", has_folder=False).out.decode().strip() == VERSION
    shown = program.run("--help", has_folder=False)
    assert shown.code == 0
    assert [name for name in COMMANDS if name not in shown.out.decode()] == []
    assert list(program.folder.root.parent.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ["unheard-of"],
        ["status", "--unheard-of"],
        ["serve", "--port", "65536"],
        ["serve", "--port", "http"],
        ["events", "--limit", "0"],
        ["events", "--limit", "many"],
        ["status", "one-too-many"],
        ["status", "--js"],
        ["status", "--data-dir", ""],
        ["configure", "--data-dir", " "],
        ["events", "--type", "\udcff"],
        ["sync", "--allow", "\udcff"],
        ["serve", "--host", "\udcff"],
    ],
    ids=ascii,
)
def test_wrong_usage_is_2_and_says_why(program: Program, words: list[str]) -> None:
    done = program.run(*words, has_folder="--data-dir" not in words)
    assert (done.code, done.out) == (2, b"")
    assert "usage" in done.errors
    assert "_port" not in done.errors
    assert not program.folder.root.exists()


def test_the_data_folder_is_taken_before_or_after_the_command(program: Program) -> None:
    program.set_up()
    folder = str(program.folder.root)
    before = program.run("--data-dir", folder, "status", "--json", has_folder=False)
    after = program.run("status", "--data-dir", folder, "--json", has_folder=False)
    assert before.document["credentials"]["active"]["key"] == FIRST.key
    assert before == after
    twice = program.run("--data-dir", "/nowhere", "status", "--json")
    assert twice == after


def test_without_a_data_folder_it_is_the_accounts_own(program: Program) -> None:
    home = program.folder.root.parent
    changes = b'{"sync": {"max_removals": 9}}'
    done = program.run("configure", stdin=changes, has_folder=False, env={"HOME": str(home)})
    assert done.code == 0
    assert (home / ".local/share/dingbridge/settings.json").exists()


def test_asking_before_any_start_makes_nothing(program: Program) -> None:
    status = program.status()
    assert status["service"]["running"] is False
    assert status["credentials"]["missing"] == ["token", "aes_key", "key"]
    assert program.events() == []
    assert program.run("status").code == 0
    assert program.run("events").out == b""
    assert not program.folder.root.exists()


def test_the_status_has_what_others_rely_on(program: Program) -> None:
    program.set_up()
    service = program.serve()
    status = program.status()
    assert set(status) >= {"service", "credentials", "doctor", "events", "sync", "notices"}
    assert status["service"]["address"] == service.address
    assert set(status["credentials"]) >= {"active", "pending", "previous"}
    assert set(status["credentials"]["active"]) >= {"last_used_at", "last_used_from"}
    assert set(status["events"]) >= {"pending", "working", "done", "ignored", "failed"}
    assert status["doctor"] is None
    assert program.run("status").lines[0].startswith(f"Service: running at {service.address}")


@pytest.mark.parametrize("words", [["status"], ["events"], ["self-test"]], ids=" ".join)
def test_a_failure_is_one_json_document_too(program: Program, words: list[str]) -> None:
    program.set_up()
    program.folder.settings.write_text("{")
    program.folder.database.write_bytes(b"no database" * 1000)
    done = program.run(*words, "--json")
    assert done.code == (1 if words == ["events"] else 2)
    assert isinstance(done.document, dict)
    assert "Traceback" not in done.errors


@pytest.mark.parametrize("encoding", ["ascii", "gbk", "utf-8", "latin-1:strict"])
def test_no_terminal_is_too_poor(with_events: Program, encoding: str) -> None:
    with_events.beside().configure({"ui": {"language": "zh-CN"}})
    env = {"PYTHONIOENCODING": encoding}
    for words in (["status"], ["events", "--json"], ["events"]):
        done = with_events.run(*words, env=env)
        assert (done.code, done.err) == (0, b"")
    shown = done.out.decode(encoding.partition(":")[0])
    assert ("张三丰" in shown) is (encoding in {"gbk", "utf-8"})


def test_no_events_are_said_to_be_none(program: Program) -> None:
    done = program.run("events")
    assert (done.code, done.out, done.errors) == (0, b"", "No such events.\n")
    assert program.events() == []


def test_chinese_is_spoken_where_the_system_or_the_settings_say_so(program: Program) -> None:
    english = program.run("status").lines
    by_system = program.run("status", env={"LC_ALL": "zh_CN.UTF-8"}).lines
    assert english[0] == "Service: not running"
    assert by_system[0] != english[0]
    program.configure({"ui": {"language": "zh-CN"}})
    assert program.run("status").lines == by_system
    program.configure({"ui": {"language": "en"}})
    assert program.run("status", env={"LC_ALL": "zh_CN.UTF-8"}).lines == english


def test_a_reader_who_has_seen_enough_causes_no_complaint(with_events: Program) -> None:
    for words in ("events", "events --json --limit 300", "status"):
        assert ended_unread(with_events, words) == (1, b"")


def ended_unread(with_events: Program, words: str) -> tuple[int, bytes]:
    process = subprocess.Popen(
        with_events.command(*words.split(), "--data-dir", str(with_events.folder.root)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=with_events.environment(),
        cwd=ROOT,
    )
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, errors = process.communicate(timeout=PATIENCE_S)
    return process.returncode, errors


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
@pytest.mark.parametrize("words", ["events", "events --json --limit 300", "status", "--help"])
def test_output_that_finds_no_room_is_a_failure(with_events: Program, words: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            with_events.command(*words.split(), "--data-dir", str(with_events.folder.root)),
            stdout=full,
            stderr=subprocess.PIPE,
            env=with_events.environment(),
            cwd=ROOT,
            timeout=PATIENCE_S,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"The output could not be written")
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("failure", [TimeoutError("timed out"), ConnectionResetError()])
def test_an_error_of_the_system_within_a_command_is_no_lost_output(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failure: OSError,
) -> None:
    def fail(*_: object) -> int:
        raise failure

    monkeypatch.setattr("ui.console.commands.status", fail)
    with pytest.raises(type(failure)):
        main.main(["--data-dir", str(tmp_path), "status"])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("words", ["status", "status --json", "events --json"])
def test_a_refusal_of_standard_output_without_a_file_behind_it_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
) -> None:
    monkeypatch.setattr(sys, "stdout", _Full())
    assert main.main(["--data-dir", str(tmp_path), *words.split()]) == 1
    told = capsys.readouterr().err
    assert told == "The output could not be written: No space left on device.\n"


class _Full(io.StringIO):
    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("words", ["status", "status --json", "events --json", "--help"])
def test_where_there_is_no_standard_output_a_command_does_its_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main.main(["--data-dir", str(tmp_path), *words.split()]) == 0


def test_where_there_is_no_standard_output_an_error_of_the_system_stays_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise TimeoutError("timed out")

    monkeypatch.setattr("ui.console.commands.status", fail)
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(TimeoutError):
        main.main(["--data-dir", str(tmp_path), "status"])


@pytest.mark.skipif(os.name == "nt", reason="Windows' names are always text")
def test_a_data_folder_may_have_a_name_that_is_no_text(program: Program) -> None:
    folder = os.fsdecode(os.fsencode(program.folder.root) + b"\xff")
    program.folder = DataFolder(Path(folder))
    service = program.serve()
    assert program.status()["service"]["address"] == service.address
    assert program.events() == []
    assert service.stop() == 0
    assert "Traceback" not in service.said


@pytest.mark.parametrize("closed", [0, 1, 2])
@pytest.mark.parametrize("words", ["status --json", "configure", "events --type x"])
def test_a_closed_stream_is_survived(program: Program, words: str, closed: int) -> None:
    done = subprocess.run(
        program.command(*words.split(), "--data-dir", str(program.folder.root)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=program.environment(),
        cwd=ROOT,
        timeout=PATIENCE_S,
        check=False,
        preexec_fn=lambda: os.close(closed),
    )
    assert done.returncode == (2 if words == "configure" else 0)
    assert b"Traceback" not in done.stdout + done.stderr
    if words == "configure":
        assert done.stdout == b""


def test_an_error_never_lands_in_the_json_of_who_closed_standard_error(program: Program) -> None:
    program.folder.root.mkdir()
    program.folder.database.write_bytes(b"no database" * 1000)
    done = subprocess.run(
        program.command("events", "--json", "--data-dir", str(program.folder.root)),
        stdout=subprocess.PIPE,
        env=program.environment(),
        cwd=ROOT,
        timeout=PATIENCE_S,
        check=False,
        preexec_fn=lambda: os.close(2),
    )
    assert (done.returncode, list(json.loads(done.stdout))) == (1, ["error"])


def test_a_break_while_typing_leaves_without_a_traceback(program: Program) -> None:
    # Who starts the tests in the background has this signal ignored by all that is started then.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            program.command("configure", "--data-dir", str(program.folder.root)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=program.environment(),
            cwd=ROOT,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert process.stdin is not None
    # More than a pipe holds: once all is written, the program is reading.
    process.stdin.write(b" " * 1_000_000)
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out, errors) == (1, b"", b"Ended by Ctrl+C.\n")


# Presses Ctrl+C in the midst of an import, which lets no exception through unchanged.
BREAK_WHILE_IMPORTING = """
import runpy, signal, sys
class Finder:
    def find_spec(self, name, *_):
        if name == "server.api.app":
            signal.raise_signal(signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Finder())
runpy.run_path("main.py", run_name="__main__")
"""
BREAK_AT_THE_END = """
import atexit, runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
atexit.register(signal.raise_signal, signal.SIGINT)
runpy.run_path("main.py", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("script", "code", "told"),
    [(BREAK_WHILE_IMPORTING, 1, "Ended by Ctrl+C.\n"), (BREAK_AT_THE_END, 0, "")],
    ids=["while it starts", "once all is said"],
)
def test_a_break_before_or_after_the_command_is_no_accident(
    program: Program, script: str, code: int, told: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", script, "status", "--data-dir", str(program.folder.root)],
        capture_output=True,
        text=True,
        env=program.environment(),
        cwd=ROOT,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, told)


def test_a_break_before_the_command_has_begun_leaves_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ui.console.attach.connect_streams", interrupt)
    assert main.main(["status"]) == 1


def test_the_demo_needs_no_account_and_leaves_nothing(program: Program) -> None:
    done = program.run("demo", env={"TMPDIR": str(program.folder.root.parent)})
    assert (done.code, done.errors) == (0, "")
    assert done.lines[-1] == "Everything worked."
    assert list(program.folder.root.parent.iterdir()) == []


def test_a_key_log_that_another_program_set_is_neither_written_nor_in_the_way(
    program: Program, tmp_path: Path
) -> None:
    secret, token = "MadeUpContactSecret", "wwMadeUpCorp01"
    base = {"api_base": "https://127.0.0.1:1"}
    values = {"wecom": {"corp_id": token, "contact_secret": secret, **base}}
    assert program.run("configure", stdin=json.dumps(values).encode()).code == 0
    for place in (tmp_path / "missing" / "keys.log", tmp_path / "keys.log"):
        tried = program.run("test-connection", "wecom", "--json", env={"SSLKEYLOGFILE": str(place)})
        assert b"cannot be reached" in tried.out + tried.err
        assert b"SSLKEYLOGFILE" not in tried.out + tried.err
        assert not place.exists()
