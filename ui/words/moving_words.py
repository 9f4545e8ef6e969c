"""What an admin has to do around a move, for windows and commands alike."""

from collections.abc import Iterator

from server.api.checks import ExportView, ImportView
from ui.words.text import Texts


def after_export(view: ExportView, texts: Texts) -> Iterator[str]:
    """Yield what comes next on the old computer."""
    yield texts(
        "Quit DingBridge on this computer now, and turn off its automatic start: two computers "
        "that sync at once would work against each other."
    )
    yield texts(
        "Anyone with the file and the passphrase has all secrets: delete the file afterwards."
    )
    if not view.has_database:
        yield texts("There is no database here yet, so neither events nor links were exported.")


def after_import(view: ImportView, texts: Texts) -> Iterator[str]:
    """Yield what comes next on the new computer."""
    yield texts(
        "DingBridge on the old computer must be stopped and stay so: two computers that sync at "
        "once would work against each other."
    )
    if view.public_url:
        yield texts(
            "DingTalk sends its requests to {url}. Point that address to this computer, or enter "
            "the new one here and in the DingTalk console.",
            url=view.public_url,
        )
    else:
        yield texts(
            "DingTalk still sends its requests to the old computer: enter this computer's address "
            "in the DingTalk console."
        )
    if view.is_mirroring:
        yield texts(
            "If this office's public address is a different one, add it to the trusted addresses "
            "(企业可信IP) in the WeCom console; the connection test shows it."
        )
    yield texts(
        "Start at sign-in, the firewall and a scheduled task have to be set up again on this "
        "computer."
    )
    if view.replaced:
        yield texts("What was here before is kept in {path}.", path=view.replaced)
