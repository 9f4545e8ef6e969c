"""The commands for the subscription: compare with DingTalk's record, adopt it, or write ours.

Works the same beside the service and in its process: each command asks DingTalk itself and stores
the finding in the database. `register` writes our values to DingTalk step by step, with a self-test
before and a comparison after. Everything here waits for the network.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event

from crypto.credentials import Credentials
from server.api.checks import CheckRunner, FaultError, SelfTestReport, Step, StepState
from server.api.context import Context
from server.api.selftest import run_self_test
from server.api.status import RejectionView, SubscriptionView
from server.api.sync import SyncDispatcher
from server.config.store import Config, Outcome
from server.dingtalk.client import DingTalkClient
from server.dingtalk.events import NEEDED_EVENTS
from server.dingtalk.wire import CallbackRecord
from server.errors.message import N_, Message
from server.errors.vendor import (
    Correction,
    NoRecordError,
    OutcomeUnknownError,
    RecordUnusableError,
    VendorRefusedError,
)
from server.journal import rejections
from server.journal import subscription as stored
from server.journal.opening import open_read_only
from server.journal.subscription import Finding
from server.rest.tokens import TokenCache
from server.service.instance import running_service
from server.subscription.comparison import (
    LocalSubscription,
    compare,
    dingtalk_client,
    ensure_askable,
    look,
    unusable_values,
)
from server.sync.clients import Throttle

_TOKEN_CHARACTERS = range(6, 64)  # for register_call_back; the console takes others
_SEEN_WITHIN_S = 2.5  # another process's service stores its rejected calls every second
_LOOK_EVERY_S = 0.1


def register(
    app: Context,
    client: DingTalkClient,
    clock_ms: Callable[[], int],
    on_step: Callable[[Step], object],
) -> SelfTestReport:
    """Run all steps; call `on_step` with each as it ends, on this thread."""
    checks = CheckRunner(on_step=on_step)
    with _serving(app):
        _Registration(app, client, clock_ms, checks).run()
    return SelfTestReport(tuple(checks.steps))


@contextmanager
def _serving(app: Context) -> Iterator[None]:
    """Make sure that the address is answered: start the service here if none runs."""
    if running_service(app.folder) is not None:
        yield
        return
    app.start()
    try:
        yield
    finally:
        app.stop()


@dataclass(slots=True)
class _Registration:
    """One registration under way."""

    app: Context
    client: DingTalkClient
    clock_ms: Callable[[], int]
    checks: CheckRunner
    credentials: Credentials | None = None
    existing: CallbackRecord | None = None
    calls_before: int = 0
    began_ms: int = 0

    def run(self) -> None:
        """Add all steps to the checks."""
        step = self.checks.step
        step("values", N_("token and aes_key meet DingTalk's requirements."), self._values)
        step("address", N_("The public callback address has been entered."), self._address)
        step("self_test", N_("The self-test passes."), self._self_test)
        step("record", N_("The subscription registered with DingTalk was read."), self._read)
        step("written", N_("DingTalk accepted the subscription."), self._write)
        if self.began_ms and self.checks.has_failed:
            self.checks.note("check_url", *self._what_came())
            return
        step("check_url", N_("DingTalk's test request arrived here and was answered."), self._watch)
        step(
            "compared",
            N_("What is registered with DingTalk now matches the values here."),
            self._compare,
        )

    def _ours(self) -> LocalSubscription:
        return LocalSubscription.of(self.app.config())

    def _values(self) -> Message | None:
        self.credentials = self._ours().newest
        if self.credentials is None:
            raise FaultError(
                Message(N_("token, aes_key and key have not all been entered yet.")),
                Message(N_("Enter the three values first; token and aes_key can be generated.")),
            )
        length = len(self.credentials.token.reveal())
        if length not in _TOKEN_CHARACTERS:
            values = {"length": length}
            raise FaultError(
                Message(
                    N_("The token has {length} characters; DingTalk requires 6 to 63."), values
                ),
                Message(N_("Enter another token, or generate one."), values),
            )
        return None

    def _address(self) -> Message | None:
        url = self._ours().url
        if not url:
            raise FaultError(
                Message(N_("The public callback address has not been entered.")),
                Message(N_("Enter it as callback.public_url, including its path.")),
            )
        return Message(N_("DingTalk will send its requests to {url}."), {"url": url})

    def _self_test(self) -> Message | None:
        for step in run_self_test(self.app, self.clock_ms).steps:
            if step.state is StepState.FAILED:
                raise FaultError(step.title, step.hint or Message(N_("Run the self-test.")))
        return None

    def _read(self) -> Message | None:
        self.existing = self.client.get_callback()
        if self.existing is None:
            return Message(
                N_("Nothing is registered with DingTalk yet; a new subscription will be created.")
            )
        return Message(
            N_("DingTalk currently sends its requests to {url}; that will be replaced."),
            {"url": self.existing.url},
        )

    def _write(self) -> Message | None:
        credentials, url = self.credentials, self._ours().url
        if credentials is None:
            raise ValueError("no values were found")
        old = self.existing.event_types if self.existing else ()
        record = CallbackRecord(url, credentials.token, credentials.aes_key, _with_needed(old))
        self.calls_before = self._calls()
        self.began_ms = self.clock_ms()
        try:
            self._send(record)
        except OutcomeUnknownError:
            return Message(
                N_(
                    "DingTalk's response was lost; the registered subscription shows whether it "
                    "succeeded."
                )
            )
        return None

    def _send(self, record: CallbackRecord) -> None:
        if self.existing is not None:
            self.client.update_callback(record)
            return
        try:
            self.client.register_callback(record)
        except VendorRefusedError as refusal:
            if refusal.fix is not Correction.UPDATE_INSTEAD:
                raise
            self.client.update_callback(record)  # somebody registered one in the meantime

    def _watch(self) -> Message | None:
        if self._calls() > self.calls_before:
            return None
        raise FaultError(*self._what_came())

    def _compare(self) -> Message | None:
        record = self.client.get_callback()
        finding = compare(record, self._ours(), self.clock_ms())
        names = ", ".join([*finding.differences, *finding.missing_events])
        if record is None or names:
            raise FaultError(
                Message(
                    N_("What is registered with DingTalk differs from what was written: {names}."),
                    {"names": names},
                ),
                Message(N_("Another program may be writing it as well. Write it again.")),
            )
        return None

    def _calls(self) -> int:
        """Return how many genuine calls came with the values being written.

        Sets that differ only in the key count together: DingTalk decides which key it sends.
        """
        mine = self.credentials
        if mine is None:
            return 0
        sets = (one for _, one in self._ours().keyring.sets(self.clock_ms()))
        written = {one.fingerprint for one in sets if one.has_same_secrets(mine)}
        uses = open_read_only(self.app.folder.database, rejections.last_uses)
        return sum(use.calls for name, use in uses.items() if name in written)

    def _what_came(self) -> tuple[Message, Message]:
        """Explain what this computer saw of DingTalk's test call if it failed."""
        if self._calls() > self.calls_before:
            return _ANSWERED
        rejected = self._rejected()
        if rejected is None:
            return _NOTHING_CAME
        return rejected.title, rejected.hint

    def _rejected(self) -> RejectionView | None:
        """Return the call that was rejected since the start, if any."""
        until_ms = self.clock_ms() + round(_SEEN_WITHIN_S * 1000)
        pause = Event()
        while True:
            for call in self.app.rejected_calls():
                if call.verdict is not None and call.at_ms >= self.began_ms:
                    return call
            if self.app.is_serving or self.clock_ms() >= until_ms:
                return None
            pause.wait(_LOOK_EVERY_S)


