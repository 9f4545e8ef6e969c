"""Pictures of every page: `python -m tests.tools.screenshots [FOLDER]`, or else `screenshots/`.

Every page in both languages at 100 % and 200 %, on a screen of its own (needs Xvfb).
With `--readme` only the few that README and handbook show, small, into `ui/help/pictures/`.
"""

import argparse
import sys
import tempfile
import tkinter as tk
from pathlib import Path
from unittest.mock import patch

from PIL import ImageGrab

from server.api.app import App
from server.simulator.company import Company
from server.simulator.dingtalk.callback_registry import CheckOutcome
from server.simulator.dingtalk.contacts import DingTalkContacts
from server.simulator.httpd import LoopbackServer
from server.simulator.wecom.contacts import WeComContacts
from tests.server.subscription.registry import NEEDED, OTHER_TOKEN, app_of, open_registry
from tests.ui.office import check_address, let_age, office, send_events
from tests.ui.platforms import Platforms, mirrored, platforms
from tests.ui.screen import screen
from tests.ui.sitting import Sitting
from tests.ui.stage import Stage, on_stage, open_main
from ui.state.window_api import PageName
from ui.widgets.moving import ExportDialog, ImportDialog

_LANGUAGES = ("en", "zh-CN")
_SCALES = (1.0, 2.0)
_SCREEN = (2200, 1560)
_README_FOLDER = Path(__file__).parents[2] / "ui/help/pictures"
# The pictures that README and handbook show, and what they are called there.
_IN_README = {
    "08-guide-done": "guide",
    "20-overview": "overview",
    "22-credentials": "credentials",
    "57-sync-held": "sync",
}
_README_COLOURS = 64  # enough for windows, and a fifth of the size


class Camera:
    """Takes pictures of one screen into a folder."""

    def __init__(
        self, folder: Path, display: str, suffix: str, *, is_for_readme: bool = False
    ) -> None:
        self._is_for_readme = is_for_readme
        self._folder = folder
        self._display = display
        self._suffix = suffix

    def take(self, stage: Stage, name: str, dialog: tk.Toplevel | None = None) -> None:
        """Let the window come to rest and take its picture, unless nobody wants this one."""
        if self._is_for_readme and name not in _IN_README:
            return
        guide = stage.program.guide
        window = dialog or (stage.root if guide is None else guide.window)
        for _ in range(25):
            stage.hand.let_settle()
        left, top = window.winfo_rootx(), window.winfo_rooty()
        box = (left, top, left + window.winfo_width(), top + window.winfo_height())
        image = ImageGrab.grab(box, xdisplay=self._display)
        if self._is_for_readme:
            name, image = _IN_README[name], image.quantize(_README_COLOURS)
        image.save(self._folder / f"{name}-{self._suffix}.png", optimize=True)


