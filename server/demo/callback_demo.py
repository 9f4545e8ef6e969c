"""`demo`: callbacks and the mirror, shown on this computer alone, no account needed.

A service of its own in a temporary folder, a simulated DingTalk, the callbacks that DingTalk
itself has published as samples, and what the admin sees of it all.
"""

import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from server.api.app import App
from server.api.checks import StepState
from server.config.paths import DataFolder
from server.demo.mirror_demo import PACE, MirrorScenes
from server.demo.stage import CheckFailedError, Say, Stage, Texts
from server.errors.message import N_
from server.service.service import now_ms
from server.simulator.dingtalk.callbacks import CallbackSender, Patience
from server.simulator.dingtalk.envelope import SignedText
from server.simulator.dingtalk.payloads import CONTACT_EVENTS, EventMaker, as_captured, check_url


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


def run_demo(texts: Texts, say: Say = print) -> int:
    """Run the demo until its end, or until a step fails; return 0 or 1."""
    stage = Stage(texts, say)
    try:
        with _app("dingbridge-demo-") as app:
            _Demo(app, stage).run()
        with _app("dingbridge-demo-mirror-") as app:
            _mirror(app, stage)
    except CheckFailedError:
        verdict, code = N_("Something failed."), 1
    else:
        verdict, code = N_("Everything worked."), 0
    say("")
    say(texts(verdict))
    return code


@contextmanager
def _app(prefix: str) -> Iterator[App]:
    """Provide a data folder for a while."""
    with tempfile.TemporaryDirectory(prefix=prefix) as folder:
        app = App(DataFolder(Path(folder)))
        try:
            yield app
        finally:
            app.stop()


def _mirror(app: App, stage: Stage) -> None:
    app.configure({"callback": {"token": _TOKEN, "aes_key": _AES_KEY, "key": _KEY}})
    address = app.start("127.0.0.1", 0, PACE)
    rng = random.Random(2026)
    with CallbackSender(address, _TOKEN, _AES_KEY, _KEY, rng=rng) as sender:
        MirrorScenes(app, stage, sender).play()


class _Demo:
    """The callbacks' scenes."""

    def __init__(self, app: App, stage: Stage) -> None:
        self.app = app
        self._stage = stage
        self._texts = stage.texts
        self._rng = random.Random(2026)

    def run(self) -> None:
        """Go through all scenes."""
        self._configure(SAMPLES[0].token, SAMPLES[0].aes_key, SAMPLES[0].key)
        address = self.app.start("127.0.0.1", 0)
        self._stage.show(self._texts("The service listens on {address}", address=address))
        self._published_samples(address)
        self._live_events(address)
        self._wrong_value(address)
        self._what_the_admin_sees()
        self._self_test()

    def _configure(self, token: str, aes_key: str, key: str) -> None:
        self.app.configure({"callback": {"token": token, "aes_key": aes_key, "key": key}})

    def _sender(self, address: str, token: str = _TOKEN) -> CallbackSender:
        patience = Patience(compression=1000)
        return CallbackSender(address, token, _AES_KEY, _KEY, rng=self._rng, patience=patience)

    def _published_samples(self, address: str) -> None:
        self._stage.scene(N_("Published sample callbacks, each with different values:"))
        for sample in SAMPLES:
            self._configure(sample.token, sample.aes_key, sample.key)
            with CallbackSender(
                address, sample.token, sample.aes_key, sample.key, rng=self._rng
            ) as sender:
                self._stage.check(sample.source, is_right=sender.post(sample.text).fault is None)

    def _live_events(self, address: str) -> None:
        self._stage.scene(N_("A company's events as DingTalk sends them, one of them twice:"))
        self._configure(_TOKEN, _AES_KEY, _KEY)
        with self._sender(address) as sender:
            self._stage.check("check_url", is_right=sender.deliver(check_url()).accepted)
            maker = EventMaker(self._rng, _CORP_ID, now_ms)
            events = [maker.any_of(event_type) for event_type in CONTACT_EVENTS[:_EVENTS]]
            events = [
                as_captured(event) if index % 2 else event for index, event in enumerate(events)
            ]
            for event in (*events, events[0]):
                name = str(event.get("EventType"))
                self._stage.check(name, is_right=sender.deliver(event).accepted)

    def _wrong_value(self, address: str) -> None:
        self._stage.scene(N_("A request with the wrong token, and the diagnosis:"))
        with self._sender(address, _OTHER_TOKEN) as sender:
            was_accepted = sender.attempt(b'{"EventType":"user_add_org"}').fault is None
        self._stage.check(N_("rejected"), is_right=not was_accepted)
        for call in self.app.rejected_calls():
            self._stage.tell(call.title)
            self._stage.tell(call.hint)

    def _what_the_admin_sees(self) -> None:
        self._stage.scene(N_("Stored events, newest first:"))
        for event in self.app.events().events:
            moment = self._texts.moment(event.received_at_ms)
            self._stage.show(f"{moment}  {event.state:<8} {event.event_type or '–'}")
        counts = self.app.status().events
        stored = counts.pending + counts.done + counts.ignored
        self._stage.check(
            N_("{stored} events stored; {duplicates} of them arrived twice and were stored once."),
            stored=stored,
            duplicates=counts.duplicates,
            is_right=(stored, counts.duplicates) == _EXPECTED,
        )

    def _self_test(self) -> None:
        self._stage.scene(N_("The self-test:"))
        for step in self.app.self_test().steps:
            title, is_right = step.title, step.state is not StepState.FAILED
            self._stage.check(title.text, is_right=is_right, **title.values)
