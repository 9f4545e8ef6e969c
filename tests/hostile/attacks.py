"""What strangers do to the address, in a process of its own: NAME PORT SECONDS.

Each attack is one coroutine that many connections run until the time is up. None knows a key; some
know a call that they captured, which they read from standard input.
"""

import asyncio
import itertools
import socket
import struct
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

PATH = "/api/callback"
SHAPED = f"{PATH}?signature={'0' * 40}&timestamp=1&nonce=n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
MEBIBYTE = 1024 * 1024
_NUMBERS = itertools.count()


@dataclass
class Attacker:
    """One connection after the other to one port, until the end."""

    port: int
    until_s: float
    captured: bytes

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self.until_s

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, request: bytes) -> None:
        """Send requests over one connection, each after the answer to the one before."""
        reader, writer = await self.connect()
        try:
            while self.goes_on:
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                await reader.readexactly(size)
        finally:
            writer.close()


def post(target: str, body: bytes, headers: str = "") -> bytes:
    return (
        f"POST {target} HTTP/1.1\r\nHost: h\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


async def _bodies(attacker: Attacker, target: str) -> None:
    """Send all but the last byte of a large body, and that when all others have theirs there."""
    reader, writer = await attacker.connect()
    numbers = b"[" + b"1," * (MEBIBYTE // 2 - 1) + b"1"
    writer.write(post(target, numbers + b"]")[:-1])
    await writer.drain()
    now_s = time.monotonic()
    await asyncio.sleep(1.5 - now_s % 1.5)
    writer.write(b"]")
    await reader.read(65536)
    writer.close()


async def bodies(attacker: Attacker) -> None:
    await _bodies(attacker, PATH)


async def shaped_bodies(attacker: Attacker) -> None:
    await _bodies(attacker, SHAPED)


async def crumbs(attacker: Attacker) -> None:
    """Send a body in chunks of one byte, as fast as they are taken."""
    _, writer = await attacker.connect()
    writer.write(
        f"POST {SHAPED} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    )
    while attacker.goes_on:
        writer.write(b"1\r\nx\r\n" * 1365)
        await writer.drain()
        await asyncio.sleep(0)


async def drips(attacker: Attacker) -> None:
    """Send a byte each 0.15 s, which is never silent for long."""
    _, writer = await attacker.connect()
    while attacker.goes_on:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.15)


async def headers(attacker: Attacker) -> None:
    """Hold a long header that does not end."""
    reader, writer = await attacker.connect()
    writer.write(b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 30_000)
    await reader.read(65536)
    writer.close()


async def resets(attacker: Attacker) -> None:
    """Ask for many answers and cut the connection while they are sent."""
    _, writer = await attacker.connect()
    writer.write(HEALTH * 40)
    await writer.drain()
    await asyncio.sleep(0.004)
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def deaf(attacker: Attacker) -> None:
    """Ask for thousands of answers and read none."""
    _, writer = await attacker.connect()
    while attacker.goes_on:
        writer.write(HEALTH * 100)
        await writer.drain()


async def replays(attacker: Attacker) -> None:
    """Send a captured call again and again."""
    await attacker.ask(attacker.captured)


async def addresses(attacker: Attacker) -> None:
    """Call from an address that is new each time, as far as a proxy is believed."""
    reader, writer = await attacker.connect()
    while attacker.goes_on:
        number = next(_NUMBERS)
        forged = f"X-Forwarded-For: 203.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}\r\n"
        target = SHAPED if number % 2 else PATH
        writer.write(post(target, b'{"encrypt":"AAAA"}', forged))
        await reader.readuntil(b"\r\n\r\n")
        await reader.read(100)
    writer.close()


async def garbage(attacker: Attacker) -> None:
    """Send what is no HTTP."""
    reader, writer = await attacker.connect()
    writer.write(bytes(range(256)) * 8 + b"\r\n\r\n")
    await reader.read(65536)
    writer.close()


# How many connections do it at once. What asks again and again is few: the machine is shared with
# those who ask, and who can saturate a core is no news.
ATTACKS: dict[str, tuple[Callable[[Attacker], Awaitable[None]], int]] = {
    "bodies": (bodies, 60),
    "shaped_bodies": (shaped_bodies, 60),
    "crumbs": (crumbs, 200),
    "drips": (drips, 1440),
    "headers": (headers, 400),
    "resets": (resets, 20),
    "deaf": (deaf, 40),
    "replays": (replays, 4),
    "addresses": (addresses, 4),
    "garbage": (garbage, 8),
}


async def _again_and_again(attack: Callable[[Attacker], Awaitable[None]], one: Attacker) -> int:
    """Run an attack until the end, on another connection where one was closed; tell how often."""
    connections = 0
    while one.goes_on:
        connections += 1
        try:
            async with asyncio.timeout_at(
                asyncio.get_running_loop().time() + one.until_s - time.monotonic()
            ):
                await attack(one)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            await asyncio.sleep(0.01)
    return connections


async def _main(name: str, port: int, seconds: float, captured: bytes) -> None:
    attack, crowd = ATTACKS[name]
    one = Attacker(port, time.monotonic() + seconds, captured)
    made = await asyncio.gather(*[_again_and_again(attack, one) for _ in range(crowd)])
    print(sum(made))  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.stdin.buffer.read()))
