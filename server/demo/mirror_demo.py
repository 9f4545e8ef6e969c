"""The mirror's part of the demo: a company on a simulated DingTalk, and a WeCom that follows it.

Everything between the two is the real program: its service, its sockets, its journal.
"""

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from server.api.app import App
from server.api.status import ChangeView, RunView
from server.demo.stage import Stage
from server.demo.traffic import duplicated
from server.errors.message import N_
from server.simulator.company import Company, Payload
from server.simulator.company_generator import generate
from server.simulator.comparison import Pairs, differences, is_reachable
from server.simulator.dingtalk.callbacks import CallbackSender
from server.simulator.dingtalk.contacts import DingTalkContacts
from server.simulator.httpd import LoopbackServer
from server.simulator.roster import ROOT_ID, Person
from server.simulator.wecom.console import WeComConsole
from server.simulator.wecom.contacts import WeComContacts
from server.simulator.wecom.directory import Member
from server.sync.clients import Throttle

PACE = Throttle.hurried(500.0)
_PEOPLE, _DEPARTMENTS, _SEED = 300, 40, 2026
# As many leave as the guard lets go without asking, so that every further one is held.
_LEAVERS, _MASS = 3, 12
_LINES = 6
_LOOK_EVERY_S = 0.05
_PATIENCE_S = 30.0
_AGENCY = "外包单位"
_FOREIGN = {"Wai-Bao.01": "外包小陈", "Wai-Bao.02": "外包小林", "Gu-Wen.01": "法律顾问"}

_SHOWN = ("name", "position", "mobile", "department")
_MARKS = {"done": "ok  ", "planned": "plan", "held": "held", "skipped": "--  ", "failed": "FAIL"}
_ACTIONS = {
    ("create", "person"): N_("create the member {who}"),
    ("adopt", "person"): N_("take over the member {who}"),
    ("update", "person"): N_("change the member {who}"),
    ("enable", "person"): N_("enable the member {who}"),
    ("disable", "person"): N_("disable the member {who}"),
    ("create", "department"): N_("create the department {who}"),
    ("update", "department"): N_("change the department {who}"),
    ("delete", "department"): N_("delete the department {who}"),
}


@dataclass(frozen=True, slots=True)
class Office:
    """Both platforms, simulated, and the company that uses them."""

    company: Company
    dingtalk: DingTalkContacts
    wecom: WeComContacts
    faulty: Person
    foreign: dict[str, Member]

    def foreign_now(self) -> dict[str, Member]:
        """Return those whom nobody but the WeCom admin may touch, as they are now."""
        members = self.wecom.directory.snapshot().members
        return {userid: members[userid] for userid in self.foreign if userid in members}


def furnished() -> Office:
    """Return a company with one faulty record, and a WeCom with foreign members and one of ours."""
    company = generate(_PEOPLE, _DEPARTMENTS, _SEED)
    unreachable = [one for one in company.roster.people.values() if not is_reachable(one)]
    for number, person in enumerate(unreachable[1:]):
        company.change(person.userid, mobile=f"173{number:08d}")
    wecom = WeComContacts(calls_per_minute=None, calls_per_hour=None)
    console = WeComConsole(wecom.directory)
    agency = console.add_department(_AGENCY)
    for number, (userid, name) in enumerate(_FOREIGN.items()):
        console.add_member(userid, name, (agency,), mobile=f"174{number:08d}")
    colleague = next(one for one in company.roster.people.values() if one.state_code == "86")
    console.add_member("lao-tongshi", colleague.name, mobile=colleague.mobile)
    members = wecom.directory.snapshot().members
    foreign = {userid: members[userid] for userid in _FOREIGN}
    dingtalk = DingTalkContacts(company, calls_per_second=None)
    return Office(company, dingtalk, wecom, unreachable[0], foreign)


@contextmanager
def opened(office: Office) -> Iterator[dict[str, dict[str, object]]]:
    """Open both platforms on loopback; yields the settings that lead there."""
    rules, target = office.dingtalk.rules, office.wecom.rules
    with (
        LoopbackServer(office.dingtalk.handle) as source,
        LoopbackServer(office.wecom.handle) as sink,
    ):
        yield {
            "dingtalk": rules.settings(source.address),
            "wecom": target.settings(sink.address),
        }


