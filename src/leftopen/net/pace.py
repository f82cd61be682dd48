"""How fast to send and how long to wait, learnt from what comes back.

The scope's rates are upper limits. Below them a sweep slows down by itself where its own machine
loses answers, and stops waiting once every answer so far came much sooner.
"""

from __future__ import annotations

from typing import Final

SAMPLES: Final = 16  # answers before their times are believed
TIMES: Final = 3  # the slowest answer so far, so many times
CREDIT: Final = 0.01  # seconds of sending that may be caught up after a late turn
SLOWEST: Final = 50.0  # packets a second; a sweep never slows down below this by itself


class Patience:
    """How long one answer is awaited: a few times the slowest so far, within two bounds."""

    def __init__(self, most: float, least: float, more: float = 0.0) -> None:
        """Seconds; `most` is the scope's timeout, which is also the wait before enough is known.

        `more` is waited on top of what was learnt, up to `most`.
        """
        self._most = most
        self._least = least
        self._more = more
        self._slowest = 0.0
        self._heard = 0

    def heard(self, seconds: float) -> None:
        """Count an answer that took so long."""
        self._heard += 1
        self._slowest = max(self._slowest, seconds)

    def last(self, least: float) -> Patience:
        """The same knowledge with another lower bound."""
        other = Patience(self._most, least, self._more)
        other._slowest, other._heard = self._slowest, self._heard
        return other

    @property
    def seconds(self) -> float:
        """The wait for one answer."""
        if self._heard < SAMPLES:
            return self._most
        return min(self._most, self._more + max(self._least, TIMES * self._slowest))


class Pace:
    """Packets a second: half as many when this machine loses answers, then slowly more again."""

    def __init__(self, limit: float) -> None:
        """`limit` is the scope's rate, never gone over."""
        self.limit = float(limit)
        self._rate = self.limit
        self._next = 0.0
        self._raise_at = 0.0
        self._halve_at = 0.0

    @property
    def rate(self) -> float:
        """Packets a second now."""
        return self._rate

    def send(self, count: int, now: float) -> None:
        """Book so many packets, sent at `now`."""
        self._next = max(now - CREDIT, self._next) + count / self._rate

    def wait(self, now: float) -> float:
        """Seconds until the next packet may leave."""
        return max(0.0, self._next - now)

    def lost(self, now: float) -> None:
        """Answers were lost here: halve the rate, once for what was sent before that."""
        if now >= self._halve_at:
            self._rate = max(min(SLOWEST, self.limit), self._rate / 2)
            self._halve_at = now + 0.5
        self._raise_at = now + 1.0

    def fine(self, now: float) -> None:
        """Nothing was lost: after each second of that a tenth more, up to the limit."""
        if self._rate < self.limit and now >= self._raise_at:
            self._rate = min(self.limit, self._rate * 1.1)
            self._raise_at = now + 1.0
