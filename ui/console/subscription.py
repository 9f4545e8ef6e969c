"""The command that compares with DingTalk's own record of the subscription, and mends it."""

from argparse import Namespace

from server.api.app import App
from server.api.checks import Step
from server.api.status import SubscriptionState, SubscriptionView
from ui.console import documents, pages, subscription_pages
from ui.console.output import show, show_text
from ui.words.text import Texts

_GOOD, _FAILED, _WITH_PROBLEMS = 0, 1, 3


def subscription(app: App, texts: Texts, options: Namespace) -> int:
    """Compare with DingTalk's own record of the subscription; take it, or write ours."""
    if options.take:
        return _take(app, texts, options)
    if options.register:
        return _register(app, texts, options)
    view = app.subscription.compare()
    if options.json:
        show_text(documents.dumped(documents.subscription_document(view, texts)))
    else:
        show(subscription_pages.subscription_page(view, texts))
    return _subscription_code(view)


def _subscription_code(view: SubscriptionView) -> int:
    if view.state is SubscriptionState.FAILED:
        return _FAILED
    is_well = view.state is not SubscriptionState.DIFFERS and not view.missing_events
    return _GOOD if is_well else _WITH_PROBLEMS


def _take(app: App, texts: Texts, options: Namespace) -> int:
    outcome = app.subscription.take()
    if options.json:
        view = app.status().subscription
        effect = str(outcome.credentials)
        show_text(documents.dumped(documents.subscription_document(view, texts, effect)))
    else:
        show(pages.outcome_page(outcome, texts))
    return _GOOD


def _register(app: App, texts: Texts, options: Namespace) -> int:
    def heard(step: Step) -> None:
        if not options.json:
            show(pages.step_lines(step, texts))

    report = app.subscription.register(heard)
    if options.json:
        view = app.status().subscription
        show_text(documents.dumped(documents.subscription_document(view, texts, report=report)))
    else:
        show(subscription_pages.registration_page(report, texts))
    return _GOOD if report.is_passed else _FAILED
