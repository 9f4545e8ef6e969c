"""DingTalk's own record of the subscription beside ours, and two ways to bring them in step."""

import tkinter as tk
from collections.abc import Callable
from queue import Empty, SimpleQueue
from tkinter import messagebox, ttk

from server.api.checks import SelfTestReport, Step
from server.api.status import CredentialSetView, Status, SubscriptionState, SubscriptionView
from server.config.merge import Effect
from server.config.store import Outcome
from server.errors.message import N_
from ui.state.session import Session
from ui.state.window_api import PageName
from ui.widgets.layout import Action, ButtonRow, Wrapped
from ui.widgets.steps import StepList
from ui.words.event_words import type_words
from ui.words.text import Texts

_LOOK_EVERY_MS = 100
_HEADLINES = {
    SubscriptionState.NOT_SET_UP: (
        N_("DingTalk cannot be asked yet."),
        N_(
            "Once the app's Client ID and Client Secret are entered, DingBridge compares what is "
            "registered with DingTalk with the values above, and shows the differences."
        ),
        "TLabel",
    ),
    SubscriptionState.NOT_COMPARED: (
        N_("Not compared yet."),
        N_("The service compares automatically after each change; or press the button."),
        "TLabel",
    ),
    SubscriptionState.EQUAL: (
        N_("The same values are registered with DingTalk."),
        "",
        "Good.TLabel",
    ),
    SubscriptionState.DIFFERS: (
        N_("Other values are registered with DingTalk: {names}."),
        N_("Use DingTalk's values if they are right, or write yours to DingTalk."),
        "Bad.TLabel",
    ),
    SubscriptionState.NO_RECORD: (
        N_(
            "Nothing is registered with DingTalk: the subscription was set up in the "
            "console, or not at all."
        ),
        N_(
            "A subscription set up in the console cannot be read through the API. DingTalk's last "
            "request and the rejected requests show whether its values are right."
        ),
        "TLabel",
    ),
    SubscriptionState.FAILED: (N_("DingTalk could not be asked."), "", "Bad.TLabel"),
}
_ADDRESS = N_("Address")
_COMPARED = ("url", "token", "aes_key")  # in the order of the table
_TAKEN = {
    Effect.UNTOUCHED: N_("Nothing changed."),
    Effect.INCOMPLETE: N_("token and aes_key have been saved. The key is still missing."),
    Effect.ACTIVE: N_("DingTalk's values are in effect now."),
    Effect.PENDING: N_(
        "DingTalk's values are stored next to the old ones: DingTalk's next request makes them "
        "active."
    ),
}
_TAKE_QUESTION = N_(
    "Use the token and the aes_key registered with DingTalk?\n\nThe values in use stay valid until "
    "DingTalk uses the others. The key stays as it is: DingTalk does not provide it."
)
_REPLACE_QUESTION = N_(
    "Write your subscription to DingTalk?\n\nDingTalk currently sends its requests to {url}. "
    "Afterwards it sends them to {ours}, with the values entered here last; a program at the old "
    "address no longer receives anything.\n\nThe self-test runs first, and DingTalk tests the "
    "address before it changes anything."
)
_NEW_QUESTION = N_(
    "Register a new subscription with DingTalk?\n\nDingTalk then sends its requests to {ours}, "
    "with the values entered here last. This is not needed if the subscription was set up in the "
    "console. A subscription registered here uses the CorpId as its key instead of the Client ID "
    "(formerly AppKey).\n\nThe self-test runs first, and DingTalk tests the address before it "
    "changes anything."
)