_NOTHING_CAME = (
    Message(N_("No test request from DingTalk arrived at this computer.")),
    Message(
        N_(
            "The address leads elsewhere or cannot be reached from the internet: check the name, "
            "the port forwarding, the firewall or the reverse proxy."
        )
    ),
)
_ANSWERED = (
    Message(N_("DingTalk's test request arrived here and was answered.")),
    Message(
        N_(
            "If DingTalk still rejects it, a proxy in between may be changing or delaying the "
            "response."
        )
    ),
)


def _with_needed(event_types: tuple[str, ...]) -> tuple[str, ...]:
    """Add the events that the mirror needs to those that are subscribed for other uses."""
    known = {event_type.strip().lower() for event_type in event_types}
    added = tuple(event_type for event_type in NEEDED_EVENTS if event_type not in known)
    return (*dict.fromkeys(event_types), *added)


def _ignore_step(step: Step) -> None:
    del step


class Subscription:
    """The commands for the subscription of one data folder."""

    def __init__(
        self, app: Context, clock_ms: Callable[[], int], pace: Throttle | None = None
    ) -> None:
        self._app = app
        self._clock_ms = clock_ms
        self._pace = pace or Throttle()
        self._orders = SyncDispatcher(app.folder, clock_ms)

    def compare(self) -> SubscriptionView:
        """Ask DingTalk and compare. The view says so if the call failed.

        Raises SettingsError if app_key or app_secret is missing, StoreError and JournalError.
        """
        config = self._app.config()
        with self._line(config) as client:
            self._note(look(client, LocalSubscription.of(config), self._clock_ms()))
        return self._app.last_comparison(config)

    def take(self) -> Outcome:
        """Adopt the token and aes_key of DingTalk's record, as `configure` would.

        `key` stays as it is: DingTalk's record does not hold it. Raises NoRecordError,
        RecordUnusableError, VendorError, SettingsError, StoreError and JournalError; then nothing
        was changed.
        """
        with self._line(self._app.config()) as client:
            record = client.get_callback()
        if record is None:
            raise NoRecordError
        unusable = unusable_values(record)
        if unusable:
            raise RecordUnusableError(names=", ".join(unusable))
        values = {"token": record.token.reveal(), "aes_key": record.aes_key.reveal()}
        outcome = self._app.configure({"callback": values})
        self._note(compare(record, LocalSubscription.of(outcome.config), self._clock_ms()))
        return outcome

    def register(self, on_step: Callable[[Step], object] = _ignore_step) -> SelfTestReport:
        """Write our subscription to DingTalk; calls `on_step` with each step, on this thread.

        Raises SettingsError if app_key or app_secret is missing, and what `config` and `start`
        raise. The report says which step failed.
        """
        with self._line(self._app.config()) as client:
            report = register(self._app, client, self._clock_ms, on_step)
            if any(step.name == "check_url" for step in report.steps):
                config = self._app.config()
                self._note(look(client, LocalSubscription.of(config), self._clock_ms()))
        return report

    @contextmanager
    def _line(self, config: Config) -> Iterator[DingTalkClient]:
        """Provide a client that tries a rejected secret again, because somebody asks for it."""
        ensure_askable(config)
        with dingtalk_client(config, self._pace, TokenCache(self._pace.clock)) as client:
            yield client

    def _note(self, finding: Finding) -> None:
        self._orders.write(lambda conn: stored.note(conn, finding))
