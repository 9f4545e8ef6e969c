"""The credentials: which are in force, what the doctor says, and the entry of new ones."""

import tkinter as tk
from tkinter import ttk

from server.api.status import CredentialSetView, CredentialsView, RejectionView
from server.config.merge import Effect
from server.config.store import Outcome
from server.errors.message import N_
from ui.help.opening import Topic
from ui.pages.page import Page
from ui.state.session import Session
from ui.widgets.credential_form import FIELDS, CredentialForm
from ui.widgets.credential_set import CredentialSetCard
from ui.widgets.layout import Action, ButtonRow, Scrolled, Wrapped, heading, relabel
from ui.widgets.quick_fixes import adopt_key
from ui.widgets.subscription_card import SubscriptionCard
from ui.words.health import StatusSnapshot

_ROLES = {
    "active": N_("Active"),
    "pending": N_("Pending: until DingTalk uses it for the first time"),
    "previous": N_("Previous: still valid for a while"),
}
_EFFECTS = {
    Effect.UNTOUCHED: N_("Nothing changed."),
    Effect.ACTIVE: N_("The values are in effect now. No restart is needed."),
    Effect.PENDING: N_(
        "The new values are stored next to the old ones. Press Save in the DingTalk console now: "
        "DingTalk's first request makes them active, and no event is lost."
    ),
}


class CredentialsPage(Page):
    """Shows the sets masked, and takes new values at any time."""

    help_topic = Topic.CREDENTIALS

    def __init__(self, parent: tk.Misc, session: Session) -> None:
        super().__init__(parent, session)
        texts, theme = self.texts, self.theme
        area = Scrolled(self, theme)
        area.pack(fill="both", expand=True)
        body = area.body
        heading(
            body,
            theme,
            texts("Credentials"),
            texts("token, aes_key and key prove that a request comes from DingTalk."),
        ).pack(fill="x", pady=theme.pad(0, 10))
        self._add_doctor(body)
        self._sets = ttk.Frame(body)
        self._sets.pack(fill="x")
        self.cards: dict[str, CredentialSetCard] = {}
        self._none = Wrapped(body, texts("No values have been entered yet."))
        self.subscription = SubscriptionCard(body, session)
        self.subscription.pack(fill="x")
        self._add_form(body)
        session.watch(self, self._take)

    def left(self) -> None:
        """Take secrets off the screen."""
        for card in self.cards.values():
            card.hide_secrets()

    def _add_doctor(self, body: ttk.Frame) -> None:
        theme, texts = self.theme, self.texts
        self._doctor_place = ttk.Frame(body)
        self._doctor_place.pack(fill="x")
        self.doctor = ttk.LabelFrame(
            self._doctor_place,
            text=texts("What was wrong with the last rejected request"),
            padding=theme.px(12),
        )
        self._doctor_title = Wrapped(self.doctor, style="Bad.TLabel")
        self._doctor_title.pack(fill="x")
        self._doctor_hint = Wrapped(self.doctor)
        self._doctor_hint.pack(fill="x", pady=theme.pad(2, 6))
        self._doctor_when = Wrapped(self.doctor, style="Hint.TLabel")
        self._doctor_when.pack(fill="x")
        self._adopt_row = ButtonRow(self.doctor, theme, Action(texts("&Use this key"), self._adopt))
        self.adopt_button = self._adopt_row.buttons[0]
        self._offered_key = ""

    def _add_form(self, body: ttk.Frame) -> None:
        texts, theme = self.texts, self.theme
        box = ttk.LabelFrame(body, text=texts("Enter new values"), padding=theme.px(12))
        box.pack(fill="x", pady=theme.pad(8, 8))
        Wrapped(
            box,
            texts(
                "You can change them here or in the DingTalk console first; the old values stay "
                "valid until DingTalk uses the new ones."
            ),
            "Hint.TLabel",
        ).pack(fill="x", pady=theme.pad(0, 8))
        self.form = CredentialForm(box, self.session, can_generate=True)
        self.form.pack(fill="x")
        self.form.on_change = self._form_changed
        row = ButtonRow(box, theme, Action(texts("Sa&ve"), self._save, is_default=True))
        row.pack(fill="x")
        self.save_button = row.buttons[0]
        self.outcome = Wrapped(box, style="Strong.TLabel")
        self.outcome.pack(fill="x", pady=theme.pad(8, 0))
        for entry in self.form.entries.values():
            entry.entry.bind("<Return>", lambda _: self.save_button.invoke())
        self._form_changed()

    # --- what is new

    def _take(self, snapshot: StatusSnapshot) -> None:
        self._show_doctor(snapshot.status.doctor)
        self._show_sets(snapshot.status.credentials)
        self.subscription.show(snapshot.status)

    def _show_doctor(self, call: RejectionView | None) -> None:
        if call is None or call.is_settled:
            self.doctor.pack_forget()
            return
        self._doctor_title.show(self.session.say(call.title))
        self._doctor_hint.show(self.session.say(call.hint))
        moment = self.texts.moment(call.at_ms)
        self._doctor_when.show(
            self.texts("{moment} from {remote}", moment=moment, remote=call.remote)
        )
        if call.offered_key:
            self._offered_key = call.offered_key
            label = self.texts("&Use the key {key}", key=call.offered_key)
            relabel(self.adopt_button, label)
            self._adopt_row.pack(fill="x", pady=self.theme.pad(8, 0))
        else:
            self._adopt_row.pack_forget()
        self.doctor.pack(fill="x", pady=self.theme.pad(0, 10))

    def _show_sets(self, credentials: CredentialsView) -> None:
        present: dict[str, CredentialSetView | None] = {
            "active": credentials.active,
            "pending": credentials.pending,
            "previous": credentials.previous,
        }
        for role, view in present.items():
            if view is None and role in self.cards:
                self.cards.pop(role).destroy()
            elif view is not None:
                self._card(role).show(view, is_in_use=credentials.in_use == role)
        for role in present:  # in this order also where one came later
            if role in self.cards:
                self.cards[role].pack_forget()
                self.cards[role].pack(fill="x", pady=self.theme.pad(0, 8))
        if self.cards:
            self._none.pack_forget()
        else:
            self._none.pack(after=self._sets, fill="x", pady=self.theme.pad(0, 8))

    def _card(self, role: str) -> CredentialSetCard:
        if role not in self.cards:
            title = self.texts(_ROLES[role])
            self.cards[role] = CredentialSetCard(self._sets, self.session, role, title)
        return self.cards[role]

    # --- entering

    def _form_changed(self) -> None:
        is_ready = bool(self.form.values) and not self.form.has_problem
        self.save_button.configure(state="normal" if is_ready else "disabled")

    def _save(self) -> None:
        values = self.form.values
        self.session.ask(lambda: self.session.app.configure({"callback": values}), self._saved)

    def _saved(self, outcome: Outcome) -> None:
        if not self.winfo_exists():
            return
        self.form.clear()
        if outcome.credentials is Effect.INCOMPLETE:
            missing = self.texts(", ").join(name for name in FIELDS if name in outcome.missing)
            text = self.texts("Saved. Still missing: {missing}", missing=missing)
        else:
            text = self.texts(_EFFECTS[outcome.credentials])
        self.outcome.show(text)
        self.session.windows.refresh()

    def _adopt(self) -> None:
        adopt_key(self.session, self._offered_key)
