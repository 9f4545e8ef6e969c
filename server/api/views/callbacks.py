"""Turns what is stored into what is shown: masked, described, and with the notices it calls for."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from crypto.credentials import CredentialField, Credentials, Keyring, Role
from crypto.doctor import Diagnosis, Verdict
from server.api.status import (
    CredentialSetView,
    CredentialsView,
    EventCounts,
    EventView,
    Level,
    Notice,
    RejectionView,
    ServiceView,
)
from server.callback.handler import CLOCK_TOLERANCE_MS, NOT_A_CALLBACK
from server.config.paths import DataFolder
from server.config.store import Config
from server.dingtalk.payload import read_json
from server.errors.base import DingBridgeError
from server.errors.credentials import Explanation, describe_diagnosis
from server.errors.message import N_, Message
from server.journal.events import StoredEvent
from server.journal.listing import Counts
from server.journal.rejections import LastUse, Rejection
from server.journal.salvage import Salvaged
from server.service.instance import ServiceRecord

_DEEPEST = 200


@dataclass(frozen=True, slots=True)
class Stored:
    """What the journal knows, as far as the status needs it."""

    uses: Mapping[str, LastUse]
    counts: Counts
    rejections: list[Rejection]


def service_view(record: ServiceRecord | None) -> ServiceView:
    """Show who serves the data folder."""
    if record is None:
        return ServiceView(is_running=False)
    return ServiceView(
        is_running=True,
        address=record.address,
        pid=record.pid,
        started_at_ms=record.started_at_ms,
        version=record.version,
    )


def credentials_view(config: Config, uses: Mapping[str, LastUse], now_ms: int) -> CredentialsView:
    """Show the sets in force, masked, with their last use."""
    ring = config.secrets.keyring
    sets = dict(ring.sets(now_ms))
    used = {
        role: uses[one.fingerprint].last_used_at_ms
        for role, one in sets.items()
        if one.fingerprint in uses
    }
    draft = config.secrets.draft
    has_draft = len(draft.missing) < len(CredentialField)
    return CredentialsView(
        active=_set_view(sets.get(Role.ACTIVE), uses),
        pending=_set_view(sets.get(Role.PENDING), uses),
        previous=_set_view(sets.get(Role.PREVIOUS), uses, ring.previous_until_ms),
        in_use=str(max(used, key=lambda role: used[role])) if used else None,
        missing=tuple(map(str, draft.missing)) if has_draft or not sets else (),
    )


def _set_view(
    one: Credentials | None, uses: Mapping[str, LastUse], until_ms: int | None = None
) -> CredentialSetView | None:
    if one is None:
        return None
    view = CredentialSetView(
        one.token.masked(), one.aes_key.masked(), one.key, accepted_until_ms=until_ms
    )
    use = uses.get(one.fingerprint)
    if use is None:
        return view
    return CredentialSetView(
        view.token,
        view.aes_key,
        view.key,
        first_used_at_ms=use.first_used_at_ms,
        last_used_at_ms=use.last_used_at_ms,
        last_used_from=use.last_used_from,
        last_event_type=use.last_event_type,
        calls=use.calls,
        accepted_until_ms=until_ms,
    )


_STRANGER = Explanation(
    Message(N_("A request that is not a DingTalk callback.")),
    Message(
        N_(
            "Usually a browser, a scanner or a health check. If it was DingTalk, a proxy on the "
            "way removes the query or the body of the request."
        )
    ),
)


def rejection_view(rejection: Rejection, last_genuine_ms: int) -> RejectionView:
    """Show rejected calls in words. `last_genuine_ms` is when the last genuine call came."""
    advice = _STRANGER if rejection.cause == NOT_A_CALLBACK else _advice(rejection)
    # A database from before may hold the tails of unsigned calls, which anybody could choose.
    is_signed = rejection.verdict == Verdict.KEY
    return RejectionView(
        at_ms=rejection.at_ms,
        first_at_ms=rejection.first_at_ms,
        remote=rejection.remote,
        count=rejection.count,
        cause=rejection.cause,
        verdict=rejection.verdict,
        offered_key=rejection.offered_key if is_signed else None,
        title=advice.title,
        hint=advice.hint,
        is_settled=last_genuine_ms > rejection.at_ms,
    )


def _advice(rejection: Rejection) -> Explanation:
    # The database may hold any text: nobody who wants to know how all stands is to fail for it.
    verdict = next((one for one in Verdict if one == rejection.verdict), Verdict.UNKNOWN_SENDER)
    return describe_diagnosis(Diagnosis(verdict, offered_key=rejection.offered_key))


def doctor_view(stored: Stored) -> RejectionView | None:
    """Show the verdict on the last call that the doctor saw."""
    last_genuine_ms = max((use.last_used_at_ms for use in stored.uses.values()), default=0)
    for rejection in stored.rejections:
        if rejection.cause != NOT_A_CALLBACK:
            return rejection_view(rejection, last_genuine_ms)
    return None


def event_counts(counts: Counts) -> EventCounts:
    """Show how many events are in each state."""
    return EventCounts(
        pending=counts.pending,
        working=counts.working,
        done=counts.done,
        ignored=counts.ignored,
        failed=counts.failed,
        duplicates=counts.duplicates,
    )


def event_view(event: StoredEvent) -> EventView:
    """Show one event with its payload parsed."""
    return EventView(
        id=event.id,
        received_at_ms=event.received_at_ms,
        event_type=event.event_type,
        event_id=event.event_id,
        corp_id=event.corp_id,
        state=str(event.state),
        error=event.error,
        payload=_parsed(event.payload),
        duplicates=event.duplicates,
    )


def _parsed(payload: str) -> object:
    """Return the JSON value; what other programs could not read as JSON stays text."""
    try:
        value = read_json(payload)
    except ValueError:
        return payload
    return payload if _is_deep(value) else value


def _is_deep(value: object) -> bool:
    """Tell whether values are nested so deep that Python, which read them, cannot write them."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return False
    return True


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def notices(
    config: Config | None,
    record: ServiceRecord | None,
    doctor: RejectionView | None,
    damaged: Mapping[str, Salvaged | None],
    room: Explanation | None = None,
    in_use: str | None = None,
) -> Iterator[Notice]:
    """Yield what somebody should know now, the gravest first.

    Without `config` (it cannot be read, which is told apart) nothing is said about it. `in_use` is
    the set of credentials that DingTalk used last.
    """
    ring = Keyring() if config is None else config.secrets.keyring
    for trouble in () if record is None else record.troubles:
        title = Message(trouble.title, trouble.values)
        hint = Message(trouble.hint, trouble.values)
        yield Notice("trouble", Level.ERROR, title, hint)
    if room is not None:
        yield Notice("little-room", Level.ERROR, room.title, room.hint)
    if config is not None and ring.active is None:
        yield Notice("not-set-up", Level.ERROR, _NOT_SET_UP.title, _NOT_SET_UP.hint)
    if doctor is not None and not doctor.is_settled:
        yield Notice("rejected-call", Level.WARNING, doctor.title, doctor.hint)
    if in_use == Role.PREVIOUS:
        yield Notice("previous-in-use", Level.WARNING, _PREVIOUS.title, _PREVIOUS.hint)
    if ring.pending is not None:
        yield Notice("pending", Level.INFO, _PENDING.title, _PENDING.hint)
    yield from _clock_notice(record)
    for path, salvaged in damaged.items():
        yield _moved_notice(path, salvaged)
    for note in () if config is None else config.notes:
        yield Notice("note", Level.WARNING, note, _IN_LOG)