def main(arguments: list[str]) -> int:
    """Take all pictures, or those of the READMEs."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.screenshots", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("screenshots"))
    parser.add_argument("--readme", action="store_true")
    asked = parser.parse_args(arguments)
    folder = _README_FOLDER if asked.readme else asked.folder
    folder.mkdir(parents=True, exist_ok=True)
    # One screen for all: tk never lets go of a screen, and dies with it.
    with screen(*_SCREEN) as display:
        root = tk.Tk()
        for language in _LANGUAGES:
            if asked.readme:
                camera = Camera(folder, display, language, is_for_readme=True)
                _all(camera, display, root, language, 1.0)
                continue
            for scale in _SCALES:
                camera = Camera(folder, display, f"{language}-{scale * 100:.0f}")
                _all(camera, display, root, language, scale)
    return 0


def _all(camera: Camera, display: str, root: tk.Tk, language: str, scale: float) -> None:
    _first_run(camera, display, root, language, scale)
    _in_use(camera, display, root, language, scale)
    _not_mirrored(camera, display, root, language, scale)
    with platforms(300, 40, odd=True) as both:
        _mirror(camera, display, root, language, scale, both)
    _subscription(camera, display, root, language, scale)


def _first_run(camera: Camera, display: str, root: tk.Tk, language: str, scale: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        app = office(Path(folder), language, is_set_up=False)
        with on_stage(app, display, root, scale) as stage:
            hand, program = stage.hand, stage.program
            hand.wait_for(lambda: program.guide is not None)
            guide = program.guide
            assert guide is not None
            camera.take(stage, "01-guide-welcome")
            guide.show(1)
            camera.take(stage, "02-guide-values-empty")
            guide.steps[1].form.block.insert("1.0", "aes_key: AbCdEf0123\ntoken: madeUp")  # type: ignore[attr-defined] # the step with the values
            guide.steps[1].form.entries["aes_key"].text.set("AbCdEf0123")  # type: ignore[attr-defined] # as above
            camera.take(stage, "03-guide-values-wrong")
            guide.steps[1].form.clear()  # type: ignore[attr-defined] # as above
            other = office(Path(folder), language)
            del other
            guide.show(2)
            camera.take(stage, "04-guide-address")
            app.configure({"callback": {"public_url": "https://ding.example.com/api/callback"}})
            guide.show(3)
            hand.wait_for(guide.steps[3].list.winfo_children)  # type: ignore[attr-defined] # the step with the test
            camera.take(stage, "05-guide-self-test")
            guide.show(4)
            camera.take(stage, "06-guide-waiting")
            check_address(app, key="dingtheotherkey0")
            hand.wait_for(lambda: _says(stage, "dingtheotherkey0"))
            camera.take(stage, "07-guide-wrong-key")
            check_address(app)
            hand.wait_for(lambda: guide.steps[4].has_contact)  # type: ignore[attr-defined] # the step that waits
            camera.take(stage, "08-guide-done")
            program.open_page(PageName.OVERVIEW)
            camera.take(stage, "09-overview-new")
            program.open_page(PageName.EVENTS)
            camera.take(stage, "10-events-none")
            program.open_page(PageName.REJECTED)
            camera.take(stage, "11-rejected-settled")


def _says(stage: Stage, text: str) -> bool:
    guide = stage.program.guide
    return guide is not None and text in guide.steps[4].headline.full_text  # type: ignore[attr-defined] # the step that waits


def _in_use(camera: Camera, display: str, root: tk.Tk, language: str, scale: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        app = office(Path(folder), language)
        app.configure({"callback": {"public_url": "https://ding.example.com/api/callback"}})
        with on_stage(app, display, root, scale) as stage:
            open_main(stage)
            send_events(app, 140)
            let_age(app)
            program, hand = stage.program, stage.hand
            stage.look_again()
            program.window.built(PageName.OVERVIEW).shown()  # counts anew
            camera.take(stage, "20-overview")
            check_address(app, key="dingtheotherkey0")
            app.configure({"callback": {"token": "newToken2027"}})
            stage.look_again()
            camera.take(stage, "21-overview-attention")
            program.open_page(PageName.CREDENTIALS)
            camera.take(stage, "22-credentials")
            program.open_page(PageName.EVENTS)
            page = program.window.built(PageName.EVENTS)
            hand.wait_for(lambda: page.feed.is_complete)  # type: ignore[attr-defined] # the page with the events
            page.table.select(2)  # type: ignore[attr-defined] # as above
            camera.take(stage, "23-events")
            program.open_page(PageName.REJECTED)
            camera.take(stage, "24-rejected")
            program.open_page(PageName.SELF_TEST)
            page = program.window.built(PageName.SELF_TEST)
            hand.wait_for(page.steps.winfo_children)  # type: ignore[attr-defined] # the page with the test
            camera.take(stage, "25-self-test")
            program.open_page(PageName.SETTINGS)
            settings = program.window.built(PageName.SETTINGS)
            for number in range(7):
                settings.tabs.select(number)  # type: ignore[attr-defined] # the page with the settings
                camera.take(stage, f"{30 + number}-settings")
            settings.tabs.select(0)  # type: ignore[attr-defined] # as above
            settings.fields["callback.port"].text.set("99999")  # type: ignore[attr-defined] # as above
            camera.take(stage, "37-settings-wrong")
            settings.fields["callback.port"].text.set("0")  # type: ignore[attr-defined] # as above
            _connections(camera, stage, settings)
            _moving(camera, stage, settings, Path(folder))
            program.open_page(PageName.ABOUT)
            camera.take(stage, "40-about")
            program.show_crash(RuntimeError("made up for the picture"))
            camera.take(stage, "41-crash")


def _connections(camera: Camera, stage: Stage, settings: object) -> None:
    company = Company()
    company.hire(company.draft("王伟", (1,), mobile="13800000001"))
    dingtalk, wecom = DingTalkContacts(company), WeComContacts()
    wecom.rules.is_ip_trusted = False
    with LoopbackServer(dingtalk.handle) as source, LoopbackServer(wecom.handle) as target:
        stage.app.configure(
            {
                "dingtalk": dingtalk.rules.settings(source.address),
                "wecom": wecom.rules.settings(target.address),
            }
        )
        settings.undo_button.invoke()  # type: ignore[attr-defined] # the page with the settings
        settings._load()  # type: ignore[attr-defined] # as above
        for number, section in ((1, "dingtalk"), (2, "wecom")):
            settings.tabs.select(number)  # type: ignore[attr-defined] # as above
            panel = settings.tests[section]  # type: ignore[attr-defined] # as above
            stage.hand.let_settle()
            panel.run()
            stage.hand.wait_for(lambda: str(panel.test_button.cget("state")) == "normal")  # noqa: B023 - waited for before the next round
            camera.take(stage, f"38-connection-{section}")


def _moving(camera: Camera, stage: Stage, settings: object, folder: Path) -> None:
    target = folder / "DingBridge-2026-11-22.dingbridge"
    export = ExportDialog(settings, stage.program.session)  # type: ignore[arg-type] # the page with the settings
    export.passphrase.text.set("too short")
    camera.take(stage, "39-export", export)
    export.passphrase.text.set("four made up words")
    export._export(stage.app, target)
    stage.hand.wait_for(lambda: not export.passphrase.winfo_exists())
    camera.take(stage, "39-export-done", export)
    export.close()
    taken = ImportDialog(settings, stage.program.session)  # type: ignore[arg-type] # as above
    taken.path.set(str(target))
    taken.passphrase.text.set("another phrase")
    taken._import()
    stage.hand.wait_for(lambda: taken.told.full_text)
    camera.take(stage, "39-import-wrong", taken)
    taken.passphrase.text.set("four made up words")
    taken._import()
    stage.hand.wait_for(lambda: not taken.passphrase.winfo_exists() and stage.app.is_serving)
    camera.take(stage, "39-import-done", taken)
    taken.close()


def _not_mirrored(camera: Camera, display: str, root: tk.Tk, language: str, scale: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        app = office(Path(folder), language)
        with on_stage(app, display, root, scale) as stage:
            Sitting(stage)
            camera.take(stage, "50-sync-not-set-up")


def _mirror(
    camera: Camera, display: str, root: tk.Tk, language: str, scale: float, both: Platforms
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        app = mirrored(Path(folder), language, both)
        with on_stage(app, display, root, scale) as stage:
            sitting = Sitting(stage)
            check_address(app)
            camera.take(stage, "51-sync-new")
            _first_sync(camera, sitting, both)
            _preview_and_hold(camera, sitting, both)
            _overviews(camera, sitting, both)


def _first_sync(camera: Camera, sitting: Sitting, both: Platforms) -> None:
    stage, decision = sitting.stage, sitting.page.decision
    sitting.preview()
    decision.pane.table.select(60)
    camera.take(stage, "52-sync-first-preview")
    decision.allow_button.invoke()
    camera.take(stage, "53-sync-allow")
    dialog = decision.dialog
    assert dialog is not None
    both.dawdle("user/create", 0.05)
    dialog.allow_button.invoke()
    stage.hand.wait_for(lambda: _has_done(sitting.app, 20))
    stage.look_again()
    camera.take(stage, "54-sync-running")
    both.faults.switch_off()
    stage.hand.wait_for(sitting.is_idle)


def _preview_and_hold(camera: Camera, sitting: Sitting, both: Platforms) -> None:
    stage, decision = sitting.stage, sitting.page.decision
    both.leave(12)
    both.change_some()
    both.hire_one_whom_wecom_knows()
    sitting.app.configure({"sync": {"protected_wecom_userids": ["lao-ban"]}})
    sitting.preview()
    camera.take(stage, "55-sync-preview")
    decision.pane.table.select(len(decision.pane.feed.rows) - 2)
    camera.take(stage, "56-sync-preview-selected")
    sitting.sync()
    stage.hand.wait_for(lambda: sitting.app.status().sync.held)
    stage.look_again()
    decision.pane.table.select(1)
    camera.take(stage, "57-sync-held")


def _overviews(camera: Camera, sitting: Sitting, both: Platforms) -> None:
    stage, page, program = sitting.stage, sitting.page, sitting.stage.program
    program.open_page(PageName.OVERVIEW)
    camera.take(stage, "58-overview-held")
    program.open_page(PageName.SYNC, "conflicts")
    stage.hand.wait_for(page.conflicts.table.tree.get_children)
    page.conflicts.table.select(0)
    camera.take(stage, "59-sync-conflicts")
    program.open_page(PageName.SYNC, "left-out")
    camera.take(stage, "60-sync-left-out")
    sitting.open_tab(0)
    page.decision.reject_button.invoke()
    stage.hand.wait_for(lambda: page.decision.proposal and page.decision.proposal.is_rejected)
    camera.take(stage, "61-sync-rejected")
    both.trust(is_trusted=False)
    sitting.app.switch_sync(is_on=True)
    stage.hand.wait_for(lambda: sitting.app.status().sync.quarantine)
    stage.look_again()
    sitting.open_tab(2)
    page.history.table.select(0)
    camera.take(stage, "62-sync-quarantine")
    program.open_page(PageName.OVERVIEW)
    camera.take(stage, "63-overview-quarantine")


def _has_done(app: App, count: int) -> bool:
    run = app.status().sync.current_run
    return run is not None and run.totals.done >= count


def _subscription(camera: Camera, display: str, root: tk.Tk, language: str, scale: float) -> None:
    """DingTalk's own record: another one, none, ours after it was written, and not known."""
    with tempfile.TemporaryDirectory() as folder, open_registry() as registry:
        app = app_of(registry, Path(folder))
        app.configure({"ui": {"language": language}})
        old_url = "https://dingtalk-callbacks.old.example.com/department-of-it/dingtalk/receiver"
        registry.holds(token=OTHER_TOKEN, url=old_url, tags=NEEDED[:4])
        with on_stage(app, display, root, scale) as stage:
            open_main(stage)
            stage.program.open_page(PageName.CREDENTIALS)
            page = stage.program.window.built(PageName.CREDENTIALS)
            card = page.subscription  # type: ignore[attr-defined] # the page with the credentials

            def press(name: str) -> None:
                stage.look_again()
                getattr(card, f"{name}_button").invoke()
                stage.hand.wait_for(lambda: str(card.compare_button.cget("state")) == "normal")
                stage.look_again()

            press("compare")
            camera.take(stage, "26-subscription-differs")
            app.configure({"callback": {"public_url": app.status().service.address}})
            press("compare")
            with patch("tkinter.messagebox.askokcancel", return_value=True):
                press("write")
            camera.take(stage, "27-subscription-written")
            registry.api.callbacks.subscription = None
            press("compare")
            camera.take(stage, "28-subscription-none")
            registry.api.callbacks.url_check = lambda _: CheckOutcome.UNREACHABLE
            with patch("tkinter.messagebox.askokcancel", return_value=True):
                press("write")
            camera.take(stage, "29-subscription-refused")
            app.configure({"dingtalk": {"app_secret": "madeUpAndWrong"}})
            press("compare")
            camera.take(stage, "2a-subscription-failed")
            app.configure({"dingtalk": {"app_secret": ""}})
            stage.look_again()
            camera.take(stage, "2b-subscription-not-set-up")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