@dataclass(slots=True)
class MirrorScenes:
    """All scenes of the mirror, in their order; `app` serves, its callback values are set."""

    app: App
    stage: Stage
    sender: CallbackSender
    office: Office = field(default_factory=furnished)
    _seen_run: int = 0
    _random: random.Random = field(default_factory=lambda: random.Random(_SEED))

    def play(self) -> None:
        """Go through all scenes; the stage remembers whether everything was right."""
        with opened(self.office) as settings:
            self.app.configure(settings)
            self._first_run()
            self._switch_on()
            self._events()
            self._mass_removal()
            self._final_run()
            self._verdict()
            self.app.switch_sync(is_on=False)

    # --- the first run

    def _first_run(self) -> None:
        self.stage.scene(
            N_("A company of {people} people in {departments} departments, and an empty WeCom:"),
            people=_PEOPLE,
            departments=_DEPARTMENTS,
        )
        preview = self._sync(preview=True)
        self._show(change for change in preview.changes if change.result == "held")
        for reason in preview.hold_reasons:
            self.stage.tell(reason)
        self.stage.check(
            N_(
                "preview only, nothing written: {count} changes wait for approval under "
                "digest {digest}"
            ),
            count=preview.summary.totals.held,
            digest=preview.summary.digest or "–",
            is_right=bool(preview.summary.digest) and not self.office.wecom.writes(),
        )
        done = self._sync(allow=preview.summary.digest)
        self.stage.check(
            N_("approved by this digest: {done} changes made, {failed} failed"),
            done=done.summary.totals.done,
            failed=done.summary.totals.failed,
            is_right=done.summary.totals.done > _PEOPLE and not done.summary.totals.failed,
        )
        self._faulty_record(done)

    def _faulty_record(self, run: RunView) -> None:
        self.stage.scene(
            N_("One record is faulty; only that one is skipped, with advice on how to fix it:")
        )
        skipped = [change for change in run.changes if change.result == "skipped"]
        for change in skipped:
            if change.error is not None:
                self.stage.tell(change.error.title)
                self.stage.tell(change.error.hint)
        self.stage.check(
            N_("everybody else is in WeCom"),
            is_right=[change.dingtalk_id for change in skipped] == [self.office.faulty.userid],
        )

    def _switch_on(self) -> None:
        before = len(self.app.mirror.runs())
        self.app.switch_sync(is_on=True)
        self._wait(lambda: len(self.app.mirror.runs()) > before and self._is_quiet())
        self._seen_run = self.app.mirror.runs(1)[0].id

    # --- events

    def _events(self) -> None:
        company = self.office.company
        people = [one for one in company.roster.people.values() if is_reachable(one)]
        first, second, *others = self._random.sample(people, 4 + _LEAVERS)
        departments = sorted(set(company.roster.departments) - {ROOT_ID})
        self._scene(N_("Three people are hired:"), self._hires(departments))
        moved = company.move(first.userid, self._random.sample(departments, 2))
        self._scene(N_("One moves to two other departments:"), moved)
        renamed = company.change(second.userid, name="新名字", title="总监")
        self._scene(N_("One gets a new name and title:"), renamed)
        place = departments[0]
        changed = company.change_department(place, name="更名:新中心")
        self._scene(N_("A department is renamed, with a character that WeCom rejects:"), changed)
        left = [event for one in others[:_LEAVERS] for event in company.leave(one.userid)]
        self._scene(N_("Three people leave:"), left)
        mended = company.change(self.office.faulty.userid, mobile="17500000000")
        self._scene(N_("The faulty record gets a mobile:"), mended)

    def _hires(self, departments: list[int]) -> Iterator[Payload]:
        for number, name in enumerate(("陈晨", "Zoë Müller", "欧阳娜娜")):
            chosen = self._random.sample(departments, 1)
            mobile = f"176{number:08d}"
            yield from self.office.company.hire(
                self.office.company.draft(name, chosen, mobile=mobile)
            )

    def _scene(self, title: str, events: Iterable[Payload]) -> None:
        """Let something happen in DingTalk, and show what became of it in WeCom."""
        self.stage.scene(title)
        sent = duplicated(list(events), 0.5, self._random)
        accepted = all(self.sender.deliver(event).accepted for event in sent)
        self._wait(self._is_quiet)
        changes = self._news()
        self._show(changes)
        self.stage.check(
            N_("{sent} callbacks sent, {done} changes made"),
            sent=len(sent),
            done=len(changes),
            is_right=accepted and bool(changes) and all(one.result == "done" for one in changes),
        )

    def _news(self) -> list[ChangeView]:
        """Return the changes of the runs since the last look, oldest first."""
        fresh = [run.id for run in self.app.mirror.runs() if run.id > self._seen_run]
        self._seen_run = max((self._seen_run, *fresh))
        return [change for run_id in sorted(fresh) for change in self._changes_of(run_id)]

    def _changes_of(self, run_id: int) -> tuple[ChangeView, ...]:
        run = self.app.mirror.run(run_id)
        return () if run is None else run.changes

    # --- what is held, and the end

    def _mass_removal(self) -> None:
        self.stage.scene(N_("{count} people disappear from DingTalk at once:"), count=_MASS)
        gone = self._random.sample(sorted(self.office.company.roster.people), _MASS)
        for userid in gone:
            for event in self.office.company.leave(userid):
                self.sender.deliver(event)
        self._wait(self._is_quiet)
        self._sync()
        held = self.app.status().sync.held
        listed = self.app.mirror.held_changes()
        self._show(listed)
        for reason in held.reasons if held is not None else ():
            self.stage.tell(reason)
        names = {change.dingtalk_id for change in listed}
        self.stage.check(
            N_("held, nobody disabled; the list waits for approval under digest {digest}"),
            digest=held.digest if held is not None else "–",
            is_right=names == set(gone) and self._enabled(gone) == len(gone),
        )
        self._sync(allow=held.digest if held is not None else None)
        self.stage.check(
            N_("approved: all of them are disabled now"), is_right=self._enabled(gone) == 0
        )

    def _enabled(self, dingtalk_userids: Iterable[str]) -> int:
        members, people = self.office.wecom.directory.snapshot().members, self._pairs().people
        return sum(members[people[userid]].is_enabled for userid in dingtalk_userids)

    def _final_run(self) -> None:
        self.stage.scene(N_("Two full syncs, as every night:"))
        self._sync()
        before = len(self.office.wecom.writes())
        second = self._sync()
        self.stage.check(
            N_("the second one finds nothing to do"),
            is_right=second.summary.status == "success"
            and len(self.office.wecom.writes()) == before,
        )

    def _verdict(self) -> None:
        self.stage.scene(
            N_("Both sides compared field by field, without using the program's own code:")
        )
        roster = self.office.company.roster
        found = differences(roster, self.office.wecom.directory, self._pairs())
        for difference in found[:_LINES]:
            self.stage.show(difference)
        self.stage.check(
            N_("{people} people and {departments} departments: {count} differences"),
            people=len(roster.people),
            departments=len(roster.departments) - 1,
            count=len(found),
            is_right=not found,
        )
        self.stage.check(
            N_("{count} members who were in WeCom before are untouched"),
            count=len(self.office.foreign),
            is_right=self.office.foreign_now() == self.office.foreign,
        )

    def _pairs(self) -> Pairs:
        """Tell who belongs together, by the program's own record of what it did."""
        pairs: dict[str, dict[str, str]] = {"person": {}, "department": {}}
        for run in reversed(self.app.mirror.runs(1000)):
            for change in self._changes_of(run.id):
                if change.result == "done":
                    pairs[change.kind][change.dingtalk_id] = change.wecom_id
        departments = {key: int(wecom_id) for key, wecom_id in pairs["department"].items()}
        return Pairs(pairs["person"], departments)

    # --- showing and waiting

    def _show(self, changes: Iterable[ChangeView]) -> None:
        listed = list(changes)
        is_long = len(listed) > _LINES
        for change in [*listed[: _LINES // 2], *listed[-_LINES // 2 :]] if is_long else listed:
            text = _ACTIONS.get((change.action, change.kind), N_("needs your decision: {who}"))
            mark = _MARKS.get(change.result, change.result)
            self.stage.show(f"{mark}  {self.stage.texts(text, who=_who(change))}")
        if is_long:
            self.stage.line(N_("… and {count} more"), count=len(listed) - _LINES)

    def _sync(self, *, preview: bool = False, allow: str | None = None) -> RunView:
        """Have a run made, and tell why where it failed; one that never ends is given up."""
        given_up = threading.Event()
        timer = threading.Timer(_PATIENCE_S, given_up.set)
        timer.start()
        try:
            run = self.app.sync(preview=preview, allow=allow, stop=given_up)
        finally:
            timer.cancel()
        if run.summary.error is not None:
            self.stage.tell(run.summary.error.title)
            self.stage.tell(run.summary.error.hint)
        return run

    def _is_quiet(self) -> bool:
        status = self.app.status()
        return not (status.events.pending or status.events.working or status.sync.current_run)

    def _wait(self, is_true: Callable[[], bool]) -> None:
        """Wait until something holds; what does not come in time is found by the checks."""
        until_s = time.monotonic() + _PATIENCE_S
        pause = threading.Event()
        while not is_true() and time.monotonic() < until_s:
            pause.wait(_LOOK_EVERY_S)


def _who(change: ChangeView) -> str:
    """Name somebody, with those of the changed fields that people know."""
    shown = change.name[:20] or change.dingtalk_id
    if change.action != "update":
        return shown
    fields = (
        f"{name}: {_value(change.fields[name][0])} → {_value(change.fields[name][1])}"
        for name in _SHOWN
        if name in change.fields
    )
    return f"{shown} ({', '.join(fields)})"


def _value(value: object) -> str:
    if isinstance(value, tuple | list):
        return " ".join(map(str, value)) or "–"
    return "–" if value in {None, ""} else str(value)
