"""Moving and the connection test as commands."""

from pathlib import Path

import pytest

from crypto.secret import Secret
from server.config import replacement
from server.simulator.company import Company
from server.simulator.dingtalk.contacts import DingTalkContacts
from server.simulator.dingtalk.payloads import check_url
from server.simulator.httpd import LoopbackServer
from server.simulator.wecom.contacts import WeComContacts
from tests.e2e.program import FIRST, Program

PASSPHRASE = "four made up words"


@pytest.fixture
def other(tmp_path: Path) -> Program:
    """Another computer; like the first one's, its transcripts are searched for secrets."""
    return Program(tmp_path / "home" / "another computer", tmp_path / "transcripts")


@pytest.fixture
def phrase(tmp_path: Path) -> str:
    path = tmp_path / "phrase.txt"
    path.write_bytes(f"\ufeff{PASSPHRASE}\r\n".encode("utf-16-le"))  # as PowerShell writes it
    return str(path)


def _export(program: Program, phrase: str, target: Path) -> Path:
    done = program.run("export", str(target), "--passphrase-file", phrase)
    assert (done.code, done.errors) == (0, ""), done
    assert str(target) in done.lines[0]
    return target


def test_what_one_computer_exports_serves_on_another(
    program: Program, other: Program, phrase: str, tmp_path: Path
) -> None:
    program.set_up()
    service = program.serve()
    with service.sender() as sender:
        sender.deliver(check_url())
        assert sender.deliver({"EventType": "user_add_org", "eventId": "1"}).accepted
    target = _export(program, phrase, tmp_path / "home" / "moved 文件.dingbridge")
    assert service.stop() == 0

    done = other.run("import", str(target), "--passphrase-file", phrase)
    assert (done.code, done.errors) == (0, "")
    assert [event["event_id"] for event in other.events()] == ["1"]
    again = other.serve()
    assert again.accepts(FIRST)
    assert again.stop() == 0


def test_an_import_leaves_a_running_service_alone(
    program: Program, phrase: str, tmp_path: Path
) -> None:
    program.set_up()
    target = _export(program, phrase, tmp_path / "home" / "moved")
    service = program.serve()
    done = program.run("import", str(target), "--passphrase-file", phrase)
    assert done.code == 1
    assert str(service.process.pid) in done.errors
    assert service.accepts(FIRST)
    assert service.stop() == 0


def test_wrong_usage_is_2_and_a_wrong_passphrase_1(
    program: Program, phrase: str, tmp_path: Path
) -> None:
    program.set_up()
    target = _export(program, phrase, tmp_path / "home" / "moved")
    assert program.run("export", str(target), "--passphrase-file", phrase).code == 2
    assert program.run("export", str(tmp_path / "other")).code == 2, "nobody can type"
    short = tmp_path / "short.txt"
    short.write_text("short\n", "utf-8")
    done = program.run("export", str(tmp_path / "other"), "--passphrase-file", str(short))
    assert done.code == 2
    assert "12" in done.errors

    short.write_text("another passphrase\n", "utf-8")
    done = program.run("import", str(target), "--passphrase-file", str(short))
    assert done.code == 1
    assert str(target) in done.errors
    missing = str(tmp_path / "none.txt")
    assert program.run("import", str(target), "--passphrase-file", missing).code == 2


def test_the_next_command_makes_up_for_a_process_killed_in_the_middle(
    program: Program, other: Program, phrase: str, tmp_path: Path
) -> None:
    program.set_up()
    target = _export(program, phrase, tmp_path / "home" / "moved")
    other.set_up(path="/old")
    app = other.beside()
    app.migration._stage(target, Secret(PASSPHRASE))
    # As a kill leaves it: decided, and nothing done yet.
    (app.folder.root / "import.tmp").rename(app.folder.root / "replacing-20261122-000000")

    assert other.run("status").code == 0
    assert not replacement.is_unfinished(app.folder)
    assert app.config().settings == program.beside().config().settings


def test_both_accounts_are_tried(program: Program) -> None:
    company = Company()
    company.hire(company.draft("张三", (1,), mobile="13800000001"))
    dingtalk, wecom = DingTalkContacts(company), WeComContacts()
    with LoopbackServer(dingtalk.handle) as source, LoopbackServer(wecom.handle) as target:
        program.configure(
            {
                "dingtalk": dingtalk.rules.settings(source.address),
                "wecom": wecom.rules.settings(target.address),
            }
        )
        done = program.run("test-connection")
        assert (done.code, done.errors) == (0, "")
        assert done.lines[-1] == "All is well."

        wecom.rules.is_ip_trusted = False
        done = program.run("test-connection", "wecom", "--json")
        assert done.code == 1
        assert done.document["passed"] is False
        assert wecom.rules.caller_ip in done.document["steps"][-1]["hint"]
        assert program.run("test-connection", "dingtalk").code == 0
