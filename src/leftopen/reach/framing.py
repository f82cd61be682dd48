"""Frames of a stream whose peer speaks when it likes: a pure parser over a bounded buffer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from leftopen.model.errors import ProtocolError
from leftopen.net.dialer import Connection

T = TypeVar("T")


class Frames(Generic[T]):
    """Reads frames from a connection, with a wait where nothing need come.

    The parser is given what has come and answers with the first frame and its length in bytes,
    None while more is needed, or raises ProtocolError. Nobody else may read the connection.
    """

    def __init__(
        self,
        connection: Connection,
        parse: Callable[[bytes], tuple[T, int] | None],
        limit: int,
    ) -> None:
        """`limit` is the longest frame in bytes."""
        self.connection = connection
        self._parse = parse
        self._limit = limit
        self._have = b""

    async def next(self, seconds: float | None = None) -> T | None:
        """The next frame; None when none began within `seconds`, or at the end of the stream.

        Raises:
            ProtocolError: not a frame, one over the limit, or a stream that ends inside of one.
        """
        while (found := self._parse(self._have)) is None:
            if len(self._have) > self._limit:
                raise ProtocolError(f"a frame of more than {self._limit} bytes")
            if seconds is not None and await self.connection.greeting(seconds, 1) is None:
                return None
            if not (data := await self.connection.read_some()):
                if self._have:
                    raise ProtocolError("the peer closed the connection early")
                return None
            self._have += data
        frame, used = found
        self._have = self._have[used:]
        return frame
