"""The self-test: checks that callbacks get in and that the right answer comes out.

It calls the listening socket as DingTalk does: a signed, encrypted `check_url`, then an event with
Chinese text. Both carry a mark that takes the credentials to make, and leave no event and no use
of credentials behind.
"""

import ipaddress
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event
from urllib.parse import urlencode, urlsplit

import requests

from crypto.callback import SUCCESS, SealedCallback, Verifier
from crypto.credentials import Credentials, Role
from crypto.envelope import RANDOM_BYTES
from server.api.checks import CheckRunner, FaultError, SelfTestReport
from server.api.context import Context
from server.api.status import Status
from server.callback.handler import SELF_TEST_KEY
from server.config.files import stamp_of
from server.config.paths import DataFolder
from server.errors.message import N_, Message
from server.service.disk_space import shortage
from server.service.instance import ServiceRecord, running_service

# DingTalk gives up after 2.5 s, configurations of older apps after 1.5 s.
BUDGET_S = 1.5
_TIMEOUT_S = 5.0
_TAKEN_UP_WITHIN_S = 2.0
# Our service's answers; a proxy in between may use the same statuses for its own reasons.
_REJECTED = (403, b"rejected\n")
_NOT_A_CALLBACK = (400, b"not a callback\n")
_REPLY_FIELDS = ("msg_signature", "timeStamp", "nonce", "encrypt")

# Where DingTalk says its HTTP pushes come from (documents of 2025-10 and 2026-01). No API returns
# the present ranges, so an address outside only deserves a note.
PUBLISHED_RANGES = tuple(
    map(
        ipaddress.ip_network,
        ("203.119.0.0/16", "140.205.0.0/16", "106.11.0.0/16", "198.11.0.0/16", "59.82.0.0/16"),
    )
)


