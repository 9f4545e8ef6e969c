"""The program as a person meets it: double-click, windows, the icon beside the clock, Quit."""

import json
import random
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from server.callback.port_holder import holder_of_port
from server.config.settings import CallbackSettings, Language
from server.errors.message import Message
from server.simulator.dingtalk.callbacks import CallbackSender
from server.simulator.dingtalk.payloads import check_url
from tests.tools.windows.desktop import Desktop, Look, desktop
from tests.tools.windows.program import (
    AES_KEY,
    KEY,
    PATIENT,
    SETTINGS,
    TOKEN,
    Finished,
    kill,
    processes,
    until,
)
from tests.tools.windows.wine import Wine, windows_path
from ui.assets.icons import COLOURS
from ui.shell.tray import Command, Switches, tray_state_of
from ui.words.health import Health, Verdict
from ui.words.text import Texts

PORT = CallbackSettings().port
URL = f"http://127.0.0.1:{PORT}/api/callback"
GREEN = COLOURS[Health.WORKING]
CHINESE = {
    "EventType": "user_modify_org",
    "eventId": "e-1",
    "name": "欧阳𬱖（测试）🙂",
    "CorpId": "ding0",
}


LOOKS = {
    "English at 100 %": Look(Language.ENGLISH, "C.UTF-8", 96, "1024x768"),
    "Chinese at 200 %": Look(Language.CHINESE, "zh_CN.UTF-8", 192, "2048x1536"),
}


@dataclass(frozen=True, slots=True)
class Office:
    """A person at a desktop, with a profile of their own and the program somewhere on the disk."""

    desktop: Desktop
    exe: Path
    profile: Path
    texts: Texts

    def double_click(self) -> None:
        """Start the program as Explorer does."""
        self.desktop.start(self.exe, profile=self.profile)

    def run(self, *words: str) -> Finished:
        """Run a command beside the windows."""
        return self.desktop.run(self.exe, *words, profile=self.profile)

    def choose(self, command: Command, health: Health = Health.WORKING) -> None:
        """Choose from the tray's menu."""
        verdict = Verdict(health, Message(""), ())
        switches = Switches(self.texts.language, sync=False, autostart=False)
        menu = tray_state_of(verdict, switches, self.texts).menu
        self.desktop.choose(menu, health, command)

    @contextmanager
    def dingtalk(self) -> Iterator[CallbackSender]:
        """DingTalk, as far as it sends callbacks."""
        rng = random.Random(20261122)  # noqa: S311 - repeatable, not secret
        with CallbackSender(URL, TOKEN, AES_KEY, KEY, rng=rng, patience=PATIENT) as sender:
            yield sender

    def has(self, *path: str) -> object:
        """Return one entry of the status as the command line tells it; None where there is none."""
        found = self.run("status", "--json").document
        for name in path:
            found = found[name] if found else None
        return found

    def guide_step(self) -> int:
        """Return how far the guide has come, as it remembers for its next start."""
        kept = self.profile / "DingBridge" / "ui-state.json"
        return int(json.loads(kept.read_text("utf-8"))["guide_step"]) if kept.exists() else 0

    def log(self) -> str:
        """Return the log so far."""
        return (self.profile / "DingBridge" / "logs" / "dingbridge.log").read_text("utf-8")

    def event_ids(self) -> list[object]:
        """The events' ids, newest first."""
        return [one["event_id"] for one in self.run("events", "--json").document]


@pytest.fixture
def look() -> Look:
    return LOOKS["English at 100 %"]


def running(exe: Path) -> list[int]:
    """Return the processes of a program: the starter of the one file, and the program itself."""
    return processes(windows_path(exe).encode())


def end(exe: Path) -> None:
    """End a program the hard way, all its processes at once."""
    kill(running(exe))
    assert until(lambda: not running(exe), 10)


@pytest.fixture
def default_port() -> None:
    """Make sure that nobody here holds the port on which a new profile listens."""
    # A moment, for Wine to close what a program that has just ended held.
    if not until(is_free, 10):
        holder = holder_of_port(PORT) or "A program of another account"
        pytest.fail(f"{holder} holds port {PORT}, on which a new profile listens. End it first.")


def is_free() -> bool:
    """Tell whether a program could listen on the port of a new profile."""
    try:
        socket.create_server(("0.0.0.0", PORT)).close()  # noqa: S104 - as the program listens
    except OSError:
        return False
    return True


