"""Pictures of every page: `python -m tests.screenshots [FOLDER]` writes them to `screenshots/`.

Every page in both languages at 100 % and 200 %, on a screen of its own (needs Xvfb).
"""

import sys
import tempfile
import tkinter as tk
from pathlib import Path
from unittest.mock import patch

from PIL import ImageGrab

from server.simulator.callback_registry import CheckOutcome
from tests.server.subscription.registry import NEEDED, OTHER_TOKEN, app_of, open_registry
from tests.ui.office import check_address, let_age, office, send_events
from tests.ui.screen import screen
from tests.ui.stage import Stage, on_stage, open_main
from ui.session import PageName

_LANGUAGES = ("en", "zh-CN")
_SCALES = (1.0, 2.0)
_SCREEN = (2200, 1560)


class Camera:
    """Takes pictures of one screen into a folder."""

    def __init__(self, folder: Path, display: str, suffix: str) -> None:
        self._folder = folder
        self._display = display
        self._suffix = suffix

    def take(self, stage: Stage, name: str) -> None:
        """Let the window come to rest and take its picture."""
        guide = stage.program.guide
        window = stage.root if guide is None else guide.window
        for _ in range(25):
            stage.hand.let_settle()
        left, top = window.winfo_rootx(), window.winfo_rooty()
        box = (left, top, left + window.winfo_width(), top + window.winfo_height())
        image = ImageGrab.grab(box, xdisplay=self._display)
        image.save(self._folder / f"{name}-{self._suffix}.png", optimize=True)


def main(arguments: list[str]) -> int:
    """Take all pictures."""
    folder = Path(arguments[0]) if arguments else Path("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    # One screen for all: tk never lets go of a screen, and dies with it.
    with screen(*_SCREEN) as display:
        root = tk.Tk()
        for scale in _SCALES:
            for language in _LANGUAGES:
                camera = Camera(folder, display, f"{language}-{scale * 100:.0f}")
                _first_run(camera, display, root, language, scale)
                _in_use(camera, display, root, language, scale)
                _subscription(camera, display, root, language, scale)
    return 0


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
            _look_again(stage)
            program.window.built(PageName.OVERVIEW).shown()  # counts anew
            camera.take(stage, "20-overview")
            check_address(app, key="dingtheotherkey0")
            app.configure({"callback": {"token": "newToken2027"}})
            _look_again(stage)
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
            for number in range(6):
                settings.tabs.select(number)  # type: ignore[attr-defined] # the page with the settings
                camera.take(stage, f"{30 + number}-settings")
            settings.tabs.select(0)  # type: ignore[attr-defined] # as above
            settings.fields["callback.port"].text.set("99999")  # type: ignore[attr-defined] # as above
            camera.take(stage, "36-settings-wrong")
            program.open_page(PageName.ABOUT)
            camera.take(stage, "40-about")
            program.show_crash(RuntimeError("made up for the picture"))
            camera.take(stage, "41-crash")


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
                _look_again(stage)
                getattr(card, f"{name}_button").invoke()
                stage.hand.wait_for(lambda: str(card.compare_button.cget("state")) == "normal")
                _look_again(stage)

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
            _look_again(stage)
            camera.take(stage, "2b-subscription-not-set-up")


def _look_again(stage: Stage) -> None:
    """Have the status fetched twice: the first answer may have been under way already."""
    for _ in range(2):
        before = stage.program.session.glance
        stage.program.refresh()
        stage.hand.wait_for(lambda: stage.program.session.glance is not before)  # noqa: B023 - waited for before the next round


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
