"""The guide's steps: welcome, values, address, self-test."""

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk

from server.api.app import App
from server.api.checks import SelfTestReport
from server.errors.message import N_
from ui.guide.step import Step
from ui.help.opening import Topic
from ui.state.session import Session
from ui.widgets.credential_form import CredentialForm
from ui.widgets.layout import Action, ButtonRow, Scrolled, Wrapped
from ui.widgets.moving import ImportDialog
from ui.widgets.steps import StepList
from ui.widgets.values import Judged, ValueEntry
from ui.words.health import StatusSnapshot

_PUBLIC_URL = "callback.public_url"


class WelcomeStep(Step):
    """Says what will happen, and where the program is to be found afterwards."""

    name = N_("Welcome")
    help_topic = Topic.HTTP

    def __init__(self, parent: tk.Misc, session: Session) -> None:
        super().__init__(parent, session)
        texts, theme = self.texts, self.theme
        ttk.Label(self, image=theme.pictures.app).pack(anchor="w", pady=theme.pad(0, 10))
        self.add_title(texts("Welcome to DingBridge"))
        self.add_text(
            texts(
                "Within a few minutes, DingTalk's events will arrive on this computer. Open the "
                "DingTalk developer console (open-dev.dingtalk.com), go to your app's page “Event "
                "subscription”, and choose “HTTP push” there."
            )
        )
        self.add_text(texts("You can stop at any step and continue later; nothing is lost."))
        moving = Action(
            texts("I am &moving from another computer…"), lambda: ImportDialog(self, session)
        )
        self.moving_row = ButtonRow(self, theme, moving)
        self.moving_row.pack(anchor="w", pady=theme.pad(0, 8))
        box = ttk.LabelFrame(self, text=texts("Where to find it again"), padding=theme.px(12))
        box.pack(fill="x", pady=theme.pad(8, 0))
        Wrapped(
            box,
            texts(
                "DingBridge keeps running when you close the window; its icon is next to the "
                "clock. Windows 11 hides new icons behind the ^ arrow there: drag it out, or turn "
                "it on under Settings, Personalisation, Taskbar, Other system tray icons."
            ),
        ).pack(fill="x")


class ValuesStep(Step):
    """The three values, one by one or as a block."""

    name = N_("Callback values")
    help_topic = Topic.VALUES

    def __init__(self, parent: tk.Misc, session: Session) -> None:
        super().__init__(parent, session)
        self.add_title(self.texts("The callback values"))
        self.add_text(
            self.texts(
                "The key is the app's Client ID, on the page “Credentials and basic information”; "
                "token and aes_key are on the page “Event subscription”. If they are still empty "
                "there, generate them in the console first."
            )
        )
        self._known = Wrapped(self, style="Good.TLabel")
        self._area = Scrolled(self, self.theme)  # on a small screen not all of it fits
        self._area.pack(fill="both", expand=True)
        self.form = CredentialForm(self._area.body, session)
        self.form.pack(fill="x")
        self.form.on_change = self.changed
        self._missing: tuple[str, ...] = ("token", "aes_key", "key")
        session.watch(self, self._take)

    @property
    def first_field(self) -> tk.Misc | None:
        """Where the console's text is pasted, as long as a value is missing."""
        return self.form.block if self._missing else None

    @property
    def is_ready(self) -> bool:
        """Whether what was entered, now or before, is complete."""
        return not self.form.has_problem and set(self._missing) <= self.form.values.keys()

    def save(self, then: Callable[[], object]) -> None:
        """Save what can be used, complete or not."""
        values = self.form.values
        if not values:
            then()
            return

        def saved() -> None:
            if self.winfo_exists():
                self.form.clear()
            self.session.windows.refresh()
            then()

        self.ask_to_save(lambda: self.session.app.configure({"callback": values}), saved)

    def _take(self, snapshot: StatusSnapshot) -> None:
        credentials = snapshot.status.credentials
        missing = () if credentials.active is not None else credentials.missing
        if credentials.active is not None:
            known = self.texts("All three values have been entered. You can continue.")
        elif 0 < len(missing) < len(self.form.entries):
            names = self.texts(", ").join(missing)
            known = self.texts("Saved last time; still missing: {names}", names=names)
        else:
            known = ""
        self._known.show(known)
        if known:
            self._known.pack(fill="x", pady=self.theme.pad(0, 8), before=self._area)
        else:
            self._known.pack_forget()
        if missing != self._missing:
            self._missing = missing
            self.on_change()


