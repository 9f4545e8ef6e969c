"""The fixtures of the subscription serve its commands, too."""

from tests.server.subscription.conftest import app, registry

__all__ = ["app", "registry"]
