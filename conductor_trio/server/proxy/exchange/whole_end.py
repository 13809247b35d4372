"""Whether what came over a UNIX socket came to its whole end: told beside the connection, by a pipe.

UNIX sockets know no reset: whoever closes one in the middle, or is killed, leaves the same end as one who has said
all. Where nothing that was said shows its end by itself, that makes the difference.
"""

from __future__ import annotations

import array
import contextlib
import os
import socket

import attrs
import trio

_WORD = b"."


@attrs.define(eq=False)
class WholeEnd:
    """One end of the pipe: the reader's, or the writer's."""

    _descriptor: int
    _has_heard: bool = attrs.field(default=False, init=False)

    def tell(self) -> None:
        """Have the reader know, before it sees the connection's end, that all was said."""
        with contextlib.suppress(OSError):  # a reader that has gone
            os.write(self._descriptor, _WORD)

    def was_told(self) -> bool:
        """Whether the writer has said so; to be asked once the connection has ended."""
        with contextlib.suppress(BlockingIOError):
            self._has_heard = self._has_heard or os.read(self._descriptor, 1) == _WORD
        return self._has_heard

    def close(self) -> None:
        """Close this end."""
        os.close(self._descriptor)


def send_with_end(sock: socket.socket, data: bytes) -> WholeEnd:
    """Send bytes over a connection that takes them at once, and the writer's end with them; returns the reader's.

    Raises OSError.
    """
    ours, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        socket.send_fds(sock, [data], [theirs])
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return WholeEnd(ours)


async def receive_with_end(stream: trio.socket.SocketType, count: int) -> tuple[bytes, WholeEnd | None]:
    """Return the first bytes, `count` at most, of a connection, and the writer's end where that came with them."""
    descriptors = array.array("i")
    data, ancillary, _, _ = await stream.recvmsg(count, socket.CMSG_SPACE(descriptors.itemsize))
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(content[: descriptors.itemsize])
    return data, WholeEnd(descriptors[0]) if descriptors else None
