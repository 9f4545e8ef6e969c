import json
import random
import socket
import threading
from pathlib import Path

from server.simulator.dingtalk.payloads import CONTACT_EVENTS, EventMaker, check_url
from tests.tools.windows.program import AES_KEY, KEY, SETTINGS, TOKEN, Program, Serving, until
from tests.tools.windows.wine import outcome, windows_path

CHINESE = {
    "EventType": "user_modify_org",
    "eventId": "e-1",
    "name": "欧阳𬱖（测试）🙂",
    "CorpId": "ding0",
}


def listed(program: Program) -> list[dict[str, object]]:
    """The events, oldest first."""
    found: list[dict[str, object]] = program.run("events", "--limit", "9999", "--json").document
    return found[::-1]


def payloads(program: Program) -> list[object]:
    return [event["payload"] for event in listed(program)]


def port_of(serving: Serving) -> int:
    return int(serving.url.split(":")[2].split("/")[0])


def test_callbacks_from_outside_are_acknowledged_and_listed(either: Program) -> None:
    assert either.configure().code == 0
    rng = random.Random(7)  # noqa: S311 - repeatable, not secret
    maker = EventMaker(rng, "ding0123456789abcdef", lambda: 1_700_000_000_123)
    events = [maker.any_of(event_type) for event_type in CONTACT_EVENTS] + [CHINESE]
    with either.serving() as serving, serving.sender() as dingtalk:
        assert dingtalk.deliver(check_url()).fault is None
        assert [None] * len(events) == [dingtalk.deliver(event).fault for event in events]
        assert events == payloads(either)
        assert either.run("self-test").code == 0
        status = either.run("status", "--json").document
    assert status["service"]["running"]
    assert serving.url == status["service"]["address"]
    assert status["credentials"]["active"]["calls"] == len(events) + 1
    assert status["credentials"]["active"]["last_used_from"] == "127.0.0.1"
    assert "Started" in either.log()
    assert not [word for word in ("WARNING", "ERROR", "CRITICAL") if word in either.log()]


def test_what_was_acknowledged_survives_kill_9(one_file: Program) -> None:
    events = [CHINESE | {"eventId": f"e-{number}"} for number in range(400)]
    acknowledged: list[object] = []
    with one_file.serving() as serving, serving.sender() as dingtalk:

        def send_until_refused() -> None:
            for event in events:
                body = json.dumps(event, ensure_ascii=False).encode()
                if dingtalk.attempt(body).fault is not None:
                    return
                acknowledged.append(event["eventId"])

        assert serving.url
        storm = threading.Thread(target=send_until_refused)
        storm.start()
        assert until(lambda: len(acknowledged) > 40)
        serving.kill()
        storm.join()
    assert len(acknowledged) < len(events)
    with one_file.serving() as serving, serving.sender() as dingtalk:
        assert dingtalk.deliver(events[0]).fault is None
        stored = [event["event_id"] for event in listed(one_file)]
        # The one under way may have been stored without its answer having left.
        assert acknowledged == stored[: len(acknowledged)]
        assert len(stored) <= len(acknowledged) + 1
        assert one_file.run("status", "--json").document["events"]["duplicates"] == 1
    assert "WARNING" not in one_file.log()
    assert not list(one_file.data.glob("*.damaged-*"))


def test_a_second_service_says_who_runs(program: Program) -> None:
    with program.serving() as serving:
        assert serving.url
        second = program.run("serve")
    assert second.code == 1
    assert "is already running with" in second.err
    assert serving.url in second.err


