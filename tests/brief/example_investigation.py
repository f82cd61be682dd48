"""The story of February 2023 in small, as records: what every page of the brief is tried on.

An HTTP archive of 2,000 messages was open to anybody from some time after 3 February until
20 February 2023. Every name, number and address is invented (RFC 5737 and loopback ranges).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from leftopen.model.case import Case, EarlierCase, Investigation, RunInfo, Signal, Similar
from leftopen.model.cause import Agreement, Cause, CauseFinding, Factor, Fix, Origin, Truth
from leftopen.model.endpoint import Endpoint
from leftopen.model.exposure import Access, Evidence, Exposure, Observation, Size
from leftopen.model.finding import (
    Confidence,
    Contents,
    Estimate,
    Finding,
    People,
    Severity,
    Subject,
    Tier,
)
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.time import Between, Bound, Interval, share, subtract, union
from leftopen.model.trace import (
    Behaviour,
    Bytes,
    Coverage,
    Party,
    PartyKind,
    Place,
    Source,
    TraceResult,
    TrafficBin,
    Verdict,
    VerdictWord,
    Visit,
)

__all__ = ["EarlierCase", "example", "mail_case", "quiet_case"]

MAIL = Endpoint(address="127.0.0.10", port=8080, name="mail-archive.example")
CACHE = Endpoint(address="127.0.0.23", port=6379)
CONF = "/etc/nginx/conf.d/archive.conf"


def at(day: int, hour: int = 0, minute: int = 0) -> datetime:
    """An instant in February 2023, UTC."""
    return datetime(2023, 2, day, hour, minute, tzinfo=UTC)


AS_OF = at(20, 16)
WINDOW = Interval(start=at(3, 17, 42), end=at(20, 15, 20))
APP = (
    Interval(start=WINDOW.start, end=at(8, 20, 2)),
    Interval(start=at(10, 3, 2), end=at(16, 2, 10)),
    Interval(start=at(16, 9, 30), end=WINDOW.end),
)
FLOW = (Interval(start=at(10, 3, 0), end=WINDOW.end),)


def _exposure() -> Exposure:
    size = Size(
        objects=2_000,
        bytes=250_300_000,
        unit="messages",
        basis="directory listing, 3 folders of 3",
    )
    proof = Observation(
        endpoint=MAIL,
        time=at(20, 14, 30),
        sensor="leftopen",
        protocol="http",
        access=Access.GIVES_DATA,
        detail="the directory listing and one message were served without a login",
        product="nginx",
        version="1.22.1",
        size=size,
        evidence=("ev-listing", "ev-message"),
        containers=("inbox/", "archive-2021/", "archive-2022/"),
        vantage="outside",
    )
    closed = Observation(
        endpoint=MAIL,
        time=at(20, 15, 20),
        sensor="leftopen",
        protocol="http",
        access=Access.ASKS_CREDENTIAL,
        detail="401 Unauthorized to every path asked for",
        product="nginx",
        version="1.22.1",
        vantage="outside",
    )
    return Exposure(
        uid="exp-mail",
        endpoint=MAIL,
        protocol="http",
        access=Access.GIVES_DATA,
        product="nginx",
        version="1.22.1",
        size=size,
        opened=Between(
            after=Bound(time=WINDOW.start, basis=f"modification time of {CONF}"),
            before=Bound(time=at(8, 4, 12), basis="Shodan, first seen"),
        ),
        closed=Between(
            after=Bound(time=at(20, 14, 30), basis="own probe, data served"),
            before=Bound(time=at(20, 15, 20), basis="own probe, login asked for"),
        ),
        observations=(shodan(), proof, closed),
    )


def shodan() -> Observation:
    """What the outside sensor saw first."""
    return Observation(
        endpoint=MAIL,
        time=at(8, 4, 12),
        sensor="shodan",
        protocol="http",
        access=Access.LISTS,
        detail='title "Index of /", 3 folders',
        product="nginx",
        version="1.22.1",
        vantage="outside",
    )


def _evidence() -> tuple[Evidence, ...]:
    return (
        Evidence(
            uid="ev-listing",
            endpoint=MAIL,
            time=at(20, 14, 29),
            request="GET / HTTP/1.1\r\nHost: mail-archive.example:8080\r\n\r\n",
            answer="HTTP/1.1 200 OK ... <title>Index of /</title> ... inbox/ archive-2021/",
            answer_bytes=1_204,
            answer_digest="6f1d0c1f0a3b4d62a1a55c6f7d1ce0aa",
            reproduce="curl -si --max-time 10 'http://127.0.0.10:8080/'",
        ),
        Evidence(
            uid="ev-message",
            endpoint=MAIL,
            time=at(20, 14, 30),
            request=(
                "GET /inbox/000001.eml HTTP/1.1\r\nHost: mail-archive.example:8080\r\n"
                "Range: bytes=0-4095\r\n\r\n"
            ),
            answer="HTTP/1.1 206 Partial Content ... Received: from xxxx by xxxx; Subject: xxxx",
            answer_bytes=4_402,
            answer_digest="b2b07a3c9ef04bd28d5a4e90c5f3e1d7",
            reproduce="curl -si -r 0-4095 'http://127.0.0.10:8080/inbox/000001.eml' | head -c 600",
        ),
    )


def _findings() -> tuple[Finding, ...]:
    def estimate(value: float, low: float, high: float) -> Estimate:
        return Estimate(value=value, low=low, high=high, population=2_000, sampled=400)

    return (
        Finding(
            kind="sf86_completed",
            title="Completed SF-86 (questionnaire for national security positions)",
            severity=Severity.CRITICAL,
            confidence=Confidence.CERTAIN,
            matches=41,
            distinct=38,
            objects=41,
            estimate=estimate(205, 152, 271),
            places=("inbox/ > message > SF86.pdf", "archive-2022/ > message > packet.zip > SF86"),
        ),
        Finding(
            kind="us_ssn",
            title="US Social Security number",
            severity=Severity.CRITICAL,
            confidence=Confidence.CERTAIN,
            matches=611,
            distinct=204,
            objects=118,
            estimate=estimate(590, 508, 678),
            examples=("###-##-####", "### ## ####"),
            places=("archive-2021/ > message > roster.xlsx > Sheet1", "inbox/ > message > text"),
        ),
        Finding(
            kind="medical",
            title="Medical answers in a form",
            severity=Severity.HIGH,
            confidence=Confidence.LIKELY,
            matches=57,
            distinct=29,
            objects=33,
            estimate=estimate(165, 116, 227),
            places=("inbox/ > message > SF86.pdf > section 21",),
        ),
        Finding(
            kind="cui",
            title="Banner marking CUI//SP-PRVCY",
            severity=Severity.HIGH,
            confidence=Confidence.CERTAIN,
            matches=72,
            distinct=3,
            objects=72,
            estimate=estimate(360, 292, 436),
            examples=("CUI//SP-PRVCY",),
        ),
        Finding(
            kind="edipi",
            title="DoD ID number",
            severity=Severity.MEDIUM,
            confidence=Confidence.POSSIBLE,
            matches=1_904,
            distinct=322,
            objects=287,
        ),
    )


def _contents() -> Contents:
    return Contents(
        objects_total=2_000,
        objects_read=391,
        objects_failed=9,
        duplicates=17,
        bytes_read=49_800_000,
        bytes_total=250_300_000,
        kinds={"eml": 391, "pdf": 96, "xlsx": 31, "docx": 58, "zip": 12},
        groups={"inbox/": 201, "archive-2021/": 96, "archive-2022/": 94},
        first=datetime(2019, 6, 4, 8, 15, tzinfo=UTC),
        last=at(19, 22, 40),
        findings=_findings(),
        people=People(
            lower=180,
            best=214,
            upper=263,
            by_tier={"identity_theft": 148, "sensitive": 21, "contact_only": 45},
            notifiable=169,
            unread=9,
            sampled=True,
            projected=Estimate(value=1_046, low=871, high=1_228, population=2_000, sampled=400),
        ),
        subjects=(
            Subject(
                uid="c0ffee",
                tier=Tier.IDENTITY_THEFT,
                basis="one Social Security number",
                elements=("us_ssn", "person_name", "birth_date"),
                objects=("o1", "o2"),
                conflict="two surnames for one number",
            ),
        ),
        summary="Mail between offices, with personnel files as attachments.",
        severity=Severity.CRITICAL,
    )


DIFF = f"""\
--- a{CONF}
+++ b{CONF}
@@ -18,9 +18,10 @@
 server {{
     listen 0.0.0.0:8080;
     root /srv/mail-archive;
     location / {{
-        autoindex on;
+        auth_basic "mail archive";
+        auth_basic_user_file /etc/nginx/archive.htpasswd;
     }}
 }}
