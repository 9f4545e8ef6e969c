"""`demo`: the whole way of a callback, shown on this computer alone, no account needed.

A service of its own in a temporary folder, a simulated DingTalk, the callbacks that DingTalk
itself has published as samples, and what the admin sees of it all.
"""

import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from server.app import App
from server.config.paths import DataFolder
from server.message import N_, Message
from server.service import now_ms
from server.simulator.dingtalk_callbacks import CallbackSender, Patience
from server.simulator.envelope import SignedText
from server.simulator.payloads import CONTACT_EVENTS, EventMaker, as_captured, check_url
from server.status import StepState

Say = Callable[..., object]


@dataclass(frozen=True, slots=True)
class Sample:
    """A callback that was published with the values to open it."""

    source: str
    token: str
    aes_key: str
    key: str
    text: SignedText


# DingTalk's documents ("local debugging" and the C# and Go samples) and one other public program.
SAMPLES = (
    Sample(
        N_("DingTalk's documents"),
        "123456",
        "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij",
        "suite4xxxxxxxxxxxxxxx",
        SignedText(
            "5a65ceeef9aab2d149439f82dc191dd6c5cbe2c0",
            "1445827045067",
            "nEXhMP4r",
            "1a3NBxmCFwkCJvfoQ7WhJHB+iX3qHPsc9JbaDznE1i03peOk1LaOQoRz3+nlyGNhwmwJ3vDMG+OzrHMeiZI7gTRWVdUB"
            "mfxjZ8Ej23JVYa9VrYeJ5as7XM/ZpulX8NEQis44w53h1qAgnC3PRzM7Zc/D6Ibr0rgUathB6zRHP8PYrfgnNOS9PhSB"
            "dHlegK+AGGanfwjXuQ9+0pZcy0w9lQ==",
        ),
    ),
    Sample(
        N_("DingTalk's C# and Go samples"),
        "tokenxxxx",
        "o1w0aum42yaptlz8alnhwikjd3jenzt9cb9wmzptgus",
        "dingxxxxxx",
        SignedText(
            "f36f4ba5337d426c7d4bca0dbcb06b3ddc1388fc",
            "1605695694141",
            "WelUQl6bCqcBa2fM",
            "X1VSe9cTJUMZu60d3kyLYTrBq5578ZRJtteU94wG0Q4Uk6E/wQYeJRIC0/UFW5Wkya1Ihz9oXAdLlyC9TRaqsQ==",
        ),
    ),
)

# Made up for the demo.
_TOKEN = "demoToken2026"  # noqa: S105 - made up, and valid nowhere
_AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
_OTHER_TOKEN = "typingMistake1"  # noqa: S105 - made up, and valid nowhere
_KEY = "dingdemodemodemodemo"
_CORP_ID = "ding00000000000000000000000000000000"
_EVENTS = 12
# The events of the company and the one published sample that is no check; one came twice.
_EXPECTED = (_EVENTS + 1, 1)


class Texts(Protocol):
    """Sentences in the reader's language; the demo gets it from whoever shows it."""

    def __call__(self, text: str, **values: str | int) -> str:
        """Return a sentence, its gaps filled."""

    def of(self, message: Message) -> str:
        """Return a message as a sentence."""

    def moment(self, at_ms: int | None) -> str:
        """Return a time as local date and time."""


def run_demo(texts: Texts, say: Say = print) -> int:
    """Run the demo and return 0 where everything went as it should, else 1."""
    with tempfile.TemporaryDirectory(prefix="dingbridge-demo-") as folder:
        demo = _Demo(App(DataFolder(Path(folder))), texts, say)
        try:
            demo.run()
        finally:
            demo.app.stop()
    return 0 if demo.is_right else 1


class _Demo:
    def __init__(self, app: App, texts: Texts, say: Say) -> None:
        self.app = app
        self.is_right = True
        self._texts = texts
        self._say = say
        self._rng = random.Random(2026)

    def run(self) -> None:
        """Go through all scenes."""
        self._configure(SAMPLES[0].token, SAMPLES[0].aes_key, SAMPLES[0].key)
        address = self.app.start("127.0.0.1", 0)
        self._say(self._texts("The service listens on {address}", address=address))
        self._published_samples(address)
        self._live_events(address)
        self._wrong_value(address)
        self._what_the_admin_sees()
        self._self_test()
        self._say("")
        verdict = N_("Everything went as it should.") if self.is_right else N_("Something failed.")
        self._say(self._texts(verdict))

    def _configure(self, token: str, aes_key: str, key: str) -> None:
        self.app.configure({"callback": {"token": token, "aes_key": aes_key, "key": key}})

    def _sender(self, address: str, token: str = _TOKEN) -> CallbackSender:
        patience = Patience(compression=1000)
        return CallbackSender(address, token, _AES_KEY, _KEY, rng=self._rng, patience=patience)

    def _published_samples(self, address: str) -> None:
        self._scene(self._texts("Callbacks that were published, with other values each time:"))
        for sample in SAMPLES:
            self._configure(sample.token, sample.aes_key, sample.key)
            with CallbackSender(
                address, sample.token, sample.aes_key, sample.key, rng=self._rng
            ) as sender:
                self._check(
                    self._texts(sample.source), is_right=sender.post(sample.text).fault is None
                )

    def _live_events(self, address: str) -> None:
        self._scene(self._texts("Events of a company, one of them twice, as DingTalk sends them:"))
        self._configure(_TOKEN, _AES_KEY, _KEY)
        with self._sender(address) as sender:
            self._check("check_url", is_right=sender.deliver(check_url()).accepted)
            maker = EventMaker(self._rng, _CORP_ID, now_ms)
            events = [maker.any_of(event_type) for event_type in CONTACT_EVENTS[:_EVENTS]]
            events = [
                as_captured(event) if index % 2 else event for index, event in enumerate(events)
            ]
            for event in (*events, events[0]):
                name = str(event.get("EventType"))
                self._check(name, is_right=sender.deliver(event).accepted)

    def _wrong_value(self, address: str) -> None:
        self._scene(self._texts("A call with a token that does not match, and the key doctor:"))
        with self._sender(address, _OTHER_TOKEN) as sender:
            was_accepted = sender.attempt(b'{"EventType":"user_add_org"}').fault is None
        self._check(self._texts("turned away"), is_right=not was_accepted)
        for call in self.app.rejected_calls():
            self._say(f"  {self._texts.of(call.title)}")
            self._say(f"  {self._texts.of(call.hint)}")

    def _what_the_admin_sees(self) -> None:
        self._scene(self._texts("What is stored, newest first:"))
        for event in self.app.events().events:
            moment = self._texts.moment(event.received_at_ms)
            self._say(f"  {moment}  {event.state:<8} {event.event_type or '–'}")
        counts = self.app.status().events
        stored = counts.pending + counts.done + counts.ignored
        line = self._texts(
            "{stored} events stored, {duplicates} came twice and are stored once.",
            stored=stored,
            duplicates=counts.duplicates,
        )
        self._check(line, is_right=(stored, counts.duplicates) == _EXPECTED)

    def _self_test(self) -> None:
        self._scene(self._texts("The self-test:"))
        for step in self.app.self_test().steps:
            self._check(self._texts.of(step.title), is_right=step.state is not StepState.FAILED)

    def _scene(self, title: str) -> None:
        self._say("")
        self._say(title)

    def _check(self, what: str, *, is_right: bool) -> None:
        self.is_right &= is_right
        self._say(f"  {'ok  ' if is_right else 'FAIL'}  {what}")
