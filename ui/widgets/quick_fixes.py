"""The button that solves a notice: its label and what it does."""

from collections.abc import Callable

from server.api.status import Notice
from server.errors.message import N_
from ui.state.session import Session
from ui.state.window_api import PageName
from ui.widgets.layout import Action


def quick_fix(notice: Notice, session: Session) -> Action | None:
    """Return the button that goes with a notice, None where only the hint helps."""
    key = _offered_key(session) if notice.code == "rejected-call" else None
    if key is not None:
        return Action(session.texts("&Use the key {key}", key=key), lambda: adopt_key(session, key))
    found = _FIXES.get(notice.code)
    if found is None:
        return None
    label, act = found
    return Action(session.texts(label), lambda: act(session))


def adopt_key(session: Session, key: str) -> None:
    """Use the key that DingTalk sent, and say so."""

    def done(_: object) -> None:
        session.windows.tell(session.texts("The key is {key} now.", key=key))
        session.windows.refresh()

    session.ask(lambda: session.app.adopt_key(key), done)


def _offered_key(session: Session) -> str | None:
    doctor = session.snapshot.status.doctor if session.snapshot else None
    return None if doctor is None else doctor.offered_key


def _credentials(session: Session) -> None:
    session.windows.open_page(PageName.CREDENTIALS)


def _settings(session: Session) -> None:
    session.windows.open_page(PageName.SETTINGS, "callback")


def _restart(session: Session) -> None:
    session.windows.restart_service()


def _guide(session: Session) -> None:
    session.windows.open_guide()


def _clock(session: Session) -> None:
    session.open_address("ms-settings:dateandtime")


def _data_folder(session: Session) -> None:
    session.open_path(session.app.folder.root)


def _logs(session: Session) -> None:
    session.open_path(session.app.folder.logs)


def _self_test(session: Session) -> None:
    session.windows.open_page(PageName.SELF_TEST)


def _sync(session: Session) -> None:
    session.windows.open_page(PageName.SYNC)


def _conflicts(session: Session) -> None:
    session.windows.open_page(PageName.SYNC, "conflicts")


def _left_out(session: Session) -> None:
    session.windows.open_page(PageName.SYNC, "left-out")


_FIXES: dict[str, tuple[str, Callable[[Session], None]]] = {
    "not-set-up": (N_("Set up no&w"), _guide),
    "no-contact": (N_("Sho&w the steps"), _guide),
    "long-silence": (N_("Self-test"), _self_test),
    "rejected-call": (N_("Loo&k at it"), _credentials),
    "previous-in-use": (N_("Loo&k at it"), _credentials),
    "folder-open": (N_("Open data &folder"), _data_folder),
    "pending": (N_("Show the va&lues"), _credentials),
    "subscription-differs": (N_("Loo&k at it"), _credentials),
    "subscription-not-asked": (N_("Loo&k at it"), _credentials),
    "events-not-subscribed": (N_("Loo&k at it"), _credentials),
    "clock": (N_("Open the cloc&k's settings"), _clock),
    "not-running": (N_("Start &it again"), _restart),
    "port-in-use": (N_("Try aga&in"), _restart),
    "port-forbidden": (N_("Change the port"), _settings),
    "address-unavailable": (N_("Change the a&ddress"), _settings),
    "sync-quarantined": (N_("What to do"), _sync),
    "sync-failed": (N_("Loo&k at it"), _sync),
    "sync-held": (N_("&Decide now"), _sync),
    "sync-conflicts": (N_("Show the con&flicts"), _conflicts),
    "sync-incomplete": (N_("Loo&k at it"), _sync),
    "sync-left-out": (N_("Sho&w which"), _left_out),
    "trouble": (N_("Open log &folder"), _logs),
    "note": (N_("Open data &folder"), _data_folder),
    "database-moved": (N_("Open data &folder"), _data_folder),
    "settings-invalid": (N_("Open data &folder"), _data_folder),
    "file-damaged": (N_("Open data &folder"), _data_folder),
    "file-newer": (N_("Open data &folder"), _data_folder),
    "file-access": (N_("Open data &folder"), _data_folder),
    "secrets-locked": (N_("Enter the&m again"), _credentials),
    "journal-damaged": (N_("Start &it again"), _restart),
    "journal-access": (N_("Open data &folder"), _data_folder),
    "journal-busy": (N_("Try aga&in"), _restart),
    "journal-full": (N_("Open data &folder"), _data_folder),
    "journal-unreadable": (N_("Open data &folder"), _data_folder),
}
