"""The guide's last step: waits for DingTalk's own call, and says why one was refused."""

import tkinter as tk
from tkinter import ttk

from server.api.status import RejectionView, Status
from server.errors.message import N_
from ui.guide.step import Step
from ui.help.opening import Topic
from ui.state.session import Session
from ui.widgets.layout import Action, ButtonRow, Wrapped, relabel
from ui.widgets.quick_fixes import adopt_key
from ui.words.health import Health, StatusSnapshot, last_contact


class WaitingStep(Step):
    """Turns green when DingTalk's check_url arrives."""

    name = N_("Wait for DingTalk")
    help_topic = Topic.CONSOLE

    def __init__(self, parent: tk.Misc, session: Session) -> None:
        super().__init__(parent, session)
        texts, theme = self.texts, self.theme
        self.add_title(texts("Save in the DingTalk console"))
        self.add_text(texts("In the DingTalk console, on the page “Event subscription”:"))
        self.add_text(texts("1. Paste this address as the request URL:"))
        row = ttk.Frame(self)
        row.pack(fill="x", pady=theme.pad(0, 8))
        self._url = ttk.Entry(row, font="TkFixedFont")
        self._url.pack(side="left", fill="x", expand=True)
        ButtonRow(row, theme, Action(texts("Co&py"), self._copy), side="right").pack(side="right")
        self.add_text(texts("2. Check that token and aes_key there match the ones entered here."))
        self.add_text(
            texts("3. Press Save. DingTalk sends a request at once, and this page turns green.")
        )
        box = ttk.Frame(self, padding=theme.px(14), relief="solid", borderwidth=1)
        box.pack(fill="x", pady=theme.pad(8, 0))
        self._picture = ttk.Label(box)
        self._picture.pack(side="left", padx=theme.pad(0, 14), anchor="n")
        words = ttk.Frame(box)
        words.pack(side="left", fill="x", expand=True)
        self.headline = Wrapped(words, style="Title.TLabel")
        self.headline.pack(fill="x")
        self.detail = Wrapped(words)
        self.detail.pack(fill="x", pady=theme.pad(2, 0))
        self._adopt_row = ButtonRow(words, theme, Action(texts("&Use this key"), self._adopt))
        self._offered_key = ""
        self.has_contact = False
        session.watch(self, self._take)

    def _take(self, snapshot: StatusSnapshot) -> None:
        status = snapshot.status
        self._show_url(status.callback_url)
        doctor = status.doctor
        self._adopt_row.pack_forget()
        if doctor is not None and not doctor.is_settled:
            self._show_rejected(doctor)
        elif last_contact(status) is not None:
            self._show_contact(status)
        else:
            self._show(
                Health.NOT_SET_UP,
                self.texts("Waiting for DingTalk…"),
                self.texts(
                    "If the console reports a failure and nothing happens here, DingTalk cannot "
                    "reach the address: check the router, the proxy and the firewall."
                ),
            )
        self.on_change()

    def _show_url(self, url: str) -> None:
        if self._url.get() != url:
            self._url.configure(state="normal")
            self._url.delete(0, "end")
            self._url.insert(0, url)
            self._url.configure(state="readonly")

    def _show_rejected(self, call: RejectionView) -> None:
        self._show(Health.BROKEN, self.session.say(call.title), self.session.say(call.hint))
        if call.offered_key:
            self._offered_key = call.offered_key
            label = self.texts("&Use the key {key}", key=call.offered_key)
            relabel(self._adopt_row.buttons[0], label)
            self._adopt_row.pack(anchor="w", pady=self.theme.pad(8, 0))

    def _show_contact(self, status: Status) -> None:
        contact = last_contact(status)
        if contact is None:
            return
        self.has_contact = True
        self._show(
            Health.WORKING,
            self.texts("DingTalk is connected. All is well."),
            self.texts(
                "Last request {moment} from {remote}. Now select the events you want in the "
                "console.",
                moment=self.texts.moment(contact.last_used_at_ms),
                remote=contact.last_used_from or "–",
            ),
        )

    def _show(self, health: Health, headline: str, detail: str) -> None:
        self._picture.configure(image=self.theme.pictures.states[health])
        self.headline.show(headline)
        self.detail.show(detail)

    def _copy(self) -> None:
        self.session.copy_and_repeat(self.session.callback_url())

    def _adopt(self) -> None:
        adopt_key(self.session, self._offered_key)
