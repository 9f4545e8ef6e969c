"""Comparing, taking and writing, against a DingTalk that really calls the running service."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.api.app import App
from server.api.checks import SelfTestReport, Step, StepState
from server.api.status import Level, SubscriptionState
from server.config.merge import Effect
from server.errors.base import SettingsError
from server.errors.vendor import CredentialsRejectedError, NoRecordError, RecordUnusableError
from server.simulator.dingtalk.callback_registry import CheckOutcome, Subscription
from server.simulator.dingtalk.callbacks import CallbackSender, Patience
from server.subscription import watch
from tests.server.simulator.faults import Fault, Rule
from tests.server.simulator.seeds import seeded
from tests.server.subscription.registry import (
    AES_KEY,
    NEEDED,
    OTHER_AES_KEY,
    OTHER_TOKEN,
    TOKEN,
    URL,
    Registry,
    app_of,
    serve_publicly,
)
from tests.waiting import until

EQUAL, DIFFERS = SubscriptionState.EQUAL, SubscriptionState.DIFFERS


def codes(app: App) -> dict[str, Level]:
    return {one.code: one.level for one in app.status().notices}


def failed(report: SelfTestReport) -> Step:
    (step,) = [step for step in report.steps if step.state is StepState.FAILED]
    return step


def call_as(app: App, token: str, aes_key: str, key: str) -> bool:
    address = app.status().service.address
    patience = Patience(deadline_s=10, compression=1000)
    with CallbackSender(address, token, aes_key, key, rng=seeded(3), patience=patience) as sender:
        return sender.attempt(b'{"EventType":"user_add_org","UserId":["1"]}').fault is None


class TestCompare:
    def test_equal(self, app: App, registry: Registry) -> None:
        registry.holds()
        view = app.subscription.compare()
        assert (view.state, view.fits, view.url) == (EQUAL, "active", URL)
        assert app.status().subscription == view
        assert not view.can_be_taken
        assert not view.can_be_written
        assert "subscription-differs" not in codes(app)

    def test_different_and_masked(self, app: App, registry: Registry) -> None:
        registry.holds(token=OTHER_TOKEN, aes_key=OTHER_AES_KEY, url="https://old.example.com/")
        view = app.subscription.compare()
        assert (view.state, view.differences) == (DIFFERS, ("token", "aes_key", "url"))
        assert (view.can_be_taken, view.can_be_written) == (True, True)
        assert codes(app)["subscription-differs"] is Level.WARNING
        assert OTHER_TOKEN not in repr(app.status())
        assert OTHER_AES_KEY not in repr(app.status())

    def test_made_in_the_console(self, app: App) -> None:
        view = app.subscription.compare()
        assert (view.state, view.can_be_taken) == (SubscriptionState.NO_RECORD, False)

    def test_another_address_has_words_of_its_own(self, app: App, registry: Registry) -> None:
        registry.holds(url="https://old.example.com/callback")
        view = app.subscription.compare()
        assert (view.differences, view.can_be_taken) == (("url",), False)
        notice = next(one for one in app.status().notices if one.code == "subscription-differs")
        assert "https://old.example.com/callback" in str(notice.title)

    def test_what_was_found_says_nothing_once_settings_changed(
        self, app: App, registry: Registry
    ) -> None:
        registry.holds(token=OTHER_TOKEN)
        app.subscription.compare()
        app.configure({"callback": {"public_url": "https://new.example.com/api/callback"}})
        assert app.status().subscription.state is SubscriptionState.NOT_COMPARED
        assert "subscription-differs" not in codes(app)

    def test_without_a_secret(self, registry: Registry, tmp_path: Path) -> None:
        app = app_of(registry, tmp_path / "other")
        app.configure({"dingtalk": {"app_secret": ""}})
        assert app.status().subscription.missing == ("dingtalk.app_secret",)
        for order in (app.subscription.compare, app.subscription.take, app.subscription.register):
            with pytest.raises(SettingsError) as caught:
                order()
            assert [one.name for one in caught.value.problems] == ["dingtalk.app_secret"]

    def test_a_wrong_secret_is_told_and_can_be_tried_again(
        self, app: App, registry: Registry
    ) -> None:
        app.configure({"dingtalk": {"app_secret": "made-up-other-secret"}})
        for asked in (1, 2):  # each time somebody asks for it, and only then
            view = app.subscription.compare()
            assert registry.asked("/gettoken") == asked
        assert view.state is SubscriptionState.FAILED
        assert view.error is not None
        assert view.error.code == "dingtalk-40089"
        assert codes(app)["subscription-not-asked"] is Level.WARNING

    def test_no_network_is_no_alarm(self, app: App) -> None:
        app.configure({"dingtalk": {"api_base": "http://127.0.0.1:1"}})
        view = app.subscription.compare()
        assert (view.state, view.will_pass) == (SubscriptionState.FAILED, True)
        assert "subscription-not-asked" not in codes(app)

    def test_missing_events_matter_to_the_mirror_only(self, app: App, registry: Registry) -> None:
        registry.holds(tags=("user_add_org", "bpms_task_change"))
        view = app.subscription.compare()
        assert (view.state, view.missing_events) == (EQUAL, NEEDED[1:])
        assert view.can_be_written
        assert "events-not-subscribed" not in codes(app)
        app.switch_sync(is_on=True)
        assert codes(app)["events-not-subscribed"] is Level.WARNING

    def test_calls_that_come_all_the_same_prove_another_subscription(
        self, app: App, registry: Registry
    ) -> None:
        registry.holds(token=OTHER_TOKEN)
        app.start()
        app.subscription.compare()
        assert codes(app)["subscription-differs"] is Level.WARNING
        assert call_as(app, TOKEN, AES_KEY, registry.corp_id)
        assert codes(app)["subscription-differs"] is Level.INFO


class TestTake:
    def test_it_takes_them_as_configure_does(self, app: App, registry: Registry) -> None:
        registry.holds(token=OTHER_TOKEN, aes_key=OTHER_AES_KEY)
        app.start()
        outcome = app.subscription.take()
        assert outcome.credentials is Effect.PENDING
        view = app.status().subscription
        assert (view.state, view.fits) == (EQUAL, "pending")
        for token, aes_key in ((OTHER_TOKEN, OTHER_AES_KEY), (TOKEN, AES_KEY)):
            assert call_as(app, token, aes_key, registry.corp_id)
        until(lambda: app.status().subscription.fits == "active")

    def test_where_none_were_entered_they_are_kept_until_the_key_comes(
        self, registry: Registry, tmp_path: Path
    ) -> None:
        app = app_of(registry, tmp_path / "other")
        (app.folder.secrets).unlink()
        app.configure({"dingtalk": {"app_secret": registry.api.rules.app_secret}})
        registry.holds()
        outcome = app.subscription.take()
        assert (outcome.credentials, outcome.missing) == (Effect.INCOMPLETE, ("key",))

    def test_there_may_be_none(self, app: App) -> None:
        with pytest.raises(NoRecordError):
            app.subscription.take()

    def test_values_that_cannot_be_used_change_nothing(self, app: App, registry: Registry) -> None:
        registry.holds(token="两个 tokens")
        with pytest.raises(RecordUnusableError) as caught:
            app.subscription.take()
        assert caught.value.values == {"names": "token"}
        assert app.reveal("active", "token") == TOKEN
        assert app.status().credentials.pending is None
        assert not app.subscription.compare().can_be_taken

    def test_dingtalk_may_refuse(self, app: App) -> None:
        app.configure({"dingtalk": {"app_secret": "made-up-other-secret"}})
        with pytest.raises(CredentialsRejectedError):
            app.subscription.take()


class TestRegister:
    def test_a_new_record(self, app: App, registry: Registry) -> None:
        address = serve_publicly(app)
        heard: list[Step] = []
        report = app.subscription.register(heard.append)
        assert report.is_passed, report
        assert tuple(heard) == report.steps
        assert registry.record == Subscription(NEEDED, address, TOKEN, AES_KEY)
        status = app.status()
        assert (status.subscription.state, status.subscription.fits) == (EQUAL, "active")
        assert status.credentials.active is not None
        assert status.credentials.active.last_event_type == "check_url"

    def test_a_record_is_replaced_and_keeps_its_other_events(
        self, app: App, registry: Registry
    ) -> None:
        serve_publicly(app)
        registry.holds(token=OTHER_TOKEN, tags=("bpms_task_change", "user_add_org"))
        assert app.subscription.register().is_passed
        assert registry.record is not None
        assert registry.record.token == TOKEN
        assert registry.record.tags == ("bpms_task_change", "user_add_org", *NEEDED[1:])

    def test_the_values_entered_last_are_written_and_become_active(
        self, app: App, registry: Registry
    ) -> None:
        serve_publicly(app)
        registry.holds()
        app.configure({"callback": {"token": OTHER_TOKEN}})
        assert app.subscription.register().is_passed
        assert registry.record is not None
        assert registry.record.token == OTHER_TOKEN
        app.configure({})
        assert app.reveal("active", "token") == OTHER_TOKEN

    def test_it_starts_the_service_where_none_runs(
        self, registry: Registry, tmp_path: Path
    ) -> None:
        app = app_of(registry, tmp_path / "other")
        address = serve_publicly(app)
        assert app.stop() == ()
        app.configure({"callback": {"port": int(address.split(":")[2].partition("/")[0])}})
        assert app.subscription.register().is_passed
        assert not app.is_serving

    def test_a_key_that_is_the_app_key_is_found_out(
        self, registry: Registry, tmp_path: Path
    ) -> None:
        app = app_of(registry, tmp_path / "other", key="dingmadeupappkey")
        serve_publicly(app)
        report = app.subscription.register()
        assert failed(report).name == "written"
        told = report.steps[-1]
        assert (told.name, told.state) == ("check_url", StepState.NOTE)
        assert registry.corp_id in str(told.title)
        app.adopt_key(registry.corp_id)
        assert app.subscription.register().is_passed
        assert app.stop() == ()

    def test_a_set_that_differs_in_the_key_alone_counts_as_the_same(
        self, app: App, registry: Registry
    ) -> None:
        serve_publicly(app)
        app.configure({"callback": {"key": "dingmadeupappkey"}})
        assert app.subscription.register().is_passed
        assert registry.record is not None

    def test_dingtalks_call_that_arrives_nowhere(self, app: App, registry: Registry) -> None:
        serve_publicly(app)
        registry.api.callbacks.url_check = lambda _: CheckOutcome.UNREACHABLE
        report = app.subscription.register()
        assert "71012" in str(failed(report).title)
        assert "No test request" in str(report.steps[-1].title)
        assert TOKEN not in str(report)
        assert AES_KEY not in str(report)
        assert registry.record is None

    def test_dingtalks_call_that_another_copy_answers(self, app: App, registry: Registry) -> None:
        serve_publicly(app)
        registry.api.callbacks.url_check = lambda _: CheckOutcome.SUCCESS
        step = failed(app.subscription.register())
        assert (step.name, "No test request" in str(step.title)) == ("check_url", True)

    def test_an_answer_that_dingtalk_does_not_like(self, app: App, registry: Registry) -> None:
        serve_publicly(app)
        check = registry.check

        def spoilt(subscription: Subscription) -> CheckOutcome:
            check(subscription)
            return CheckOutcome.NOT_SUCCESS

        registry.api.callbacks.url_check = spoilt
        report = app.subscription.register()
        assert "71009" in str(failed(report).title)
        assert "was answered" in str(report.steps[-1].title)

    def test_somebody_else_registers_in_between(self, app: App, registry: Registry) -> None:
        serve_publicly(app)

        def late(parameters: dict[str, Any], ask: Callable[[dict[str, Any]], object]) -> object:
            registry.holds(token=OTHER_TOKEN)
            return ask(parameters)

        registry.api.answer_by("/call_back/register_call_back", late)
        assert app.subscription.register().is_passed
        assert registry.record is not None
        assert registry.record.token == TOKEN

    @pytest.mark.parametrize(
        ("callback", "step"),
        [({"public_url": ""}, "address"), ({"token": "abc"}, "values")],
    )
    def test_what_is_lacking_is_told_before_anything_is_sent(
        self, app: App, registry: Registry, callback: dict[str, str], step: str
    ) -> None:
        app.configure({"callback": callback})
        report = app.subscription.register()
        assert failed(report).name == step
        assert registry.asked("/call_back/register_call_back") == 0

    def test_without_any_values_nothing_is_sent(self, registry: Registry, tmp_path: Path) -> None:
        app = app_of(registry, tmp_path / "other")
        app.folder.secrets.unlink()
        app.configure({"dingtalk": {"app_secret": registry.api.rules.app_secret}})
        report = app.subscription.register()
        assert failed(report).name == "values"
        assert {step.state for step in report.steps[1:]} == {StepState.SKIPPED}
        assert app.subscription.compare().state is SubscriptionState.NO_RECORD

    def test_a_failed_self_test_ends_it(self, app: App, registry: Registry) -> None:
        app.configure({"callback": {"public_url": "http://127.0.0.1:1/api/callback"}})
        report = app.subscription.register()
        step = failed(report)
        assert (step.name, "127.0.0.1:1" in str(step.title)) == ("self_test", True)
        assert registry.asked("/call_back/register_call_back") == 0

    def test_an_event_that_dingtalk_does_not_know_is_told(
        self, app: App, registry: Registry
    ) -> None:
        serve_publicly(app)
        registry.holds(token=OTHER_TOKEN, tags=("User_Add_Org",))
        step = failed(app.subscription.register())
        assert (step.name, "71008" in str(step.title)) == ("written", True)
        assert registry.record is not None
        assert registry.record.token == OTHER_TOKEN

    @pytest.mark.parametrize("fault", [Fault.LATE_DROPPED, Fault.LATE_BUSY, Fault.DROPPED])
    @pytest.mark.parametrize("verb", ["register", "update"])
    def test_a_lost_reply_is_made_up_for(
        self, app: App, registry: Registry, verb: str, fault: Fault
    ) -> None:
        serve_publicly(app)
        if verb == "update":
            registry.holds(token=OTHER_TOKEN)
        registry.faults.add(Rule(fault, path=f"/{verb}_call_back", times=1))
        report = app.subscription.register()
        # A reply lost before or after the call took effect looks alike: what DingTalk has decides.
        assert report.is_passed or (verb, fault) == ("register", Fault.DROPPED), report
        assert (app.status().subscription.state is EQUAL) == report.is_passed

    def test_a_refusal_is_told(self, app: App, registry: Registry) -> None:
        serve_publicly(app)
        registry.api.rules.missing_permissions = frozenset({"qyapi_base"})
        step = failed(app.subscription.register())
        assert (step.name, step.state) == ("record", StepState.FAILED)


def test_a_service_that_stops_does_not_wait_for_dingtalk(
    app: App, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    registry.faults.add(Rule(Fault.SLOW, path="/gettoken", delay_s=60, times=1))
    others = set(threading.enumerate())
    app.start()
    own = set(threading.enumerate()) - others
    (thread,) = [one for one in own if one.name == "dingbridge-subscription"]
    until(lambda: bool(registry.faults.injected))
    assert app.stop(timeout_s=20) == ()
    assert thread.is_alive()
    registry.faults.switch_off()
    thread.join(20)
    assert not thread.is_alive()
    assert [one for one in caplog.records if one.levelname == "ERROR"] == []


def test_a_rejected_call_makes_the_service_compare_and_those_after_it_do_not(
    app: App,
    registry: Registry,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level("INFO", "server.subscription")
    registry.holds()
    with monkeypatch.context() as patch:  # the quiet time after the first question is over at once
        patch.setattr(watch, "QUIET_MS", 0)
        app.start()
        until(lambda: "Compared with DingTalk's own record" in caplog.text)
    asked = registry.asked()
    registry.holds(token=OTHER_TOKEN)
    assert not call_as(app, OTHER_TOKEN, AES_KEY, registry.corp_id)
    until(lambda: "DingTalk's own record differs" in caplog.text)
    for _ in range(20):
        assert not call_as(app, OTHER_TOKEN, AES_KEY, registry.corp_id)
    # What other processes can read, the comparison has heard of.
    beside = App(app.folder)
    until(lambda: sum(call.count for call in beside.rejected_calls()) == 21)
    # Other settings are compared at once; with what came before, that is the second question.
    registry.holds(url="https://new.example.com/api/callback")
    app.configure({"callback": {"public_url": "https://new.example.com/api/callback"}})
    until(lambda: app.status().subscription.state is EQUAL)
    assert registry.asked() == asked + 2