class SubscriptionCard(ttk.LabelFrame):
    """Shows the last comparison; compares, takes and writes when somebody presses a button."""

    def __init__(self, parent: tk.Misc, session: Session) -> None:
        texts, theme = session.texts, session.theme
        super().__init__(
            parent, text=texts("The subscription registered with DingTalk"), padding=theme.px(12)
        )
        self._session = session
        self._view = SubscriptionView()
        self._is_busy = False
        self._heard: SimpleQueue[Step] = SimpleQueue()
        self._timer = ""
        self.bind("<Destroy>", self._forget)
        self.headline = Wrapped(self, style="Strong.TLabel")
        self.headline.pack(fill="x")
        self._hint = Wrapped(self)
        self.table = _Comparison(self, session)
        self.notes = Wrapped(self)
        self._when = Wrapped(self, style="Hint.TLabel")
        self._set_up = ButtonRow(
            self,
            theme,
            Action(texts("E&nter Client ID and Client Secret"), self._open_settings),
        )
        self._buttons = ButtonRow(
            self,
            theme,
            Action(texts("Co&mpare now"), self._compare),
            Action(texts("Use DingTal&k's values…"), self._take),
            Action(texts("&Write to DingTalk…"), self._write),
        )
        self.compare_button, self.take_button, self.write_button = self._buttons.buttons
        self._progress = ttk.Progressbar(self, mode="indeterminate", length=theme.px(200))
        self.outcome = Wrapped(self, style="Strong.TLabel")
        self.steps = StepList(self, theme, texts)

    # --- what is known

    def show(self, status: Status) -> None:
        """Show the last comparison."""
        self._view = view = status.subscription
        headline, hint, style = _HEADLINES[view.state]
        texts = self._session.texts
        others = [name for name in _COMPARED if name in view.differences]
        names = texts(", ").join(_named(name, texts) for name in others)
        self.headline.show(texts(headline, names=names), style)
        sets = status.credentials
        self.table.show(view, sets.pending if view.fits == "pending" else sets.active)
        if view.error is not None:
            title, remedy = self._session.say(view.error.title), self._session.say(view.error.hint)
            self._hint.show(f"{title}\n{remedy}")
        else:
            self._hint.show(texts(hint) if hint else "")
        self.notes.show("\n".join(self._note_lines(view)))
        moment = texts.moment(view.checked_at_ms)
        self._when.show(
            "" if view.checked_at_ms is None else texts("Checked {moment}", moment=moment)
        )
        self._arrange(view)

    def _note_lines(self, view: SubscriptionView) -> list[str]:
        texts = self._session.texts
        lines = []
        if view.fits == "pending":
            lines.append(
                texts("These are the pending values: DingTalk's next request makes them active.")
            )
        if view.fits == "previous":
            lines.append(
                texts(
                    "The previous values are registered with DingTalk; they are valid for a "
                    "while only."
                )
            )
        if view.unusable:
            names = texts(", ").join(view.unusable)
            lines.append(texts("DingTalk's {names} cannot be used here.", names=names))
        if view.missing_events:
            names = texts(", ").join(_event(name, texts) for name in view.missing_events)
            lines.append(texts("Needed by the sync, but not subscribed: {names}.", names=names))
        return lines

    def _arrange(self, view: SubscriptionView) -> None:
        """Put what has something to say in its order, and leave the rest out."""
        gap = self._session.theme.pad
        is_set_up = view.state is not SubscriptionState.NOT_SET_UP
        parts: tuple[tuple[tk.Widget, bool], ...] = (
            (self._hint, bool(self._hint.full_text)),
            (self.table, bool(view.url)),
            (self.notes, bool(self.notes.full_text)),
            (self._when, bool(self._when.full_text)),
            (self._set_up, not is_set_up or _is_refused(view)),
            (self._buttons, is_set_up),
            (self._progress, self._is_busy),
            (self.outcome, bool(self.outcome.full_text)),
            (self.steps, bool(self.steps.winfo_children())),
        )
        wanted = [part for part, is_wanted in parts if is_wanted]
        if wanted != [one for one in self.pack_slaves() if one is not self.headline]:
            for part, _ in parts:
                part.pack_forget()
            for part in wanted:
                part.pack(
                    fill="none" if part is self._progress else "x", anchor="w", pady=gap(6, 0)
                )
        self._enable(view)

    def _enable(self, view: SubscriptionView) -> None:
        for button, is_of_use in (
            (self.compare_button, True),
            (self.take_button, view.can_be_taken),
            (self.write_button, view.can_be_written),
        ):
            state = "normal" if is_of_use and not self._is_busy else "disabled"
            if str(button.cget("state")) != state:
                button.configure(state=state)

    # --- what is ordered

    def _open_settings(self) -> None:
        self._session.windows.open_page(PageName.SETTINGS, "dingtalk")

    def _compare(self) -> None:
        subscription = self._session.app.subscription
        self._begin()
        self._session.ask(subscription.compare, lambda _: None, ended=self._rest)

    def _take(self) -> None:
        if not self._is_agreed(self._session.texts(_TAKE_QUESTION)):
            return
        self._begin()
        self._session.ask(self._session.app.subscription.take, self._taken, ended=self._rest)

    def _taken(self, outcome: Outcome) -> None:
        self._show(self._session.texts(_TAKEN[outcome.credentials]))

    def _write(self) -> None:
        if self._view.our_url and not self._is_agreed(self._write_question()):
            return  # without an address of ours nothing is written: the steps say so
        self._begin()
        subscription, heard = self._session.app.subscription, self._heard.put
        self._session.ask(lambda: subscription.register(heard), self._written, ended=self._rest)
        self._follow()

    def _write_question(self) -> str:
        view = self._view
        question = _REPLACE_QUESTION if view.url else _NEW_QUESTION
        return self._session.texts(question, url=view.url, ours=view.our_url)

    def _written(self, report: SelfTestReport) -> None:
        texts = self._session.texts
        if not self.winfo_exists():
            return
        self._take_steps()
        if report.is_passed:
            self._show(texts("Your subscription is registered with DingTalk."), "Good.TLabel")
        else:
            self._show(texts("The subscription could not be registered."), "Bad.TLabel")
        self.steps.focus_set()  # scrolls them into sight

    def _is_agreed(self, question: str) -> bool:
        return messagebox.askokcancel("DingBridge", question, parent=self)

    def _begin(self) -> None:
        self._is_busy = True
        self.steps.clear()
        self.outcome.show("")
        self._progress.start(15)
        self._arrange(self._view)

    def _follow(self) -> None:
        """Show the steps as they come, from the worker that takes them."""
        if self._is_busy and self.winfo_exists():
            self._take_steps()
            self._timer = self.after(_LOOK_EVERY_MS, self._follow)

    def _forget(self, event: "tk.Event[tk.Misc]") -> None:
        if event.widget is self and self._timer:
            self.after_cancel(self._timer)

    def _take_steps(self) -> None:
        take: Callable[[], Step] = self._heard.get_nowait
        while True:
            try:
                self.steps.add(take())
            except Empty:
                break
        self._arrange(self._view)

    def _rest(self) -> None:
        if self.winfo_exists():
            self._is_busy = False
            self._progress.stop()
            self._arrange(self._view)
            self._session.windows.refresh()

    def _show(self, told: str, style: str = "Strong.TLabel") -> None:
        if self.winfo_exists():
            self.outcome.show(told, style)
            self._arrange(self._view)