def folder_notices(folder: DataFolder) -> Iterator[Notice]:
    """Yield what should be known of the data folder itself."""
    if folder.is_open_to_others():
        title = N_("Other accounts of this computer can open the data folder {path}.")
        hint = N_(
            "Its files are for their owner only. Remove the other rights from the folder as well: "
            "chmod 700."
        )
        values = {"path": str(folder.root)}
        yield Notice("folder-open", Level.WARNING, Message(title, values), Message(hint))


def _moved_notice(path: str, salvaged: Salvaged | None) -> Notice:
    title = Message(N_("A damaged database was moved to {path}."), {"path": path})
    if salvaged is None:
        hint = N_(
            "Its events and links are not in use. Keep the file until everything works again."
        )
        return Notice("database-moved", Level.WARNING, title, Message(hint))
    text = N_(
        "{events} events and {links} links between DingTalk and WeCom were recovered from it. Keep "
        "the file until everything works again."
    )
    values = {"events": salvaged.events, "links": salvaged.links}
    return Notice("database-moved", Level.WARNING, title, Message(text, values))


_IN_LOG = Message(N_("The log file has the details."))
_NOT_SET_UP = Explanation(
    Message(N_("token, aes_key and key have not all been entered yet.")),
    Message(N_("Enter the three values from the DingTalk console.")),
)
_PREVIOUS = Explanation(
    Message(N_("DingTalk uses the previous credentials again.")),
    Message(
        N_(
            "Save the new token and aes_key in the DingTalk console, or enter the previous ones "
            "here again. They stay valid as long as DingTalk uses them."
        )
    ),
)
_PENDING = Explanation(
    Message(N_("New credentials are waiting for DingTalk to use them.")),
    Message(
        N_("Save the same values in the DingTalk console. The old ones stay valid until then.")
    ),
)


def _clock_notice(record: ServiceRecord | None) -> Iterator[Notice]:
    difference_ms = record.clock_difference_ms if record else None
    if difference_ms is None or abs(difference_ms) <= CLOCK_TOLERANCE_MS:
        return
    values = {"minutes": round(abs(difference_ms) / 60_000)}
    ahead = N_("DingTalk's clock is {minutes} minutes ahead of this computer's.")
    behind = N_("DingTalk's clock is {minutes} minutes behind this computer's.")
    title = Message(ahead if difference_ms > 0 else behind, values)
    hint = Message(
        N_(
            "Set this computer's clock (Settings, Time, Sync now). No event is lost in the "
            "meantime."
        )
    )
    yield Notice("clock", Level.WARNING, title, hint)


def error_notice(failure: DingBridgeError) -> Notice:
    """Show an error as a notice, where the rest of the status is still worth showing."""
    return Notice(failure.code, Level.ERROR, failure.title, failure.hint)
