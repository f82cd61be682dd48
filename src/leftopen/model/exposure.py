"""What reach says: observations, the evidence behind them, and the exposure they add up to."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from leftopen.model.endpoint import Endpoint
from leftopen.model.record import Record
from leftopen.model.time import Between, Interval


class Access(StrEnum):
    """How far a stranger gets. Only GIVES_DATA and LISTS are exposures."""

    CLOSED = "closed"  # the port answered RST
    FILTERED = "filtered"  # no answer
    SPEAKS = "speaks"  # the service was seen; nothing was proved
    METADATA = "metadata"  # version, counts or schema without a login; no name, no record
    ASKS_CREDENTIAL = "asks_credential"  # it asked for a credential and gave nothing
    REFUSED_OR_ABSENT = "refused_or_absent"  # a refusal that looks like an absence
    LISTS = "lists"  # names (folders, keys, databases) without a login; no record was read
    GIVES_DATA = "gives_data"  # at least one record or file byte without a login
    MISBEHAVES = "misbehaves"  # it broke its protocol or a limit: neither proved nor refuted
    UNDETERMINED = "undetermined"  # neither proved nor refuted; the detail says why


OPEN = (Access.GIVES_DATA, Access.LISTS)  # exposures
SHUT = (Access.CLOSED, Access.ASKS_CREDENTIAL, Access.REFUSED_OR_ABSENT)  # gave us nothing
UNSETTLED = (Access.MISBEHAVES, Access.UNDETERMINED)  # nobody may conclude from these


class Size(Record, frozen=True, kw_only=True):
    """How much the store says it holds; None where the protocol cannot say it."""

    objects: int | None = None  # messages, documents, keys, files, rows
    bytes: int | None = None
    unit: str = "objects"  # what one of `objects` is
    basis: str = ""  # what said so, e.g. "STATUS (MESSAGES)", "listing, 3 folders of 3"
    complete: bool = True  # False: a lower bound (listing cut by a budget)


class Evidence(Record, frozen=True, kw_only=True):
    """One exchange that a sceptic can re-run. The answer itself is never kept.

    `request` is what was sent, in full. `answer` is the redacted beginning of what came back
    (numbers masked, controls escaped), `answer_digest` a keyed digest of all of it.
    """

    uid: str  # digest of the other fields without the time: same exchange, same uid
    endpoint: Endpoint
    time: datetime
    request: str
    answer: str
    answer_bytes: int
    answer_digest: str
    reproduce: str = ""  # a command line with a public tool (curl, redis-cli, openssl)


class Certificate(Record, frozen=True, kw_only=True):
    """What a server's certificate says of it (RFC 5280); said by the server, checked by nobody.

    All text is safe. `names` are the subject's common name and the alternative names (DNS and
    IP), each once: hosts that the same machine may serve under another name.
    """

    names: tuple[str, ...]  # at most 50
    issuer: str
    not_before: datetime
    not_after: datetime
    sha256: str  # of the whole certificate, as `openssl x509 -fingerprint -sha256`


class Observation(Record, frozen=True, kw_only=True):
    """One look at one endpoint by one sensor (STIX observed-data)."""

    endpoint: Endpoint
    time: datetime
    sensor: str  # "leftopen", "shodan", ...
    protocol: str  # file name in reach/protocols, or "" where nothing was identified
    access: Access
    detail: str = ""  # one line for people: what was proved, or why it is undetermined
    product: str = ""
    version: str = ""
    tls: bool = False
    size: Size | None = None
    evidence: tuple[str, ...] = ()  # Evidence.uid
    containers: tuple[str, ...] = ()  # folders, databases, mailboxes seen (safe text, at most 20)
    certificate: Certificate | None = None  # where something spoke TLS
    doubt: str = ""  # why the host as a whole is hard to believe (tarpit, honeypot)
    vantage: str = ""
    source: str = ""  # the address that looked: trace takes our own visits for our own


class ObjectRef(Record, frozen=True, kw_only=True):
    """One object that a listing named, before anything of it was fetched.

    `path` is the real name, needed to ask for it, and never shown or stored: use
    `redact.safe(path)` for that. `group` (folder, mailbox, index) and `time` are the strata of the
    sample.
    """

    path: str
    group: str = ""
    size: int | None = None
    time: datetime | None = None
    media_type: str = ""


class Exposure(Record, frozen=True, kw_only=True):
    """A service that gave data to a stranger, over an interval with uncertain ends."""

    uid: str  # digest of endpoint and protocol
    endpoint: Endpoint
    protocol: str
    access: Access
    product: str = ""
    version: str = ""
    size: Size | None = None
    opened: Between
    closed: Between
    observations: tuple[Observation, ...]

    def window(self, as_of: datetime) -> Interval:
        """The widest time in which it can have been open: all shares are taken of this.

        Where no bound says when it was last closed, the earliest sign of being open is used and
        the case must say that the true start is unknown.
        """
        first = self.opened.after or self.opened.before
        start = first.time if first else as_of
        end = self.closed.before.time if self.closed.before else as_of
        return Interval(start=min(start, end), end=max(start, end))