@pytest.fixture
def office(look: Look, wine: Wine, python: Path, built: Path, tmp_path: Path) -> Iterator[Office]:
    profile, folder = tmp_path / "用户 张三", tmp_path / "程序 文件夹"
    profile.mkdir()
    folder.mkdir()
    exe = Path(shutil.copy2(built / "DingBridge.exe", folder))
    with desktop(wine, python, look) as shown:
        try:
            yield Office(shown, exe, profile, Texts(look.language))
        finally:
            end(exe)


def enter_the_values(office: Office) -> None:
    """Go through the guide with the keyboard, from its first step to the self-test."""
    desktop = office.desktop
    guide = desktop.window(office.texts("Set up DingBridge"))
    desktop.click_in(guide)
    go_on(office, to_step=1)
    desktop.key("Tab")  # past the field for all three at once
    for value in (TOKEN, AES_KEY):
        desktop.type(value)
        desktop.key("Tab", "Tab")  # past "Show"
    desktop.type(KEY)
    assert office.has("credentials", "active") is None
    go_on(office, to_step=2)
    assert office.has("credentials", "active", "key") == KEY
    go_on(office, to_step=3)
    desktop.wait_for(lambda: desktop.shows(GREEN, guide), "the self-test's green marks")


def go_on(office: Office, to_step: int) -> None:
    """Press Enter, as on the button Next, and wait for the next step."""
    office.desktop.key("Return")
    office.desktop.wait_for(lambda: office.guide_step() == to_step, f"step {to_step}")


@pytest.mark.usefixtures("default_port")
@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_from_the_first_double_click_to_quit(office: Office) -> None:
    desktop = office.desktop
    office.double_click()
    desktop.tray_icon(Health.NOT_SET_UP)
    enter_the_values(office)
    go_on(office, to_step=4)
    with office.dingtalk() as dingtalk:
        assert dingtalk.deliver(check_url()).fault is None
        desktop.tray_icon(Health.WORKING)
        desktop.key("Return")
        desktop.window("DingBridge")
        for number in range(3):
            assert dingtalk.deliver(CHINESE | {"eventId": f"e-{number}"}).fault is None

    office.choose(Command.EVENTS)
    desktop.window("DingBridge")
    newest = desktop.wait_for(lambda: copied_newest(desktop), "the copied event")
    assert json.loads(newest) == CHINESE | {"eventId": "e-2"}

    office.choose(Command.ABOUT)
    assert {"bottle", "pillow", "pystray", "python", "tcl-tk"} <= shown_licences(office)

    desktop.close(desktop.window("DingBridge"))
    desktop.wait_for(lambda: is_told(desktop), "the word that the program goes on")
    office.double_click()
    desktop.window("DingBridge")
    desktop.wait_for(lambda: len(running(office.exe)) == 2, "the end of the second start")

    end(office.exe)
    office.double_click()
    desktop.window("DingBridge")
    desktop.tray_icon(Health.WORKING)
    assert office.event_ids() == ["e-2", "e-1", "e-0"]
    office.choose(Command.QUIT)
    assert until(lambda: not running(office.exe))
    assert "Stopped" in office.log()
    assert not [word for word in ("WARNING", "ERROR", "CRITICAL") if word in office.log()]


def copied_newest(desktop: Desktop) -> str:
    """Select the first row with the keyboard and copy it; too early, and nothing is copied."""
    desktop.key_in(desktop.window("DingBridge"), "ctrl+f", "Tab", "Home", "alt+j")
    return desktop.clipboard()


def shown_licences(office: Office) -> set[str]:
    """Open the licences and copy them; returns the names of the chapters."""
    desktop, title = office.desktop, office.texts("Licences")

    def is_opened() -> bool:
        desktop.click_in(desktop.window("DingBridge"))
        desktop.key("alt+i")  # too early, and nothing opens
        return until(lambda: desktop.is_open(title), 10)

    desktop.wait_for(is_opened, title)

    def copied() -> set[str]:
        desktop.click_in(desktop.window(title))  # Wine ignores the first one after Alt
        desktop.key("ctrl+a", "ctrl+c")
        return licences_in(desktop.clipboard())

    text = desktop.wait_for(copied, "the copied licences")
    desktop.key("Escape")
    desktop.wait_for(lambda: not desktop.is_open(title), "the end of the licences")
    return text


