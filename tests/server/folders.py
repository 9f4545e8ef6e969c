"""Data folders with made-up settings for the tests of this room."""

from pathlib import Path
from typing import Any

from server.api.app import App
from server.config.paths import DataFolder
from tests.crypto.made_up import AES_KEYS, KEYS, TOKENS

ACTIVE_VALUES = {"token": TOKENS[0], "aes_key": AES_KEYS[0], "key": KEYS[0]}
OTHER_VALUES = {"token": TOKENS[1], "aes_key": AES_KEYS[1], "key": KEYS[1]}
LOOPBACK = {"host": "127.0.0.1", "port": 0}


def app_on(folder: Path, **callback: Any) -> App:
    """A facade on a data folder with credentials, which would serve on a free loopback port."""
    app = App(DataFolder(folder))
    app.configure({"callback": {**LOOPBACK, **ACTIVE_VALUES, **callback}})
    return app