"""


def _causes() -> tuple[CauseFinding, ...]:
    def factor(name: str, directive: str, value: str, origin: Origin) -> Factor:
        return Factor(name=name, holds=Truth.YES, directive=directive, value=value, origin=origin)

    opened = Cause(
        rule="nginx.autoindex_without_auth",
        product="nginx",
        protocol="http",
        title="Directory listing without a login",
        open=Truth.YES,
        factors=(
            factor("listen", "listen", "0.0.0.0:8080", Origin(file=CONF, line=19)),
            factor("readable", "autoindex", "on", Origin(file=CONF, line=22)),
            factor(
                "auth",
                "auth_basic",
                "off",
                Origin(kind="default", detail="nginx 1.22, module ngx_http_auth_basic"),
            ),
        ),
        addresses=("0.0.0.0",),
        ports=(8080,),
        fix=Fix(
            title="Ask for a login, stop listing",
            file=CONF,
            diff=DIFF,
            command="nginx -t && systemctl reload nginx",
            note="Or bind to the inner address alone.",
        ),
        references=("CIS nginx 2.1.2", "ngx_http_autoindex_module"),
        changed="2023-02-03T17:42:00Z",
    )
    firewall = Cause(
        rule="azure.nsg_inbound_any",
        product="azure",
        protocol="http",
        title="Inbound rule for any source",
        open=Truth.UNKNOWN,
        factors=(
            Factor(
                name="path",
                holds=Truth.UNKNOWN,
                directive="networkSecurityGroup",
                value="not in the snapshot",
                origin=Origin(kind="not given"),
            ),
        ),
    )
    return (
        CauseFinding(
            cause=opened,
            agreement=Agreement.EXPLAINS,
            detail="the probe was served the listing that this block turns on",
        ),
        CauseFinding(
            cause=firewall,
            agreement=Agreement.UNKNOWN,
            detail="no snapshot of the security group was handed over",
        ),
    )


def _sources() -> tuple[Source, ...]:
    return (
        Source(
            path="logs/mail-archive-access.log",
            format="nginx combined",
            kind="app",
            sha256="4f2b9c" + "0" * 58,
            size=9_412_331,
            lines=48_231,
            parsed=48_219,
            rejected=12,
            first=WINDOW.start,
            last=WINDOW.end,
            zone="offset in every line",
            byte_meaning="app",
            names_objects=True,
            covers=APP,
            holes=subtract(WINDOW, APP),
            detectable_silence_seconds=2_220,
        ),
        Source(
            path="logs/nsg-flow.json",
            format="Azure NSG flow log",
            kind="flow",
            sha256="a71e03" + "0" * 58,
            size=31_220_874,
            lines=120_412,
            parsed=120_412,
            rejected=0,
            first=FLOW[0].start,
            last=FLOW[0].end,
            zone="UTC by its format",
            byte_meaning="l3",
            tight=True,
            covers=FLOW,
            holes=subtract(WINDOW, FLOW),
        ),
    )


def _visit(
    client: str,
    kind: PartyKind,
    name: str,
    behaviour: Behaviour,
    span: tuple[datetime, datetime],
    requests: int,
    objects: int | None,
    sent: Bytes,
    note: str = "",
) -> Visit:
    return Visit(
        client=client,
        party=Party(kind=kind, name=name, basis="scope file" if kind.ours else "list of 7 Feb"),
        behaviour=behaviour,
        first=span[0],
        last=span[1],
        requests=requests,
        objects=objects,
        completed=objects,
        bytes_out=sent,
        evidence=(
            Place(file="logs/mail-archive-access.log", line=1_200 + requests),
            Place(file="logs/mail-archive-access.log", line=1_900 + 2 * requests),
        ),
        note=note,
    )


def _visits() -> tuple[Visit, ...]:
    took, looked, touched = Behaviour.TOOK, Behaviour.LOOKED, Behaviour.TOUCHED
    return (
        _visit(
            "203.0.113.77",
            PartyKind.UNKNOWN,
            "",
            Behaviour.BULK,
            (at(11, 22, 4), at(12, 3, 51)),
            671,
            668,
            Bytes(low=83_100_000, high=83_900_000, basis="flow log and access log agree"),
        ),
        _visit(
            "198.51.100.9",
            PartyKind.UNKNOWN,
            "",
            took,
            (at(15, 11, 2), at(15, 11, 3)),
            1,
            1,
            Bytes(low=1_040_000, high=1_130_000, basis="flow log; access log said 21 MB"),
            "aborted or filtered",
        ),
        _visit(
            "198.51.100.61",
            PartyKind.RESEARCHER,
            "the finder who told us",
            took,
            (at(18, 19, 20), at(18, 19, 44)),
            6,
            3,
            Bytes(low=412_000, high=440_000, basis="access log"),
        ),
        _visit(
            "192.0.2.44",
            PartyKind.CLAIMED_CRAWLER,
            "Googlebot",
            took,
            (at(13, 2, 15), at(14, 7, 40)),
            210,
            154,
            Bytes(low=18_700_000, high=19_400_000, basis="flow log"),
            "says it is Googlebot, the published range does not confirm it",
        ),
        _visit(
            "192.0.2.131",
            PartyKind.SCANNER,
            "Shodan",
            looked,
            (at(8, 4, 12), at(17, 5, 31)),
            4,
            0,
            Bytes(low=3_900, high=4_400, basis="access log"),
        ),
        _visit(
            "192.0.2.18",
            PartyKind.SCANNER,
            "Censys",
            touched,
            (at(10, 16, 8), at(10, 16, 8)),
            1,
            None,
            Bytes(low=0, high=None, basis="no log counts its bytes"),
        ),
        _visit(
            "10.4.0.8",
            PartyKind.OWNER,
            "owner network",
            took,
            (at(4, 8, 1), at(20, 13, 2)),
            912,
            310,
            Bytes(low=38_900_000, high=40_400_000, basis="access log"),
        ),
        _visit(
            "10.4.9.2",
            PartyKind.MONITORING,
            "uptime probe",
            looked,
            (at(3, 17, 45), at(20, 15, 15)),
            4_860,
            0,
            Bytes(low=1_360_000, high=1_400_000, basis="access log"),
        ),
    )


def _bins() -> tuple[TrafficBin, ...]:
    owner = [
        TrafficBin(
            start=at(day, 8),
            end=at(day, 17),
            client="10.4.0.8",
            requests=60,
            bytes_out=2_400_000 + day * 70_000,
        )
        for day in (6, 7, 8, 10, 13, 14, 15, 16, 17, 20)
    ]
    shodan_looks = [
        TrafficBin(
            start=at(day, 4),
            end=at(day, 5),
            client="192.0.2.131",
            requests=1,
            bytes_out=1_000,
        )
        for day in (8, 10, 13, 17)
    ]
    return (*owner, *shodan_looks)


def _trace() -> TraceResult:
    both = union((*APP, *FLOW))
    coverage = Coverage(
        window=WINDOW,
        any=share(WINDOW, both),
        app=share(WINDOW, APP),
        bytes=share(WINDOW, both),
        any_intervals=both,
        app_intervals=APP,
        bytes_intervals=both,
        holes=subtract(WINDOW, both),
    )
    left = Bytes(low=103_252_000, high=None, basis="flow log where it runs, else the access log")
    return TraceResult(
        window=WINDOW,
        sources=_sources(),
        coverage=coverage,
        visits=_visits(),
        verdict=Verdict(
            word=VerdictWord.EXFILTRATED,
            confidence="high",
            reasons=(
                "203.0.113.77 was served 668 messages; flow log and access log agree to 1%",
                "192.0.2.44 was served 154 messages and is not a confirmed crawler",
            ),
            bytes_out=left,
            unseen="for 31 hours, 8 to 10 February, no log speaks; the link could have carried all",
        ),
        client_verdicts=(
            Verdict(
                word=VerdictWord.EXFILTRATED,
                client="203.0.113.77",
                confidence="high",
                reasons=("a third of the store, whole messages, two sources",),
                bytes_out=Bytes(low=83_100_000, high=83_900_000, basis="flow log"),
            ),
            Verdict(
                word=VerdictWord.ACCESSED,
                client="198.51.100.61",
                confidence="medium",
                reasons=("three messages, by the declared finder",),
                bytes_out=Bytes(low=412_000, high=440_000, basis="access log"),
            ),
        ),
        bins=_bins(),
    )


def _gaps() -> tuple[Gap, ...]:
    def gap(
        stage: Stage, reason: Reason, place: str, detail: str = "", count: int = 1, size: int = 0
    ) -> Gap:
        return Gap(stage=stage, reason=reason, place=place, detail=detail, count=count, size=size)

    return (
        gap(Stage.CONTENTS, Reason.NOT_SAMPLED, "mail-archive", "outside the sample", 1_600),
        gap(Stage.CONTENTS, Reason.ENCRYPTED, "inbox/ > message > smime.p7m", "", 4, 911_000),
        gap(Stage.CONTENTS, Reason.IMAGE_ONLY, "archive-2021/ > message > scan.pdf", "", 3, 4_200),
        gap(Stage.CONTENTS, Reason.CORRUPT, "archive-2022/ > message > old.doc", "no end", 2),
        gap(
            Stage.TRACE,
            Reason.NO_LOG,
            "8 Feb 20:02 to 10 Feb 03:00",
            "access log rotated away, flow log not yet on",
        ),
        gap(Stage.TRACE, Reason.UNPARSED, "logs/mail-archive-access.log", "12 lines", 12),
        gap(Stage.CAUSE, Reason.NOT_GIVEN, "network security group", "no snapshot handed over"),
    )


def mail_case() -> Case:
    """The mail archive: all five questions have an answer, with holes."""
    return Case(
        uid="case-mail",
        title="Mail archive open over HTTP",
        state="closed",
        severity=Severity.CRITICAL,
        severity_reasons=("completed SF-86 forms", "at least one outsider took them in bulk"),
        exposure=_exposure(),
        window=WINDOW,
        contents=_contents(),
        causes=_causes(),
        trace=_trace(),
        gaps=_gaps(),
        evidence=_evidence(),
        signals=(
            Signal(
                signal="A server without a password is found by a finder, not by its owner",
                change="Owners look at themselves from outside, every day",
                horizon="Exposure is measured in hours",
                driving_force="Continuous outside scanning by everybody else",
            ),
        ),
        similar=(
            Similar(
                uid="2efc3124",
                title="Exposed Server Leaks US Military Emails",
                score=0.91,
                why=("service: mail", "cause: misconfiguration", "found by: researcher"),
            ),
            Similar(
                uid="60d708d4",
                title="Support records open to anybody after a firewall rule",
                score=0.48,
                why=("cause: misconfiguration", "data: personal"),
            ),
        ),
    )


def quiet_case() -> Case:
    """A cache that is still open and of which almost nothing is known."""
    proof = Observation(
        endpoint=CACHE,
        time=at(20, 14, 41),
        sensor="leftopen",
        protocol="redis",
        access=Access.LISTS,
        detail="DBSIZE and one SCAN answered without AUTH",
        product="redis",
    )
    exposure = Exposure(
        uid="exp-cache",
        endpoint=CACHE,
        protocol="redis",
        access=Access.LISTS,
        product="redis",
        opened=Between(before=Bound(time=at(20, 14, 41), basis="own probe")),
        closed=Between(after=Bound(time=at(20, 14, 41), basis="own probe")),
        observations=(proof,),
    )
    return Case(
        uid="case-cache",
        title="Cache open without a password",
        severity=Severity.MEDIUM,
        exposure=exposure,
        window=exposure.window(AS_OF),
        gaps=(
            Gap(stage=Stage.CONTENTS, reason=Reason.BUDGET, place="127.0.0.23:6379", count=0),
            Gap(stage=Stage.TRACE, reason=Reason.NOT_GIVEN, place="127.0.0.23:6379"),
        ),
    )


def example(*cases: Case) -> Investigation:
    """The whole run; with no case given, the mail archive alone."""
    return Investigation(
        run=RunInfo(
            run_id="run-20230220-1600",
            version="0.1.0",
            started=at(20, 14, 25),
            finished=at(20, 14, 25) + timedelta(minutes=95),
            chain_head="9d5c1f0e7a" + "ab" * 27,
            chain_length=412,
        ),
        as_of=AS_OF,
        organisation="Example Command",
        authority="A. Approver, memo 2023-014, valid until 31 Dec 2023",
        vantage="outside",
        scope_sha256="5e884898da28047151d0e56f8dc62927" * 2,
        targets=254,
        cases=cases or (mail_case(),),
        closed=(
            Observation(
                endpoint=Endpoint(address="127.0.0.11", port=22),
                time=at(20, 14, 28),
                sensor="leftopen",
                protocol="ssh",
                access=Access.ASKS_CREDENTIAL,
                detail="asked for a key",
            ),
            Observation(
                endpoint=Endpoint(address="127.0.0.12", port=9200),
                time=at(20, 14, 28),
                sensor="leftopen",
                protocol="elasticsearch",
                access=Access.UNDETERMINED,
                detail="closed the connection half way",
            ),
        ),
        sightings=(shodan(),),
        gaps=(
            Gap(
                stage=Stage.REACH,
                reason=Reason.TIMEOUT,
                place="127.0.0.40",
                detail="no answer to any port",
            ),
        ),
        exit_code=14,
    )
