"""Which pages there are, in their order, with their names in the list."""

from collections.abc import Mapping

from ui.pages.about import AboutPage
from ui.pages.credentials import CredentialsPage
from ui.pages.events import EventsPage
from ui.pages.overview import OverviewPage
from ui.pages.rejected import RejectedPage
from ui.pages.selftest import SelfTestPage
from ui.pages.settings import SettingsPage
from ui.pages.sync.page import SyncPage
from ui.pages.window import PageMaker
from ui.state.window_api import PageName
from ui.words.text import Texts


def page_makers(texts: Texts) -> Mapping[PageName, tuple[str, PageMaker]]:
    """Return the name and the maker of each page; `&` stands before a name's Alt letter."""
    return {
        PageName.OVERVIEW: (texts("&Overview"), OverviewPage),
        PageName.CREDENTIALS: (texts("&Credentials"), CredentialsPage),
        PageName.EVENTS: (texts("&Events"), EventsPage),
        PageName.REJECTED: (texts("&Rejected requests"), RejectedPage),
        PageName.SELF_TEST: (texts("Self-&test"), SelfTestPage),
        PageName.SYNC: (texts("S&ync"), SyncPage),
        PageName.SETTINGS: (texts("&Settings"), SettingsPage),
        PageName.ABOUT: (texts("&About"), AboutPage),
    }
