"""A process of its own that makes a full run, for a test that kills it in the middle.

Arguments: the database, and the settings and secrets of the vendors as JSON.
"""

import json
import sys
from pathlib import Path

from crypto.secret import Secret
from server.config.secrets import Secrets
from server.config.settings import (
    DingTalkSettings,
    Settings,
    SyncSettings,
    WeComSettings,
)
from server.config.store import Config
from server.journal.journal import Journal
from server.sync.engine import run_once


def main() -> None:
    path, given = Path(sys.argv[1]), json.loads(sys.argv[2])
    config = Config(
        Settings(
            dingtalk=DingTalkSettings(given["app_key"], given["dingtalk"]),
            wecom=WeComSettings(given["corp_id"], given["wecom"]),
            sync=SyncSettings(approve_first_run=False),
        ),
        Secrets(
            app_secret=Secret(given["app_secret"]), contact_secret=Secret(given["contact_secret"])
        ),
    )
    journal = Journal.open(path, 0)
    run_once(config, journal)
    journal.close(10)


if __name__ == "__main__":
    main()
