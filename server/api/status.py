"""What the facade tells: frozen views, made for showing. They hold no secret unmasked.

Times are milliseconds since 1970.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from server.errors.message import Message


@dataclass(frozen=True, slots=True)
class ServiceView:
    """The service on this data folder; without one only `is_running` has a meaning.

    `address` is the callback address on this machine, empty until callbacks are accepted.
    """

    is_running: bool
    address: str = ""
    pid: int = 0
    started_at_ms: int = 0
    version: str = ""


@dataclass(frozen=True, slots=True)
class CredentialSetView:
    """One set of credentials, masked, and its last use by a genuine call."""

    token: str
    aes_key: str
    key: str
    first_used_at_ms: int | None = None
    last_used_at_ms: int | None = None
    last_used_from: str | None = None
    last_event_type: str | None = None
    calls: int = 0
    accepted_until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class CredentialsView:
    """The sets in force. `in_use` names the one that DingTalk used last, None before any call.

    `missing` names the values still to be entered where the entry is not complete.
    """

    active: CredentialSetView | None = None
    pending: CredentialSetView | None = None
    previous: CredentialSetView | None = None
    in_use: str | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RejectionView:
    """Calls that were turned away alike: the last at `at_ms`, `count` in all since `first_at_ms`.

    `verdict` is the key doctor's, None where the request was no callback at all; `offered_key` is
    the key DingTalk sent where another one is set. `is_settled`: a genuine call came later.
    """

    at_ms: int
    first_at_ms: int
    remote: str
    count: int
    cause: str
    verdict: str | None
    offered_key: str | None
    title: Message
    hint: Message
    is_settled: bool


@dataclass(frozen=True, slots=True)
class EventCounts:
    """How many events are in each state; `duplicates` counts how often one came again."""

    pending: int = 0
    working: int = 0
    done: int = 0
    ignored: int = 0
    failed: int = 0
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class ErrorView:
    """What went wrong: `code` for programs, title and hint for people."""

    code: str
    title: Message
    hint: Message


@dataclass(frozen=True, slots=True)
class ChangeView:
    """A change to WeCom and what became of it.

    action: create, adopt, update, enable, disable, delete, conflict. kind: person, department.
    fields: old and new by WeCom's field name; old is None where it is not known. result: planned,
    done, held, skipped, failed. name: empty where it is not known any more. names: what those are
    called whose WeCom ids the fields hold, by kind and id, as far as it is known.
    """

    action: str
    kind: str
    dingtalk_id: str
    wecom_id: str
    name: str
    fields: Mapping[str, tuple[object, object]]
    result: str
    error: ErrorView | None = None
    warnings: tuple[Message, ...] = ()
    names: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunTotals:
    """How much a run read, and how many of its changes ended how; conflicts are skipped ones."""

    people: int = 0
    departments: int = 0
    done: int = 0
    held: int = 0
    skipped: int = 0
    failed: int = 0
    planned: int = 0
    conflicts: int = 0


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run without its changes.

    status: success, partial, held, refused, failed, preview, interrupted; None while it is under
    way. digest: what awaits approval. snapshot_complete: None where the reading was not reached.
    is_full: it compared everything, not only what events named. unforeseen: which of `warnings` say
    what its list could not foresee. An `id` of 0: it never began.
    """

    id: int
    cause: Message
    is_full: bool
    started_at_ms: int
    finished_at_ms: int | None
    status: str | None
    digest: str | None = None
    snapshot_complete: bool | None = None
    incomplete_reason: tuple[Message, ...] = ()
    error: ErrorView | None = None
    totals: RunTotals = field(default_factory=RunTotals)
    warnings: tuple[Message, ...] = ()
    unforeseen: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class RunView:
    """A run and all its changes, in the order of writing.

    hold_reasons: why something awaits approval, as long as it still does.
    """

    summary: RunSummary
    changes: tuple[ChangeView, ...] = ()
    hold_reasons: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class HeldView:
    """What awaits the admin's approval: its digest, the run that lists it, and why it is held.

    unforeseen: what may be done otherwise than the list says.
    """

    digest: str
    run_id: int
    since_ms: int
    reasons: tuple[Message, ...]
    is_rejected: bool = False
    unforeseen: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class QuarantineView:
    """Nothing works until somebody acts on `error`; tried again by itself at `until_ms`."""

    since_ms: int
    until_ms: int
    error: ErrorView