def is_published_address(address: str) -> bool:
    """Whether `address` lies in one of the ranges that DingTalk has published."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = parsed.ipv4_mapped or parsed  # as a listener on :: sees callers by IPv4
    return any(parsed in network for network in PUBLISHED_RANGES)


def run_self_test(app: Context, clock_ms: Callable[[], int]) -> SelfTestReport:
    """Run all steps; start the service for the test if none runs."""
    checks = CheckRunner()
    credentials: list[Credentials] = []
    addresses: list[str] = []
    checks.step(
        "credentials",
        N_("token, aes_key and key have been entered."),
        lambda: credentials.append(_credentials(app)),
    )
    checks.step("disk", N_("There is enough disk space."), lambda: _check_room(app))
    is_started_here = False

    def listen() -> None:
        nonlocal is_started_here
        record = running_service(app.folder)
        is_started_here = record is None
        addresses.append(app.start() if record is None else _address_of(record))
        if record is not None and not app.is_serving:
            _let_changes_be_taken_up(app.folder)

    checks.step("listener", N_("The callback address is open on this computer."), listen)
    try:
        with requests.Session() as session:
            session.trust_env = False  # never call ourselves through a proxy
            for round_trip in _rounds(app, addresses, credentials, session, clock_ms):
                round_trip.run(checks)
    finally:
        if is_started_here:
            app.stop()
    for title, hint in _from_outside(app.status()):
        checks.note("outside", title, hint)
    return SelfTestReport(tuple(checks.steps))


def _credentials(app: Context) -> Credentials:
    active = app.config().secrets.keyring.active
    if active is None:
        raise FaultError(
            Message(N_("token, aes_key and key have not all been entered yet.")),
            Message(N_("Enter the three values from the DingTalk console.")),
        )
    return active


def _address_of(record: ServiceRecord) -> str:
    if not record.address:
        raise FaultError(
            Message(N_("DingBridge is just starting with this data folder.")),
            Message(N_("Try again in a moment.")),
        )
    return record.address


def _let_changes_be_taken_up(folder: DataFolder) -> None:
    """Wait if a file was saved just now, because the service looks for changes once a second.

    Otherwise `self-test` right after `configure` would use other values and cause a rejected call.
    """
    changed_ns = max(stamp_of(path).modified_ns for path in (folder.settings, folder.secrets))
    left_s = changed_ns / 1e9 + _TAKEN_UP_WITHIN_S - time.time()
    if 0 < left_s <= _TAKEN_UP_WITHIN_S:
        Event().wait(left_s)


def _check_room(app: Context) -> None:
    advice = shortage(app.folder)
    if advice is not None:
        raise FaultError(advice.title, advice.hint)


def _rounds(
    app: Context,
    addresses: list[str],
    credentials: list[Credentials],
    session: requests.Session,
    clock_ms: Callable[[], int],
) -> Iterator["_RoundTrip"]:
    """Yield the round trips: both kinds on this computer, one through the public address."""

    def trip(name: str, address: Callable[[], str], plaintext: dict[str, str]) -> _RoundTrip:
        return _RoundTrip(name, address, lambda: credentials[0], plaintext, session, clock_ms)

    def here() -> str:
        return _loopback(addresses[0])

    yield trip("check_url", here, {"EventType": "check_url"})
    yield trip("chinese_event", here, {"EventType": "user_modify_org", "name": "张三丰（测试）🙂"})
    public_url = app.config().settings.callback.public_url
    if public_url:
        yield trip("public_url", lambda: public_url, {"EventType": "check_url"})


def _loopback(address: str) -> str:
    """Replace the wildcard address of a listener by loopback."""
    parts = urlsplit(address)
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(parts.hostname or "", parts.hostname)  # noqa: S104 - compared, not bound
    host = f"[{host}]" if host and ":" in host and not host.startswith("[") else host
    return parts._replace(netloc=f"{host}:{parts.port}").geturl()


@dataclass(slots=True)
class _RoundTrip:
    """Sends one callback as DingTalk does, and checks the answer step by step."""

    name: str
    address: Callable[[], str]
    credentials: Callable[[], Credentials]
    plaintext: dict[str, str]
    session: requests.Session
    clock_ms: Callable[[], int]
    answer: requests.Response | None = None
    fields: dict[str, str] | None = None
    elapsed_s: float = 0.0

    def run(self, checks: CheckRunner) -> None:
        """Add this round trip's steps."""
        name = self.name
        checks.step(f"{name}.sent", N_("A signed, encrypted request was answered."), self._send)
        checks.step(f"{name}.json", N_("The response has all four fields."), self._take_apart)
        checks.step(
            f"{name}.opened",
            N_("Its signature is correct, and it can be decrypted."),
            self._open,
        )
        checks.step(f"{name}.time", N_("It arrived in time."), self._check_time)

    def _sealed(self) -> SealedCallback:
        plaintext = self.plaintext | {SELF_TEST_KEY: os.urandom(8).hex()}
        reply = Verifier(Role.ACTIVE, self.credentials()).seal(
            json.dumps(plaintext, ensure_ascii=False).encode(),
            timestamp_ms=self.clock_ms(),
            nonce=os.urandom(4).hex(),
            random16=os.urandom(RANDOM_BYTES),
        )
        return SealedCallback(reply.msg_signature, reply.timestamp, reply.nonce, reply.encrypt)

    def _send(self) -> Message | None:
        address, sealed = self.address(), self._sealed()
        query = urlencode(
            {
                "signature": sealed.signature,
                "msg_signature": sealed.signature,
                "timestamp": sealed.timestamp,
                "nonce": sealed.nonce,
            }
        )
        began_s = time.perf_counter()
        try:
            self.answer = self.session.post(
                f"{address}?{query}",
                json={"encrypt": sealed.encrypt},
                timeout=_TIMEOUT_S,
                allow_redirects=False,
            )
        except requests.RequestException as failure:
            # The exception's own text quotes the whole address with its signature.
            values = {"address": address, "reason": type(failure).__name__}
            raise FaultError(
                Message(N_("{address} cannot be reached ({reason})."), values),
                Message(
                    N_(
                        "Check the firewall. For a public address, also check the name, the "
                        "certificate, and the port forwarding or the reverse proxy."
                    )
                ),
            ) from None
        self.elapsed_s = time.perf_counter() - began_s
        _check_status(address, self.answer)
        return None

    def _take_apart(self) -> Message | None:
        answer = self.answer
        if answer is None:
            raise ValueError("nothing was sent")
        try:
            parsed = answer.json()
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict) or not all(
            isinstance(parsed.get(name), str) for name in _REPLY_FIELDS
        ):
            raise _foreign_answer(self.address())
        self.fields = {name: parsed[name] for name in _REPLY_FIELDS}
        return None

    def _open(self) -> Message | None:
        fields = self.fields
        if fields is None:
            raise ValueError("no answer was taken apart")
        sealed = SealedCallback(
            fields["msg_signature"], fields["timeStamp"], fields["nonce"], fields["encrypt"]
        )
        if Verifier(Role.ACTIVE, self.credentials()).message_of(sealed) != SUCCESS:
            raise _other_values(self.address())
        return None

    def _check_time(self) -> Message | None:
        values = {"elapsed_ms": round(self.elapsed_s * 1000), "budget_ms": round(BUDGET_S * 1000)}
        if self.elapsed_s > BUDGET_S:
            raise FaultError(
                Message(N_("It took {elapsed_ms} ms; DingTalk waits {budget_ms} ms."), values),
                Message(
                    N_("Something slows down this computer or the connection to it: check both.")
                ),
            )
        return Message(N_("It arrived in time: {elapsed_ms} of {budget_ms} ms."), values)


