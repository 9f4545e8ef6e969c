"""Every page is reached and worked without a mouse."""

import tkinter as tk
from collections import Counter
from tkinter import ttk

import pytest

from tests.ui.hand import every
from tests.ui.office import check_address, send_events
from tests.ui.stage import Stage
from ui.assets.theme import mnemonic
from ui.pages.credentials import CredentialsPage
from ui.pages.settings import SettingsPage
from ui.state.window_api import PageName

_WORKED = (ttk.Button, ttk.Entry, ttk.Combobox, ttk.Checkbutton, ttk.Treeview, ttk.Notebook)


def _go_to(stage: Stage, name: PageName) -> None:
    """Press Alt and the letter that the list of pages shows."""
    stage.root.focus_force()
    stage.hand.let_settle()
    _, _, letter = mnemonic(stage.texts(stage.program.window.pages[name][0]))
    assert letter is not None
    stage.hand.key(letter, with_alt=True)
    stage.hand.wait_for(lambda: stage.program.window.page is name)
    stage.hand.let_settle()


def _can_be_worked(widget: tk.Misc) -> bool:
    if not isinstance(widget, _WORKED) or not widget.winfo_viewable():
        return False
    return not widget.instate(["disabled"]) and str(widget.cget("takefocus")) != "0"


def _tabbed_through(stage: Stage) -> set[tk.Misc]:
    """Press Tab until it comes round; returns all that had the focus."""
    seen: list[tk.Misc] = []
    while True:
        stage.hand.key("Tab")
        focused = stage.root.focus_get()
        assert focused is not None, "the focus got lost"
        if focused in seen:
            return set(seen)
        assert focused.winfo_viewable()
        seen.append(focused)


@pytest.mark.parametrize("name", PageName)
def test_a_letter_leads_to_every_page_and_tab_through_all_of_it(
    stage: Stage, name: PageName
) -> None:
    send_events(stage.app, 5)
    _go_to(stage, name)
    page = stage.program.window.built(name)

    reached = _tabbed_through(stage)

    missed = [str(one) for one in every(page) if _can_be_worked(one) and one not in reached]
    assert missed == []


@pytest.mark.parametrize("name", PageName)
def test_no_two_buttons_in_sight_have_the_same_letter(stage: Stage, name: PageName) -> None:
    check_address(stage.app, key="dingtheotherkey0")
    stage.program.open_page(name)
    page = stage.program.window.built(name)
    if isinstance(page, CredentialsPage):
        stage.hand.wait_for(page.adopt_button.winfo_viewable)
    tabs = page.tabs.tabs() if isinstance(page, SettingsPage) else ("",)  # type: ignore[no-untyped-call] # as the library's stubs have it
    for tab in tabs:
        if isinstance(page, SettingsPage):
            page.tabs.select(tab)  # type: ignore[no-untyped-call] # as above
        stage.hand.let_settle()
        counts = Counter(_letters(stage.program.window.frame))
        assert [letter for letter, count in counts.items() if count > 1] == []


def _letters(parent: tk.Misc) -> list[str]:
    pressed = [one for one in every(parent) if isinstance(one, (ttk.Button, ttk.Radiobutton))]
    return [
        str(one.cget("text"))[place].lower()
        for one in pressed
        if one.winfo_viewable() and (place := int(one.cget("underline"))) >= 0
    ]


def test_enter_presses_the_button_that_has_the_focus(stage: Stage) -> None:
    _go_to(stage, PageName.OVERVIEW)
    page = stage.program.window.built(PageName.OVERVIEW)
    label = stage.texts("Open the sy&nc").replace("&", "")
    (found,) = [
        one for one in every(page) if isinstance(one, ttk.Button) and one.cget("text") == label
    ]

    found.focus_force()
    stage.hand.key("Return")

    stage.hand.wait_for(lambda: stage.program.window.page is PageName.SYNC)
