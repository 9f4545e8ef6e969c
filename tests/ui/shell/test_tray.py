import pytest

from server.api.status import Level, Notice
from server.config.settings import Language
from server.errors.message import Message
from tests.ui.icon import FakeIcon
from tests.ui.views import UNSET, notice, snapshot, with_notices
from ui.shell.tray import (
    TIP_UNITS,
    Command,
    Entry,
    Switches,
    Tray,
    TrayState,
    cut,
    tray_state_of,
)
from ui.words.health import Health, judge
from ui.words.text import Texts

ENGLISH = Texts(Language.ENGLISH)
ALL_SWITCHES = Switches(Language.ENGLISH, sync=True, autostart=False)


def _commands(entries: tuple[Entry, ...]) -> list[Command]:
    found = []
    for entry in entries:
        found += [entry.command] if entry.command else []
        found += _commands(entry.entries)
    return found


def _state(switches: Switches = ALL_SWITCHES, texts: Texts = ENGLISH) -> TrayState:
    return tray_state_of(judge(snapshot()), switches, texts)


def test_everything_can_be_chosen_once() -> None:
    assert sorted(_commands(_state().menu)) == sorted(Command)


def test_the_menu_begins_with_the_state_and_ends_with_quit() -> None:
    menu = _state().menu

    assert menu[0] == Entry("Working")
    assert menu[-1].command is Command.QUIT


def test_what_cannot_be_switched_here_is_left_out() -> None:
    commands = _commands(_state(Switches(Language.AUTO)).menu)

    absent = {Command.TOGGLE_SYNC, Command.PREVIEW_SYNC, Command.TOGGLE_AUTOSTART}
    assert absent & set(commands) == set()


def test_ticks_tell_what_is_on() -> None:
    ticked = {entry.command for entry in _state().menu if entry.is_ticked}
    (languages,) = (entry.entries for entry in _state().menu if entry.entries)

    assert ticked == {Command.TOGGLE_SYNC}
    assert [one.command for one in languages if one.is_ticked] == [Command.LANGUAGE_ENGLISH]


def test_the_menu_speaks_the_chosen_language() -> None:
    labels = {entry.label for entry in _state(texts=Texts(Language.CHINESE)).menu}

    assert {"退出", "打开钉桥", "复制回调地址"} <= labels


def test_the_tip_tells_the_gravest_cause() -> None:
    verdict = judge(snapshot(with_notices(notice(Level.WARNING))))

    assert tray_state_of(verdict, ALL_SWITCHES, ENGLISH).tip == "DingBridge: A warning."
    assert tray_state_of(judge(snapshot(UNSET)), ALL_SWITCHES, ENGLISH).health is Health.NOT_SET_UP


def test_a_tip_is_never_longer_than_windows_holds() -> None:
    long = Notice("made-up", Level.WARNING, Message("𝄞" * 300), Message(""))

    tip = tray_state_of(judge(snapshot(with_notices(long))), ALL_SWITCHES, ENGLISH).tip

    assert len(tip.encode("utf-16-le")) // 2 <= TIP_UNITS


@pytest.mark.parametrize(("text", "expected"), [("abc", "abc"), ("abcd", "ab…"), ("a𝄞b", "a…")])
def test_texts_are_cut_between_signs(text: str, expected: str) -> None:
    assert cut(text, 3) == expected


@pytest.fixture
def chosen() -> list[Command]:
    return []


@pytest.fixture
def tray(chosen: list[Command]) -> Tray:
    tray = Tray(chosen.append)
    assert tray.start(_state())
    return tray


@pytest.fixture
def icon(tray: Tray) -> FakeIcon:
    del tray  # made it
    return FakeIcon.latest()


def test_a_click_is_handed_on_as_a_command(icon: FakeIcon, chosen: list[Command]) -> None:
    items = {item.text: item for item in icon.menu.items if item.text.strip("- ")}

    items["Quit"](icon)
    next(iter(items["Language"].submenu.items))(icon)

    assert chosen == [Command.QUIT, Command.LANGUAGE_AUTO]
    assert [text for text, item in items.items() if item.default] == ["Open DingBridge"]
    assert not items["Working"].enabled


def test_only_what_changed_is_shown_anew(tray: Tray, icon: FakeIcon) -> None:
    picture = icon.icon
    tray.show(_state())
    assert (icon.icon is picture, icon.updates) == (True, 0)

    tray.show(tray_state_of(judge(snapshot(UNSET)), ALL_SWITCHES, ENGLISH))

    assert (icon.icon is picture, icon.updates) == (False, 1)
    assert icon.title == "DingBridge: Not set up yet."


def test_a_state_that_came_before_the_icon_is_shown_with_it(tray: Tray, icon: FakeIcon) -> None:
    tray.show(tray_state_of(judge(snapshot(UNSET)), ALL_SWITCHES, ENGLISH))
    icon.icon = drawn = object()  # pystray draws it, and does not look again

    icon.appear()

    assert icon.visible
    assert icon.icon is not drawn


def test_an_icon_that_shows_all_already_is_not_drawn_twice(icon: FakeIcon) -> None:
    picture = icon.icon

    icon.appear()

    assert (icon.icon is picture, icon.updates) == (True, 0)


def test_messages_fit_into_what_windows_holds(tray: Tray, icon: FakeIcon) -> None:
    tray.notify("t" * 300, "m" * 300)

    ((title, message),) = icon.told
    assert (len(title), len(message)) == (63, 255)


def test_after_the_end_nothing_is_shown(tray: Tray, icon: FakeIcon) -> None:
    tray.stop()
    tray.show(tray_state_of(judge(snapshot(UNSET)), ALL_SWITCHES, ENGLISH))
    tray.notify("title", "text")

    assert (icon.is_running, icon.told) == (False, [])


def test_an_icon_that_comes_after_the_end_stays_away(tray: Tray) -> None:
    tray.stop()

    assert not tray.start(_state())
    assert len(FakeIcon.made) == 1  # the one that was taken away


def test_without_a_notification_area_the_program_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeIcon, "HAS_MENU", False)
    tray = Tray(lambda _: None)

    assert not tray.start(_state())

    tray.notify("title", "text")
    tray.stop()
