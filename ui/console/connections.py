"""The command that tries the accounts of DingTalk and WeCom."""

from argparse import Namespace
from threading import Event

from server.api.app import App
from server.api.checks import SelfTestReport, Step
from ui.console import documents, pages
from ui.console.output import show, show_text
from ui.console.signals import stop_signals
from ui.words.text import Texts

VENDORS = ("dingtalk", "wecom")
_GOOD, _FAILED = 0, 1


def test_connection(app: App, texts: Texts, options: Namespace) -> int:
    """Try one account, or both, and print each step as it is done."""

    def told(step: Step) -> None:
        if not options.json:
            show(pages.step_lines(step, texts))

    chosen = VENDORS if options.vendor is None else (options.vendor,)
    stop = Event()
    with stop_signals(stop.set):
        reports = [app.connections.test(vendor, {}, stop, told) for vendor in chosen]
    report = SelfTestReport(tuple(step for one in reports for step in one.steps))
    is_passed = report.is_passed and not stop.is_set()
    if options.json:
        show_text(documents.dumped(documents.self_test_document(report, texts)))
    else:
        show([texts("All is well.") if is_passed else texts("The connection test failed.")])
    return _GOOD if is_passed else _FAILED