def test_a_port_in_use_is_named_and_no_other_taken(program: Program, data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = program.run("serve", "--port", str(port))
    assert refused.code == 1
    assert refused.err.startswith(f"Port {port} is in use")
    assert not program.pids()
    assert data.exists()


def test_two_services_never_share_a_port(program: Program, data: Path) -> None:
    other = Program(program.wine, program.exe, data.with_name("第二个"))
    assert other.configure().code == 0
    with program.serving() as serving:
        refused = other.run("serve", "--port", str(port_of(serving)))
    assert refused.code == 1
    assert "is in use" in refused.err


SHARING = """
import socket, sys
with socket.socket() as rival:
    rival.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        rival.bind(("127.0.0.1", int(sys.argv[1])))
        rival.listen()
    except OSError as refusal:
        print(refusal.winerror)
"""


def test_no_other_program_can_listen_beside_it_even_if_it_insists(
    program: Program, python: Path
) -> None:
    with program.serving() as serving:
        rival = program.wine.start(python, "-c", SHARING, str(port_of(serving)))
        out, _ = outcome(rival, b"", 60)
    assert int(out) in {10013, 10048}  # WSAEACCES, WSAEADDRINUSE


def test_secrets_are_sealed_and_stand_in_no_file(program: Program) -> None:
    with program.serving() as serving, serving.sender() as dingtalk:
        assert dingtalk.deliver(CHINESE).fault is None
        assert program.run("status").code == 0
    secrets = json.loads((program.data / "secrets.json").read_text(encoding="utf-8"))
    assert secrets["active"]["token"].startswith("dpapi:")
    assert secrets["active"]["aes_key"].startswith("dpapi:")
    assert secrets["active"]["key"] == KEY
    for file in program.data.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            found = [secret for secret in (TOKEN, AES_KEY) if secret.encode() in content]
            assert not found, file


def test_a_damaged_settings_file_is_reported_and_kept(program: Program) -> None:
    settings = program.data / "settings.json"
    settings.write_text('{"callback": {', encoding="utf-8")
    refused = program.run("serve")
    assert refused.code == 2
    assert "settings.json" in refused.err
    assert program.run("status").code == 2
    assert settings.read_text(encoding="utf-8") == '{"callback": {'
    assert not program.pids()


def test_wrong_settings_change_nothing(fresh: Program) -> None:
    refused = fresh.configure({"callback": {"port": 99999, "aes_key": "short"}})
    assert refused.code == 2
    assert "callback.port" in refused.err
    assert "callback.aes_key" in refused.err
    assert not (fresh.data / "settings.json").exists()


def test_settings_changed_beside_the_service_lose_no_call(program: Program) -> None:
    with program.serving() as serving, serving.sender() as dingtalk:
        assert dingtalk.deliver(CHINESE).fault is None
        assert program.configure({"callback": {"token": "anotherToken1"}}).code == 0
        assert dingtalk.deliver(CHINESE | {"eventId": "e-2"}).fault is None
        status = program.run("status", "--json").document
    assert status["credentials"]["pending"]["key"] == KEY
    assert "WARNING" not in program.log()


def test_it_writes_nothing_beside_itself(one_file: Program, tmp_path: Path) -> None:
    folder = tmp_path / "程序 文件夹"
    folder.mkdir()
    (folder / "DingBridge.exe").write_bytes(one_file.exe.read_bytes())
    (folder / "DingBridge.exe").chmod(0o555)
    folder.chmod(0o555)
    moved = Program(one_file.wine, folder / "DingBridge.exe", one_file.data)
    with moved.serving() as serving, serving.sender() as dingtalk:
        assert dingtalk.deliver(CHINESE).fault is None
    assert payloads(moved) == [CHINESE]
    assert [folder / "DingBridge.exe"] == list(folder.rglob("*"))


def test_killed_processes_leave_no_lock_and_none_stays_behind(one_file: Program) -> None:
    for _ in range(2):
        with one_file.serving() as serving:
            assert serving.url
            # The starter of the one-file program and the program itself.
            assert len(one_file.pids()) == 2
            serving.kill()
            assert not one_file.pids()
        assert not one_file.run("status", "--json").document["service"]["running"]


def test_settings_come_from_files_too(fresh: Program, tmp_path: Path) -> None:
    source = tmp_path / "设 置.json"
    # Notepad puts a mark before UTF-8.
    source.write_text(json.dumps(SETTINGS), encoding="utf-8-sig")
    done = fresh.run("configure", "--from", windows_path(source))
    assert done.code == 0, done.err