@dataclass(frozen=True, slots=True)
class ConflictView:
    """Somebody or something that waits for the admin's decision.

    For a person `wecom_id` is the member who holds the mobile `value`; for a department `value` is
    the name that is taken. Either is empty where it is not known. error: as the last run explained
    it, None where that was pruned.
    """

    kind: str
    dingtalk_id: str
    wecom_id: str
    value: str
    error: ErrorView | None = None


class SyncState(StrEnum):
    """How the mirror stands. FAILED: the last run did not come to its end."""

    NEVER = "never"
    SUCCESS = "success"
    PARTIAL = "partial"
    HELD = "held"
    FAILED = "failed"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class SyncView:
    """The mirror's state.

    last_success_at_ms moves only when a full run read everything and everything succeeded.
    last_run: the last that ended, of any kind; last_full_run: the last full one. current_run: the
    one under way, with the results it has so far. previewed: what the last preview would have held.
    last_preview: the newest run of all, where that was a preview; it says nothing about the mirror.
    unfetched: why the events that did not arrive could not be asked for.
    """

    is_enabled: bool
    state: SyncState = SyncState.NEVER
    last_success_at_ms: int | None = None
    last_run: RunSummary | None = None
    current_run: RunSummary | None = None
    next_full_run_at_ms: int | None = None
    held: HeldView | None = None
    quarantine: QuarantineView | None = None
    conflicts: int = 0
    last_full_run: RunSummary | None = None
    previewed: HeldView | None = None
    last_preview: RunSummary | None = None
    unfetched: ErrorView | None = None


class SubscriptionState(StrEnum):
    """How DingTalk's own record of the subscription stands to what is entered here.

    NOT_SET_UP: app_key or app_secret is missing, so DingTalk cannot be asked. NOT_COMPARED: not yet
    since the last change. NO_RECORD: DingTalk has none, which is so for a subscription made in the
    console. FAILED: DingTalk could not be asked.
    """

    NOT_SET_UP = "not-set-up"
    NOT_COMPARED = "not-compared"
    EQUAL = "equal"
    DIFFERS = "differs"
    NO_RECORD = "no-record"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SubscriptionView:
    """DingTalk's own record of the subscription, secrets masked, beside ours.

    fits: the set of credentials that DingTalk's values are, None for none. differences: token,
    aes_key, url. unusable: DingTalk's values that cannot be taken. missing_events: what the mirror
    needs and DingTalk does not send. missing: settings that are not entered. since_ms: since when
    it is found like this. will_pass: the failure may mend itself.
    """

    state: SubscriptionState = SubscriptionState.NOT_COMPARED
    our_url: str = ""
    checked_at_ms: int | None = None
    since_ms: int = 0
    url: str = ""
    token: str = ""
    aes_key: str = ""
    event_types: tuple[str, ...] = ()
    fits: str | None = None
    differences: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()
    missing_events: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    error: ErrorView | None = None
    will_pass: bool = False

    @property
    def can_be_taken(self) -> bool:
        """Whether DingTalk's token and aes_key are worth taking: other ones, and usable."""
        is_other = bool({"token", "aes_key"} & set(self.differences))
        return is_other and not self.unusable

    @property
    def can_be_written(self) -> bool:
        """Whether writing ours to DingTalk would change something there."""
        if self.state is SubscriptionState.NO_RECORD:
            return True
        return self.state is SubscriptionState.DIFFERS or bool(self.missing_events)


class Level(StrEnum):
    """How much a notice needs somebody."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the admin should know now: what, and what to do about it."""

    code: str
    level: Level
    title: Message
    hint: Message


@dataclass(frozen=True, slots=True)
class Status:
    """Everything at a glance.

    `callback_url` is what belongs into the console: `callback.public_url`, else the address on this
    machine (`has_public_url` is false then), empty where neither is known.
    """

    service: ServiceView
    credentials: CredentialsView
    doctor: RejectionView | None
    events: EventCounts
    sync: SyncView
    notices: tuple[Notice, ...]
    callback_url: str = ""
    has_public_url: bool = False
    subscription: SubscriptionView = field(default_factory=SubscriptionView)


@dataclass(frozen=True, slots=True)
class EventView:
    """An event. `payload` is the decrypted JSON value, or the plaintext where it is no JSON."""

    id: int
    received_at_ms: int
    event_type: str | None
    event_id: str | None
    corp_id: str | None
    state: str
    error: str | None
    payload: object
    duplicates: int


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events, newest first; `before_id` asks for the next page, None at the end."""

    events: tuple[EventView, ...]
    before_id: int | None