def _check_status(address: str, answer: requests.Response) -> None:
    status = answer.status_code
    values: dict[str, str | int] = {"address": address, "status": status}
    title = Message(N_("{address} answered with HTTP {status}."), values)
    if status == requests.codes.ok:
        return
    if (status, answer.content) == _REJECTED:
        raise _other_values(address)
    if 300 <= status < 400:
        hint = N_(
            "DingTalk does not accept addresses that redirect. Use the final address, with https."
        )
    elif status in {requests.codes.not_found, requests.codes.method_not_allowed}:
        hint = N_(
            "The path is wrong. Compare callback.path with the path in the address, and with the "
            "one that a proxy in between forwards to."
        )
    elif (status, answer.content) == _NOT_A_CALLBACK:
        hint = N_("A proxy in between removes the query or the body of the request.")
    elif status == requests.codes.service_unavailable:
        hint = N_("The event could not be stored. See the status for the reason.")
    else:
        hint = N_("Another program answers at this address, or a proxy in between fails.")
    raise FaultError(title, Message(hint, values))


def _other_values(address: str) -> FaultError:
    values = {"address": address}
    return FaultError(
        Message(N_("The program at {address} uses other credentials."), values),
        Message(
            N_(
                "Another copy of DingBridge, or another data folder, serves this address. Quit it, "
                "or enter the same token, aes_key and key there."
            ),
            values,
        ),
    )


def _foreign_answer(address: str) -> FaultError:
    values = {"address": address}
    return FaultError(
        Message(N_("The response from {address} is not DingBridge's."), values),
        Message(N_("Another program answers at this address, or a proxy changes the response.")),
    )


def _from_outside(status: Status) -> Iterator[tuple[Message, Message | None]]:
    """Yield what is known of calls from outside, which a test from inside cannot check."""
    sets = (status.credentials.active, status.credentials.pending, status.credentials.previous)
    used = [one for one in sets if one is not None and one.last_used_at_ms is not None]
    if not used:
        yield (
            Message(N_("No request from DingTalk yet.")),
            Message(
                N_(
                    "Enter the address in the DingTalk console and press Save there; DingTalk then "
                    "sends a request at once. If nothing arrives, this computer cannot be reached "
                    "from the internet at that address."
                )
            ),
        )
        return
    last = max(used, key=lambda one: one.last_used_at_ms or 0)
    remote = last.last_used_from or ""
    values: dict[str, str | int] = {"at_ms": last.last_used_at_ms or 0, "remote": remote}
    yield Message(N_("DingTalk's last genuine request came from {remote}."), values), None
    if not is_published_address(remote):
        yield (
            Message(N_("{remote} is not in the ranges that DingTalk has published."), values),
            Message(
                N_(
                    "With a reverse proxy or a tunnel in between this is normal; the signature "
                    "proves that the request is genuine."
                )
            ),
        )
