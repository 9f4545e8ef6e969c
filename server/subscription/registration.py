"""Writes our subscription to DingTalk, step by step, and watches DingTalk try the address.

DingTalk calls the address with `check_url`, encrypted with the values it is being given, before it
answers; so the self-test comes first, and a service is started where none runs. The call ends with
the CorpId where `key` may be the AppKey: then the key doctor knows the one to use.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING

from crypto.credentials import Credentials
from server.dingtalk.client import DingTalkClient
from server.dingtalk.events import NEEDED_EVENTS
from server.dingtalk.wire import CallbackRecord
from server.errors.message import N_, Message
from server.errors.vendor import Fix, OutcomeUnknownError, VendorRefusedError
from server.journal import contact
from server.journal.opening import peek
from server.reports import SelfTestReport, Step, StepState
from server.selftest import run_self_test
from server.service.instance import running_service
from server.status import RejectionView
from server.subscription.comparison import Ours, compare
from server.trial import FaultError, Trial

if TYPE_CHECKING:
    from server.app import App

_TOKEN_CHARACTERS = range(6, 64)  # of register_call_back; the console takes others
_SEEN_WITHIN_S = 2.5  # a service beside this process stores its list of rejected calls every second
_LOOK_EVERY_S = 0.1


def register(
    app: "App",
    client: DingTalkClient,
    clock_ms: Callable[[], int],
    heard: Callable[[Step], object],
) -> SelfTestReport:
    """Go through all steps; `heard` is called with each as it ends, on this thread."""
    trial = Trial(heard=heard)
    with _serving(app):
        _Registration(app, client, clock_ms, trial).run()
    return SelfTestReport(tuple(trial.steps))


@contextmanager
def _serving(app: "App") -> Iterator[None]:
    """Have the address answered: by whoever does already, else by this process meanwhile."""
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

    app: "App"
    client: DingTalkClient
    clock_ms: Callable[[], int]
    trial: Trial
    credentials: Credentials | None = None
    existing: CallbackRecord | None = None
    calls_before: int = 0
    began_ms: int = 0

    def run(self) -> None:
        """Add all steps to the trial."""
        step = self.trial.step
        step("values", N_("token and aes_key are such that DingTalk takes them."), self._values)
        step("address", N_("The address as DingTalk calls it is entered."), self._address)
        step("self_test", N_("The self-test passes."), self._self_test)
        step("record", N_("DingTalk's record was read."), self._read)
        step("written", N_("DingTalk has taken the subscription."), self._write)
        if self.began_ms and self.trial.has_failed:
            self.trial.note("check_url", *self._what_came())
            return
        step("check_url", N_("DingTalk's test call arrived here and was answered."), self._watch)
        step("compared", N_("DingTalk's record is equal to ours now."), self._compare)

    def _ours(self) -> Ours:
        return Ours.of(self.app.config())

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
                Message(N_("The token has {length} characters; DingTalk wants 6 to 63."), values),
                Message(N_("Enter another token, or have one generated."), values),
            )
        return None

    def _address(self) -> Message | None:
        url = self._ours().url
        if not url:
            raise FaultError(
                Message(N_("The address as DingTalk calls it is not entered.")),
                Message(N_("Enter it as callback.public_url, with its path.")),
            )
        return Message(N_("DingTalk shall call {url}."), {"url": url})

    def _self_test(self) -> Message | None:
        for step in run_self_test(self.app, self.clock_ms).steps:
            if step.state is StepState.FAILED:
                raise FaultError(step.title, step.hint or Message(N_("Run the self-test.")))
        return None

    def _read(self) -> Message | None:
        self.existing = self.client.get_callback()
        if self.existing is None:
            return Message(N_("DingTalk has no record yet: it will be a new one."))
        return Message(
            N_("DingTalk calls {url} until now: that is replaced."), {"url": self.existing.url}
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
            return Message(N_("DingTalk's reply was lost; its record shows whether it took it."))
        return None

    def _send(self, record: CallbackRecord) -> None:
        if self.existing is not None:
            self.client.update_callback(record)
            return
        try:
            self.client.register_callback(record)
        except VendorRefusedError as refusal:
            if refusal.fix is not Fix.UPDATE_INSTEAD:
                raise
            self.client.update_callback(record)  # somebody registered one in between

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
                    N_("DingTalk's record is not as it was written: {names}."), {"names": names}
                ),
                Message(N_("Another program may write it as well. Write it once more.")),
            )
        return None

    def _calls(self) -> int:
        """Return how many genuine calls came with the values that are being written.

        Sets that differ in the key alone count alike: DingTalk decides which key it sends.
        """
        mine = self.credentials
        if mine is None:
            return 0
        sets = (one for _, one in self._ours().keyring.sets(self.clock_ms()))
        written = {one.fingerprint for one in sets if one.has_same_secrets(mine)}
        uses = peek(self.app.folder.database, contact.uses)
        return sum(use.calls for name, use in uses.items() if name in written)

    def _what_came(self) -> tuple[Message, Message]:
        """Say what this computer saw of DingTalk's test call where it did not go well."""
        if self._calls() > self.calls_before:
            return _ANSWERED
        rejected = self._rejected()
        if rejected is None:
            return _NOTHING_CAME
        return rejected.title, rejected.hint

    def _rejected(self) -> RejectionView | None:
        """Return the call that was turned away meanwhile, None where none was."""
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
    Message(N_("No test call of DingTalk's arrived at this computer.")),
    Message(
        N_(
            "The address leads elsewhere, or is not reachable from the internet: check the name, "
            "the port forwarding, the firewall or the reverse proxy."
        )
    ),
)
_ANSWERED = (
    Message(N_("DingTalk's test call arrived here and was answered.")),
    Message(N_("If DingTalk still refuses, a proxy in between may change or delay the answer.")),
)


def _with_needed(event_types: tuple[str, ...]) -> tuple[str, ...]:
    """Add the events that the mirror needs to those subscribed already, which other uses need."""
    known = {event_type.strip().lower() for event_type in event_types}
    added = tuple(event_type for event_type in NEEDED_EVENTS if event_type not in known)
    return (*dict.fromkeys(event_types), *added)