def licences_in(text: str) -> set[str]:
    """Return the names of the chapters."""
    return set(re.findall(r"^={80}\r?\n(.+?)\r?\n={80}\r?$", text, re.MULTILINE))


def is_told(desktop: Desktop) -> bool:
    """Tell whether a balloon is shown above the task bar."""
    return any(one.kind == "tooltips_class32" for one in desktop.windows())


def test_started_at_log_on_it_shows_its_icon_and_no_window(office: Office) -> None:
    desktop = office.desktop
    source = office.profile / "settings.json"
    source.write_text(json.dumps(SETTINGS), "utf-8")
    assert office.run("configure", "--from", windows_path(source)).code == 0
    desktop.start(office.exe, "--background", profile=office.profile)
    desktop.tray_icon(Health.ATTENTION)  # DingTalk has not called yet
    assert not desktop.is_open("DingBridge")

    office.choose(Command.TOGGLE_AUTOSTART, Health.ATTENTION)
    written = desktop.wait_for(lambda: desktop.ask("at log-on").get("DingBridge"), "the value")
    assert written == f'"{windows_path(office.exe)}" --background'
    desktop.wait_for(lambda: toggled_off(office), "the value's end")

    desktop.ask("task bar created")  # Explorer started anew
    office.choose(Command.QUIT, Health.ATTENTION)
    assert until(lambda: not running(office.exe))


def test_the_trays_menu_switches_the_sync(office: Office) -> None:
    nowhere = "http://127.0.0.1:9"  # nobody listens there
    mirror = {
        "dingtalk": {"app_key": "dingmadeup", "app_secret": "made-up", "api_base": nowhere},
        "wecom": {"corp_id": "wwmadeup", "contact_secret": "made-up", "api_base": nowhere},
    }
    source = office.profile / "settings.json"
    source.write_text(json.dumps({**SETTINGS, **mirror}), "utf-8")
    assert office.run("configure", "--from", windows_path(source)).code == 0
    office.desktop.start(office.exe, "--background", profile=office.profile)
    office.choose(Command.TOGGLE_SYNC, Health.ATTENTION)
    office.desktop.wait_for(lambda: office.has("sync", "enabled"), "the sync")


def toggled_off(office: Office) -> bool:
    'Choose "Start when I sign in" once more; the menu takes a moment to know that it is ticked.'
    office.choose(Command.TOGGLE_AUTOSTART, Health.ATTENTION)
    return until(lambda: "DingBridge" not in office.desktop.ask("at log-on"), 3)


def test_a_data_folder_that_cannot_be_used_is_shown(office: Office) -> None:
    (office.profile / "DingBridge").touch()
    office.double_click()
    box = office.desktop.message_box()
    assert windows_path(office.profile / "DingBridge") in "".join(box.says)
    office.desktop.key("Return")
    assert until(lambda: not running(office.exe))


def test_damaged_settings_are_shown_and_kept(office: Office) -> None:
    settings = office.profile / "DingBridge" / "settings.json"
    settings.parent.mkdir()
    settings.write_text("{", "utf-8")
    office.double_click()
    said = "".join(office.desktop.message_box().says)
    assert windows_path(settings) in said
    assert "dingbridge.log" in said
    assert settings.read_text("utf-8") == "{"


@pytest.mark.usefixtures("default_port")
def test_a_port_in_use_is_shown_with_who_holds_it(office: Office) -> None:
    with socket.create_server(("0.0.0.0", PORT)):  # noqa: S104 - as the program listens
        office.double_click()
        said = "".join(office.desktop.message_box().says)
    assert str(PORT) in said
    assert "dingbridge.log" in said


def test_a_program_that_lost_a_part_says_which(office: Office, built: Path) -> None:
    broken = office.exe.parent / "broken"
    shutil.copytree(built / "DingBridge-portable", broken)
    (broken / "_internal" / "_tkinter.pyd").unlink()
    office.desktop.start(broken / "DingBridge.exe", profile=office.profile)
    said = "".join(office.desktop.message_box().says)
    assert "No module named '_tkinter'" in said
    report = office.profile / "DingBridge" / "logs" / "crash.txt"
    assert windows_path(report) in said
    assert "Traceback" in report.read_text("utf-8")
    office.desktop.key("Return")
    assert until(lambda: not running(broken))