def _is_refused(view: SubscriptionView) -> bool:
    """Return whether DingTalk itself refused to tell, so that the app's values may be wrong."""
    return view.error is not None and view.error.code.startswith("dingtalk-")


def _event(event_type: str, texts: Texts) -> str:
    """Return an event as people know it, with the name that DingTalk's interface has for it."""
    return texts("{words} ({name})", words=type_words(event_type, texts), name=event_type)


def _named(name: str, texts: Callable[[str], str]) -> str:
    """Return a value's name; token and aes_key are called so in every language."""
    return texts(_ADDRESS) if name == "url" else name


class _Comparison(ttk.Frame):
    """DingTalk's address, token and aes_key beside ours, masked."""

    def __init__(self, parent: tk.Misc, session: Session) -> None:
        super().__init__(parent)
        self._session = session
        texts, theme = session.texts, session.theme
        self.columnconfigure(3, weight=1)
        for column, text in ((1, texts("Registered with DingTalk")), (2, texts("Here"))):
            ttk.Label(self, text=text, style="Hint.TLabel").grid(
                row=0, column=column, sticky="w", padx=theme.pad(0, 24)
            )
        self._rows = {
            name: self._add_row(row, label)
            for row, (name, label) in enumerate(
                (("url", texts(_ADDRESS)), ("token", "token"), ("aes_key", "aes_key")), 1
            )
        }
        self.bind("<Configure>", self._resized)

    def _resized(self, event: "tk.Event[tk.Misc]") -> None:
        """Break long addresses, so that both fit side by side."""
        theme = self._session.theme
        labels = self.grid_slaves(column=0)
        verdicts = [verdict for _, _, verdict in self._rows.values()]
        beside = sum(max(one.winfo_reqwidth() for one in column) for column in (labels, verdicts))
        gaps = theme.px(16 + 24 + 24 + 8)  # and a little, since labels have a rim of their own
        width = max((event.width - beside - gaps) // 2, theme.px(120))
        for cell in self._rows["url"][:2]:
            cell.configure(wraplength=width, style="TLabel")  # narrower than letters of one width

    def _add_row(self, row: int, label: str) -> tuple[ttk.Label, ttk.Label, ttk.Label]:
        theme = self._session.theme
        ttk.Label(self, text=label, style="Hint.TLabel").grid(
            row=row, column=0, sticky="w", padx=theme.pad(0, 16)
        )
        cells = (
            ttk.Label(self, style="Mono.TLabel"),
            ttk.Label(self, style="Mono.TLabel"),
            ttk.Label(self),
        )
        for column, cell in enumerate(cells, 1):
            gap = 24 if column < len(cells) else 0
            cell.grid(row=row, column=column, sticky="w", padx=theme.pad(0, gap))
        return cells

    def show(self, view: SubscriptionView, ours: CredentialSetView | None) -> None:
        """Show both sides; `ours` is the set that was compared."""
        here = {
            "url": view.our_url,
            "token": ours.token if ours else "",
            "aes_key": ours.aes_key if ours else "",
        }
        for name, (theirs, mine, verdict) in self._rows.items():
            theirs.configure(text=getattr(view, name) or "–")
            mine.configure(text=here[name] or "–")
            self._judge(verdict, is_other=name in view.differences, is_known=bool(here[name]))

    def _judge(self, verdict: ttk.Label, *, is_other: bool, is_known: bool) -> None:
        texts = self._session.texts
        if is_other:
            verdict.configure(text=texts("✗ different"), style="Bad.TLabel")
        elif is_known:
            verdict.configure(text=texts("✓ same"), style="Good.TLabel")
        else:
            verdict.configure(text="", style="Hint.TLabel")
