"""What the clients of both vendors have in common, whatever they call."""

from server.rest.gateway import Gateway


class Client:
    """A vendor's calls, made through one gateway. Safe to use from several threads."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def close(self) -> None:
        """Close idle connections."""
        self._gateway.close()

    def cut(self) -> None:
        """Give up: calls under way and all later ones end in `CallCancelledError`."""
        self._gateway.cut()

    def log_in(self) -> None:
        """Make sure that id and secret give a token; that proves nothing more."""
        self._gateway.log_in()
