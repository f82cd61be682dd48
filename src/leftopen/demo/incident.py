"""Who came when: the schedule of the seventeen days, and the table that maps onto them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from leftopen.demo.mailstore import BACKUP, SEED
from leftopen.demo.visitors import Visit


def _at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2023, 2, day, hour, minute, tzinfo=UTC)


OPENED = _at(3, 14, 5)  # the configuration that opened it was written
AS_OF = _at(20, 18)  # the owner was told and runs Leftopen
SHODAN_FIRST = datetime(2023, 2, 8, 3, 12, 44, tzinfo=UTC)
LOG_HOLE = (_at(13, 2), _at(14, 9))  # one rotation of the access log was lost
FLOWS_FROM = _at(10, 0)  # somebody switched the flow log on
FLOW_OUTAGE = (_at(13, 20), _at(14, 5))  # and its storage key was rotated
ROTATED = LOG_HOLE[0]


@dataclass(frozen=True, slots=True)
class Visitor:
    """One row of the mapping table."""

    loopback: str  # where the real requests of the demo come from
    mapped: str  # what the logs show: documentation ranges and published scanner ranges
    what: str
    agent: str
    party: str  # the truth that trace must come to (model.trace.PartyKind)


MONITORING = Visitor(
    "127.0.2.1", "198.51.100.20", "the owner's monitoring", "check_http/2.3", "monitoring"
)
STAFF = Visitor("127.0.2.2", "198.51.100.131", "the owner's staff", "Mozilla/5.0", "owner")
SHODAN = Visitor("127.0.3.1", "71.6.135.131", "a scanner (Shodan's range)", "-", "scanner")
CENSYS = Visitor(
    "127.0.3.2",
    "162.142.125.10",
    "a scanner (Censys' range)",
    "Mozilla/5.0 (compatible; CensysInspect/1.1; +https://about.censys.io/)",
    "scanner",
)
CRAWLER = Visitor(
    "127.0.3.3",
    "203.0.113.66",
    "says that it is Googlebot",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "claims_to_be_crawler",
)
RESEARCHER = Visitor(
    "127.0.3.4", "192.0.2.45", "the researcher who reported it", "Mozilla/5.0", "researcher"
)
TAKER = Visitor(
    "127.0.3.5", "203.0.113.200", "somebody who took a third", "python-requests/2.28.2", "unknown"
)
ABORTER = Visitor("127.0.3.6", "203.0.113.77", "an aborted download", "curl/7.88.1", "unknown")
VISITORS = (MONITORING, STAFF, SHODAN, CENSYS, CRAWLER, RESEARCHER, TAKER, ABORTER)
BY_LOOPBACK = {v.loopback: v for v in VISITORS}


def in_hole(moment: datetime, hole: tuple[datetime, datetime]) -> bool:
    """Whether a moment falls into a hole."""
    return hole[0] <= moment < hole[1]


def schedule(messages: Sequence[str], folders: Sequence[str]) -> list[Visit]:
    """All visits, seeded. `messages` are the paths of the archive, `folders` its mailboxes."""
    rng = random.Random(SEED + 1)  # noqa: S311 - not a secret
    order = list(messages)
    rng.shuffle(order)
    third = round(len(order) * 0.34)
    taken = order[:third]
    cut = (round(third * 0.65), round(third * 0.88))
    return [
        *_monitoring(),
        *_staff(order[third:], rng),
        Visit(CENSYS.loopback, _at(5, 22, 40), 1, CENSYS.agent, ("/",)),
        Visit(SHODAN.loopback, SHODAN_FIRST, 1, SHODAN.agent, ("/",)),
        Visit(SHODAN.loopback, _at(16, 7, 31), 1, SHODAN.agent, ("/",)),
        Visit(CRAWLER.loopback, _at(9, 11), 40, CRAWLER.agent, ("/robots.txt", "/", *folders[:3])),
        _session(TAKER, _at(11, 1), 12_000, ("/", *folders, *taken[: cut[0]])),
        _session(TAKER, _at(13, 10), 5_400, taken[cut[0] : cut[1]]),  # only the flow log sees it
        _session(TAKER, _at(14, 1), 2_400, taken[cut[1] :]),  # nothing sees it
        Visit(ABORTER.loopback, _at(15, 16, 20), 3, ABORTER.agent, (BACKUP,), abort_after=65_536),
        _session(RESEARCHER, _at(18, 19, 20), 400, ("/", folders[0], *order[-3:])),
    ]


def _session(who: Visitor, start: datetime, seconds: float, paths: Sequence[str]) -> Visit:
    return Visit(who.loopback, start, seconds, who.agent, tuple(paths))


def _monitoring() -> Iterator[Visit]:
    """Every five minutes, for the whole time: also what shows that a log was recording."""
    moment = OPENED
    while moment < AS_OF:
        yield Visit(MONITORING.loopback, moment, 0.2, MONITORING.agent, ("/",), method="HEAD")
        moment += timedelta(minutes=5)


def _staff(messages: Sequence[str], rng: random.Random) -> Iterator[Visit]:
    for day in range(4, 21):
        if datetime(2023, 2, day, tzinfo=UTC).weekday() < 5:
            start = _at(day, rng.randint(9, 15), rng.randint(0, 59))
            yield _session(STAFF, start, 600, rng.sample(list(messages), 4))


def mapping_rows() -> list[tuple[str, str, str, str]]:
    """The table that the demo shows: real address, mapped address, mapped days, who that is."""
    names = [f"/{n}" for n in range(100)]
    days: dict[str, set[int]] = {}
    for visit in schedule(names, names[:3]):
        days.setdefault(visit.client, set()).add(visit.start.day)
    return [(v.loopback, v.mapped, _days(days[v.loopback]), v.what) for v in VISITORS]


def _days(days: set[int]) -> str:
    *most, last = (str(day) for day in sorted(days))
    if len(most) > 2:
        return f"{most[0]} to {last} Feb 2023"
    return f"{', '.join(most)} and {last} Feb 2023" if most else f"{last} Feb 2023"
