"""To another computer: the sealed file (AES-GCM), and secrets that DPAPI binds to the account."""

import json
import re
from pathlib import Path

import pytest

from tests.tools.windows.console import Prompt
from tests.tools.windows.profile import in_profile
from tests.tools.windows.program import AES_KEY, TOKEN, Program
from tests.tools.windows.wine import windows_path

PASSPHRASE = "four made up words"
EVENT = {"EventType": "user_add_org", "eventId": "e-1", "CorpId": "ding0", "name": "欧阳𬱖"}


@pytest.fixture
def phrase(tmp_path: Path) -> str:
    path = tmp_path / "口 令.txt"
    path.write_bytes(f"\ufeff{PASSPHRASE}\r\n".encode("utf-16-le"))  # as PowerShell writes it
    return windows_path(path)


@pytest.fixture
def sealed(data: Path) -> Path:
    return data.with_name("搬 家.dingbridge")


def test_what_one_account_exports_serves_in_anothers_profile(
    program: Program, python: Path, sealed: Path, phrase: str, tmp_path: Path
) -> None:
    with program.serving() as serving, serving.sender() as dingtalk:
        assert dingtalk.deliver(EVENT).fault is None
    done = program.run("export", windows_path(sealed), "--passphrase-file", phrase)
    assert (done.code, done.err) == (0, "")
    content = sealed.read_bytes()
    assert not [secret for secret in (TOKEN, AES_KEY) if secret.encode() in content]

    profile = tmp_path / "用户 李四"
    profile.mkdir()
    moving = ("import", windows_path(sealed), "--passphrase-file", phrase)
    assert in_profile(program, python, profile, *moving)["code"] == 0
    secrets = [
        json.loads((folder / "secrets.json").read_text("utf-8"))["active"]
        for folder in (program.data, profile / "DingBridge")
    ]
    assert all(one["aes_key"].startswith("dpapi:") for one in secrets)
    assert secrets[0]["aes_key"] != secrets[1]["aes_key"], "sealed anew"

    there = Program(program.wine, program.exe, profile / "DingBridge")
    with there.serving() as serving, serving.sender() as dingtalk:
        assert dingtalk.deliver(EVENT).fault is None
        status = there.run("status", "--json").document
    assert status["events"]["duplicates"] == 1, "the event came along"
    assert "WARNING" not in there.log()


def test_a_wrong_passphrase_opens_nothing(
    program: Program, sealed: Path, phrase: str, tmp_path: Path
) -> None:
    assert program.run("export", windows_path(sealed), "--passphrase-file", phrase).code == 0
    wrong = tmp_path / "wrong.txt"
    wrong.write_text("another passphrase\n", "utf-8")
    other = Program(program.wine, program.exe, program.data.with_name("另一个"))
    moving = ("import", windows_path(sealed), "--passphrase-file", windows_path(wrong))
    refused = other.run(*moving)
    assert refused.code == 1
    assert refused.err.startswith("This passphrase does not open ")
    assert not (other.data / "secrets.json").exists()


def test_a_passphrase_is_typed_on_the_prompt_and_not_shown(
    program: Program, python: Path, sealed: Path
) -> None:
    prompt = Prompt(python)
    twice = (PASSPHRASE + "x\b\r") * 2
    shown = prompt.run(program, "export", windows_path(sealed), keys=twice)
    assert shown["code"] == 0, shown
    assert re.match("Passphrase:\nOnce more:\nExported to ", shown["screen"])
    assert PASSPHRASE not in shown["screen"]

    other = Program(program.wine, program.exe, program.data.with_name("另一个"))
    keys = PASSPHRASE + "\r"
    shown = prompt.run(other, "import", windows_path(sealed), keys=keys)
    assert shown["code"] == 0, shown
    assert other.run("self-test").code == 0