class AddressStep(Step):
    """The address under which DingTalk reaches this computer."""

    name = N_("Address")
    help_topic = Topic.ADDRESS

    def __init__(self, parent: tk.Misc, session: Session) -> None:
        super().__init__(parent, session)
        texts, theme = self.texts, self.theme
        self.add_title(texts("The callback address"))
        self.add_text(texts("On this computer, DingBridge answers at:"))
        self._local = ttk.Label(self, style="Mono.TLabel")
        self._local.pack(anchor="w", pady=theme.pad(0, 10))
        self.add_text(
            texts(
                "DingTalk sends its events over the internet, so it needs a public address that "
                "leads here: port forwarding in the office router, a reverse proxy, or a tunnel. "
                "Ask your network administrator which one you have, and for its address."
            )
        )
        self.entry = ValueEntry(
            self,
            theme,
            texts,
            texts("Public address for DingTalk"),
            self._judge,
            hint=texts("For example https://ding.example.com/api/callback; may be left empty."),
        )
        self.entry.pack(fill="x", pady=theme.pad(0, 8))
        self.entry.on_change = self.changed
        self.add_text(
            texts(
                "Enter the final address: DingTalk does not follow redirects, such as from http to "
                "https, and https needs a valid certificate."
            ),
            "Hint.TLabel",
        )
        self._is_filled = False
        session.watch(self, self._take)

    @property
    def first_field(self) -> tk.Misc | None:
        """Where the address is entered."""
        return self.entry.entry

    @property
    def is_ready(self) -> bool:
        """Whether the address can be used, or none was entered."""
        return self.entry.is_empty or not self.entry.judged.problem

    def save(self, then: Callable[[], object]) -> None:
        """Save the address where it is another one."""
        address = self.entry.judged.value
        changes = {"callback": {"public_url": address}}

        def saved() -> None:
            self.session.windows.refresh()
            then()

        self.ask_to_save(lambda: self.session.app.configure(changes), saved)

    def _judge(self, text: str) -> Judged:
        value = text.strip()
        problem = App.judge_setting(_PUBLIC_URL, value)
        return Judged(value, "" if problem is None else self.session.say(problem))

    def _take(self, snapshot: StatusSnapshot) -> None:
        self._local.configure(text=snapshot.status.service.address or "–")
        if not self._is_filled:
            self._is_filled = True
            if snapshot.status.has_public_url:
                self.entry.text.set(snapshot.status.callback_url)


class CheckStep(Step):
    """The self-test: is all well as far as this computer can tell."""

    name = N_("Self-test")
    help_topic = Topic.SELF_TEST

    def __init__(self, parent: tk.Misc, session: Session) -> None:
        super().__init__(parent, session)
        texts, theme = self.texts, self.theme
        self.add_title(texts("Self-test"))
        self.add_text(texts("DingBridge sends itself a request, just as DingTalk will."))
        ButtonRow(self, theme, Action(texts("Run it &again"), self.entered)).pack(
            fill="x", pady=theme.pad(0, 8)
        )
        area = Scrolled(self, theme)
        area.pack(fill="both", expand=True)
        self.list = StepList(area.body, theme, texts)
        self.list.pack(fill="x")

    def entered(self) -> None:
        """Test at once."""
        self.list.clear()
        self.session.ask(self.session.app.self_test, self._done)

    def _done(self, report: SelfTestReport) -> None:
        if self.winfo_exists():
            self.list.show(report)
