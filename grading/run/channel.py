"""Messages over a socket: eight bytes that say how long, then as many bytes."""

import contextlib
import select
import struct
import time

_LENGTH = struct.Struct(">Q")


def send(socket, data):
    socket.sendall(_LENGTH.pack(len(data)) + data)


def receive(socket, most, alive=None):
    """The next message; None at the end, or once `alive()`, asked a few times a second, says no.

    Raises ValueError on a message of more than `most` bytes, before it is read.
    """
    head = _read(socket, _LENGTH.size, alive)
    if head is None:
        return None
    length, = _LENGTH.unpack(head)
    if length > most:
        raise ValueError(f"a message of {length} bytes")
    return _read(socket, length, alive)


def _read(socket, length, alive):
    parts = bytearray()
    looked = 0
    while len(parts) < length:
        if alive and time.monotonic() > looked + 0.1:
            looked = time.monotonic()
            if not alive() and not select.select([socket], [], [], 0)[0]:
                return None
        if not alive or select.select([socket], [], [], 0.1)[0]:
            part = b""
            with contextlib.suppress(ConnectionError):
                part = socket.recv(min(length - len(parts), 1 << 20))
            if not part:
                return None
            parts += part
    return bytes(parts)
