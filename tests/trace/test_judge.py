"""The verdict table of research/trace.md 3.6: a test for each word and each refusal."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from leftopen.model.endpoint import Endpoint
from leftopen.model.gap import Gap, Reason
from leftopen.model.record import to_json
from leftopen.model.redact import Keyring
from leftopen.model.scope_file import Parties
from leftopen.model.time import Interval
from leftopen.model.trace import Behaviour, PartyKind, TraceResult, VerdictWord, Visit
from leftopen.trace import judge as judge_module
from leftopen.trace.digest import SourceDigest
from leftopen.trace.judge import judge

T0 = 1675814400
HOUR, DAY = 3600, 86400
THIEF = "203.0.113.9"
WEB = Endpoint(address="10.0.0.4", port=80)


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(T0 + seconds, UTC)


WINDOW = Interval(start=at(DAY), end=at(3 * DAY))


@dataclass
class Bench:
    """Writes logs, reads and judges them."""

    folder: Path
    read: Callable[..., tuple[list[SourceDigest], list[Gap]]]
    line: Callable[..., str]
    quiet: Callable[..., list[str]]
    tuple_: Callable[..., str]
    flow_file: Callable[..., str]

    def access(self, *more: str, name: str = "access.log", quiet: bool = True) -> Path:
        """An access log from a day before the window to a day after it."""
        path = self.folder / name
        visitors = self.quiet(0, 4 * DAY) if quiet else []
        path.write_text(
            "".join(sorted([*visitors, *more], key=lambda text: text[text.index("[") :]))
        )
        return path

    def flows(self, *more: tuple[int, str], hours: range = range(4 * 24)) -> list[str]:
        """Hourly flow files with one refused touch a minute, and `more` by hour."""
        made = []
        for hour in hours:
            quiet = [
                self.tuple_(hour * HOUR + n * 60, f"198.51.100.{n + 1}", 300) for n in range(60)
            ]
            made.append(self.flow_file(hour, [*quiet, *(text for h, text in more if h == hour)]))
        return made

    def judge(self, *paths: Path | str, **options: Any) -> tuple[TraceResult, tuple[Gap, ...]]:
        digests, _ = self.read(*paths)
        return verdict(digests, **options)


def verdict(digests: list[SourceDigest], **options: Any) -> tuple[TraceResult, tuple[Gap, ...]]:
    given: dict[str, Any] = {
        "window": WINDOW,
        "endpoint": WEB,
        "protocol": "http",
        "parties": Parties(),
        "as_of": at(30 * DAY),
    }
    return judge(digests, **given | options)


@pytest.fixture
def bench(
    tmp_path: Path,
    read: Callable[..., tuple[list[SourceDigest], list[Gap]]],
    request_line: Callable[..., str],
    quiet_visitors: Callable[..., list[str]],
    flow_tuple: Callable[..., str],
    flow_file: Callable[..., str],
) -> Bench:
    return Bench(tmp_path, read, request_line, quiet_visitors, flow_tuple, flow_file)


def visit_of(result: TraceResult, client: str = THIEF) -> Visit:
    return next(v for v in result.visits if v.client == client)


def said(result: TraceResult) -> str:
    return " ".join(result.verdict.reasons)


IN = DAY + 5 * HOUR  # inside the window


def test_contacted(bench: Bench) -> None:
    result, gaps = bench.judge(bench.access())
    assert result.verdict.word is VerdictWord.CONTACTED
    assert result.verdict.confidence == "medium"
    assert (result.coverage.any, result.coverage.app, result.coverage.bytes) == (1, 1, 1)
    assert gaps == ()
    assert result.verdict.bytes_out.low == 0
    assert result.verdict.bytes_out.high is not None
    assert result.verdict.unseen == ""


def test_no_evidence_needs_only_the_owner(bench: Bench) -> None:
    owner = Parties(owner=("198.51.100.0/24",))
    result, _ = bench.judge(bench.access(), parties=owner)
    assert result.verdict.word is VerdictWord.NO_EVIDENCE
    assert "100.0%" in said(result)
    assert result.client_verdicts == ()
    assert result.verdict.bytes_out.high == 0


def test_two_layers_raise_the_confidence_of_no_evidence(bench: Bench) -> None:
    owner = Parties(owner=("198.51.100.0/24",))
    result, _ = bench.judge(bench.access(), *bench.flows(), parties=owner)
    assert (result.verdict.word, result.verdict.confidence) == (VerdictWord.NO_EVIDENCE, "high")


def test_accessed_where_only_an_untight_log_counts(bench: Bench, keyring: Keyring) -> None:
    known = frozenset({keyring.digest("object", "/mail/a.mbox"), "other"})
    line = bench.line(IN, size=5_000_000)
    result, _ = bench.judge(bench.access(line), known_objects=known)
    visit = visit_of(result)
    assert result.verdict.word is VerdictWord.ACCESSED
    assert (visit.behaviour, visit.objects, visit.completed) == (Behaviour.TOOK, 1, 1)
    assert visit.object_ids == (keyring.digest("object", "/mail/a.mbox"),)
    assert (visit.bytes_out.low, visit.bytes_out.high) == (5_000_000, 5_000_000)
    assert len(visit.evidence) == 1
    text = Path(visit.evidence[0].file).read_text().splitlines()
    assert text[visit.evidence[0].line - 1] == line.rstrip("\n")
    assert any("1 are among the 2" in r for r in result.client_verdicts[0].reasons)


def test_a_listing_is_access(bench: Bench) -> None:
    result, _ = bench.judge(bench.access(bench.line(IN, path="/mail/", size=900)))
    assert result.verdict.word is VerdictWord.ACCESSED
    assert visit_of(result).behaviour is Behaviour.LOOKED


@pytest.mark.parametrize(
    "options",
    [
        {"status": 401, "size": 9000},
        {"status": 404},
        {"method": "HEAD", "size": 0},
        {"status": 302},
    ],
)
def test_attempts_and_heads_took_nothing(bench: Bench, options: dict[str, Any]) -> None:
    result, _ = bench.judge(bench.access(bench.line(IN, **options)))
    assert result.verdict.word is VerdictWord.CONTACTED
    assert visit_of(result).objects == 0


def test_exfiltrated_when_the_flow_record_agrees(bench: Bench) -> None:
    line = bench.line(IN, size=5_000_000)
    flow = (29, bench.tuple_(IN + 60, sent=5_200_000))
    result, _ = bench.judge(bench.access(line), *bench.flows(flow))
    visit = visit_of(result)
    assert (result.verdict.word, result.verdict.confidence) == (VerdictWord.EXFILTRATED, "high")
    assert (visit.bytes_out.low, visit.bytes_out.high) == (5_000_000, 5_200_000)
    assert result.verdict.bytes_out.low < 5_100_000  # not added up
    assert "5.00 MB" in said(result)
    assert THIEF in said(result)


def test_aborted_download(bench: Bench) -> None:
    # research/trace.md 0.4: Apache logged 2.10 MB, the wire carried 0.11 MB
    line = bench.line(IN, size=2_100_000)
    flow = (29, bench.tuple_(IN + 60, sent=110_000))
    result, _ = bench.judge(bench.access(line), *bench.flows(flow))
    visit = visit_of(result)
    assert "aborted or filtered" in visit.note
    assert (visit.bytes_out.low, visit.bytes_out.high) == (int(110_000 / 1.04) - 1_000, 110_000)
    assert result.client_verdicts[0].confidence == "medium"


def test_more_on_the_port_than_the_log_names(bench: Bench) -> None:
    flow = (29, bench.tuple_(IN + 60, sent=90_000_000))
    result, _ = bench.judge(bench.access(bench.line(IN, status=404)), *bench.flows(flow))
    assert result.verdict.word is VerdictWord.EXFILTRATED
    assert "more left on this port" in visit_of(result).note


def test_flow_record_alone(bench: Bench) -> None:
    took = (30, bench.tuple_(30 * HOUR, sent=104_000_000))
    result, _ = bench.judge(*bench.flows(took))
    visit = visit_of(result)
    assert result.verdict.word is VerdictWord.EXFILTRATED
    assert visit.objects is None
    # 100 MB of content at the ratio of large objects; the floor allows for small ones and headers
    assert 94_000_000 < visit.bytes_out.low <= 100_000_000
    assert result.coverage.app == 0
    assert "objects unknown" in said(result)


def test_flow_record_between_is_unknown(bench: Bench) -> None:
    some = (30, bench.tuple_(30 * HOUR, sent=20_000))
    result, _ = bench.judge(*bench.flows(some))
    assert result.verdict.word is VerdictWord.UNKNOWN
    assert {v.client: v.word.value for v in result.client_verdicts}[THIEF] == "unknown"
    assert {v.word.value for v in result.client_verdicts} == {"unknown", "contacted"}


def test_many_touches_are_no_theft(bench: Bench) -> None:
    touches = [(30, bench.tuple_(30 * HOUR + n, sent=900)) for n in range(500)]
    result, _ = bench.judge(*bench.flows(*touches))
    assert result.verdict.word is VerdictWord.CONTACTED
    assert visit_of(result).bytes_out.high == 450_000


def test_blank_counters_are_unknown_never_zero(bench: Bench) -> None:
    blank = (30, bench.tuple_(30 * HOUR, sent=None))
    result, _ = bench.judge(*bench.flows(blank))
    visit = visit_of(result)
    assert visit.bytes_out.high is None
    assert result.verdict.word is VerdictWord.UNKNOWN
    assert result.verdict.bytes_out.high is None
    assert result.coverage.bytes == pytest.approx(47 / 48)
    assert result.coverage.any == 1
    assert "no log counts bytes" in result.verdict.unseen
    picture = [b for b in result.bins if b.client == THIEF]
    assert [b.bytes_out for b in picture] == [None]


def test_bulk_by_objects_and_by_share(bench: Bench) -> None:
    lines = [bench.line(IN + n, path=f"/m/{n}", size=10) for n in range(1001)]
    result, _ = bench.judge(bench.access(*lines))
    assert visit_of(result).behaviour is Behaviour.BULK
    one = bench.access(bench.line(IN, size=2_000))
    assert visit_of(bench.judge(one, stored_bytes=100_000)[0]).behaviour is Behaviour.BULK
    assert visit_of(bench.judge(one, stored_bytes=300_000)[0]).behaviour is Behaviour.TOOK


def test_dovecot_session_is_tight(bench: Bench) -> None:
    path = bench.folder / "mail.log"
    other = "".join(
        f"Feb {8 + n // 1440:02d} {n // 60 % 24:02d}:{n % 60:02d}:00 imap-login: Info: Aborted: "
        f"user=<>, rip=198.51.100.{n % 200 + 1}, lip=10.0.0.4, session=<x{n}>\n"
        for n in range(4 * 1440)
    )
    login = "Feb 09 05:00:30 imap-login: Info: Login: user=<kim>, rip=203.0.113.9, session=<k>\n"
    logout = (
        "Feb 09 05:09:30 imap(kim)<1><k>: Info: Disconnected: Logged out in=90 out=5000000 "
        "hdr_count=0 hdr_bytes=0 body_count=1200 body_bytes=4900000\n"
    )
    text = sorted((other + login + logout).splitlines(keepends=True))
    path.write_text("".join(text))
    imap = Endpoint(address="10.0.0.4", port=143)
    digests, _ = bench.read(path, year=2023)
    result, _ = verdict(digests, endpoint=imap, protocol="imap")
    visit = visit_of(result)
    assert result.verdict.word is VerdictWord.EXFILTRATED
    assert (visit.objects, visit.completed, visit.behaviour) == (1200, 1200, Behaviour.BULK)
    assert visit.bytes_out.low == 5_000_000
    assert "login" in visit.note
    path.write_text("".join(t for t in text if "Logged out" not in t))
    running, _ = verdict(bench.read(path, year=2023)[0], endpoint=imap, protocol="imap")
    assert running.verdict.word is VerdictWord.UNKNOWN
    assert visit_of(running).bytes_out.high is None
    assert verdict(digests)[0].sources == ()  # says nothing of http


def test_refused_without_any_log(bench: Bench) -> None:
    result, gaps = bench.judge()
    assert result.verdict.word is VerdictWord.UNKNOWN
    assert result.verdict.bytes_out.high is None
    assert [g.reason for g in gaps] == [Reason.NOT_GIVEN, Reason.NO_LOG]
    assert "48.0 hours" in result.verdict.unseen
    assert "unknown" in result.verdict.unseen


@pytest.mark.parametrize("protocol", ["ftp", "redis"])
def test_a_log_of_another_service_does_not_speak(bench: Bench, protocol: str) -> None:
    result, _ = bench.judge(bench.access(), protocol=protocol)
    assert (result.sources, result.coverage.any) == ((), 0)


def test_refused_on_a_hole(bench: Bench) -> None:
    path = bench.folder / "access.log"
    path.write_text("".join(bench.quiet(0, DAY + 9 * HOUR) + bench.quiet(DAY + 10 * HOUR, 4 * DAY)))
    result, gaps = bench.judge(path)
    assert result.coverage.any == pytest.approx(47 / 48)
    assert result.verdict.word is VerdictWord.UNKNOWN
    assert "60.0 minutes is not covered" in said(result)
    assert [g.reason for g in gaps] == [Reason.NO_LOG]
    assert "2023-02-09 09:00:00" in result.verdict.unseen


def test_refused_when_a_tail_is_uncovered(bench: Bench) -> None:
    path = bench.folder / "access.log"
    path.write_text("".join(bench.quiet(0, 2 * DAY)))
    result, _ = bench.judge(path)
    assert result.coverage.any == pytest.approx(0.5)
    assert "Less than 95.0% of the window" in said(result)


def test_refused_on_a_quiet_log(bench: Bench) -> None:
    path = bench.folder / "access.log"
    path.write_text("".join(bench.quiet(0, 4 * DAY, HOUR)))
    result, _ = bench.judge(path)
    assert result.coverage.any == 1
    assert result.verdict.word is VerdictWord.UNKNOWN
    assert "too quiet to prove" in said(result)
    silence = result.sources[0].detectable_silence_seconds
    assert silence is not None
    assert silence > HOUR


def test_refused_on_lines_that_were_not_read(bench: Bench) -> None:
    result, _ = bench.judge(bench.access('203.0.113.9 - - [x "GET /mail/a.mbox HTTP/1.1"\n'))
    assert result.verdict.word is VerdictWord.UNKNOWN
    assert "1 record could not be read" in said(result)


def test_refused_on_a_doubtful_clock(bench: Bench) -> None:
    result, gaps = bench.judge(bench.access(), as_of=at(2 * DAY))
    assert result.verdict.word is VerdictWord.UNKNOWN
    assert [g.reason for g in gaps] == [Reason.NO_TIME]
    took = bench.access(bench.line(IN, size=5_000_000))
    result, _ = bench.judge(took, as_of=at(2 * DAY))
    assert (result.verdict.word, result.verdict.confidence) == (VerdictWord.ACCESSED, "low")


def test_refused_on_a_missing_hourly_file(bench: Bench) -> None:
    paths = [p for p in bench.flows() if not p.endswith("00030.json")]
    result, _ = bench.judge(*paths)
    assert result.verdict.word is VerdictWord.UNKNOWN
    assert result.coverage.any == pytest.approx(47 / 48, abs=0.001)


def test_flow_log_of_another_server_is_no_coverage(bench: Bench) -> None:
    result, gaps = bench.judge(*bench.flows(), endpoint=Endpoint(address="10.0.0.4", port=9200))
    assert result.coverage.any == 0
    assert Reason.NOT_GIVEN in {g.reason for g in gaps}


def test_flow_log_read_for_another_port_is_no_coverage(bench: Bench) -> None:
    digests, _ = bench.read(*bench.flows(), port=443)
    assert verdict(digests)[0].coverage.any == 0


def test_scanner_that_took_has_taken_and_crawler_claim(bench: Bench) -> None:
    shodan, fake = "71.6.135.131", "203.0.113.77"
    lines = [bench.line(IN, shodan), bench.line(IN + 1, fake, status=404, agent="Googlebot/2.1")]
    result, _ = bench.judge(bench.access(*lines))
    assert visit_of(result, shodan).party.kind is PartyKind.SCANNER
    assert result.verdict.word is VerdictWord.ACCESSED
    claimed = visit_of(result, fake)
    assert claimed.party.kind is PartyKind.CLAIMED_CRAWLER
    assert "says it is Googlebot" in claimed.note


def test_own_probes_do_not_count(bench: Bench) -> None:
    line = bench.line(IN, agent="Leftopen/0.1 (run 7)")
    result, _ = bench.judge(bench.access(line), self_addresses=(THIEF,))
    assert visit_of(result).party.kind is PartyKind.SELF
    assert result.verdict.word is VerdictWord.CONTACTED
    result, _ = bench.judge(bench.access(line, bench.line(IN, agent="x")), self_addresses=(THIEF,))
    assert result.verdict.word is VerdictWord.ACCESSED


def test_outside_the_window_is_not_counted(bench: Bench) -> None:
    before = [bench.line(100 + n, path=f"/{n}") for n in range(5)]
    result, _ = bench.judge(bench.access(*before))
    assert THIEF not in {v.client for v in result.visits}
    result, _ = bench.judge(bench.access(*before, bench.line(IN, path="/in", size=70)))
    visit = visit_of(result)
    assert (visit.objects, visit.requests, visit.bytes_out.high) == (1, 1, 70)
    assert visit.first >= WINDOW.start
    assert "outside the window too" in visit.note


def test_copies_are_counted_once_and_two_logs_not_added(bench: Bench) -> None:
    line = bench.line(IN, size=1_000_000)
    first = bench.access(line)
    (bench.folder / "copy.log").write_bytes(first.read_bytes())
    result, _ = bench.judge(first, bench.folder / "copy.log")
    assert len(result.sources) == 1
    other = bench.access(line, name="proxy.log", quiet=False)
    result, _ = bench.judge(first, other)
    visit = visit_of(result)
    assert (visit.objects, visit.bytes_out.low, visit.bytes_out.high) == (1, 1_000_000, 2_000_000)


def test_order_of_inputs_does_not_matter(bench: Bench) -> None:
    paths: list[Path | str] = []
    for number in range(3):
        lines = [bench.line(IN + number * DAY / 2 + n, path=f"/{n}") for n in range(20)]
        name = f"access.log.{2 - number}" if number < 2 else "access.log"
        path = bench.folder / name
        start = number * 4 * DAY / 3
        path.write_text("".join([*bench.quiet(start, start + 4 * DAY / 3, 90), *lines]))
        paths.append(path)
    paths += bench.flows((29, bench.tuple_(IN + 60, sent=5_000)), hours=range(20, 40))[:3]
    digests, _ = bench.read(*paths)
    results = {
        to_json([verdict([*order, *digests[4:]]) for _ in (1,)])
        for order in itertools.permutations(digests[:4])
    }
    assert len(results) == 1


def test_at_most_200_bins_and_few_lines(bench: Bench) -> None:
    lines = [bench.line(n * 7000, f"203.0.113.{n % 40 + 1}", f"/{n}") for n in range(49)]
    wide = Interval(start=at(-300 * DAY), end=at(5 * DAY))
    result, _ = bench.judge(bench.access(*lines), window=wide)
    assert len({b.start for b in result.bins}) <= 200
    assert len({b.client for b in result.bins}) <= 11
    assert sum(b.requests for b in result.bins) == sum(v.requests for v in result.visits)
    assert all(b.start < b.end for b in result.bins)


def test_visits_are_capped_not_the_verdict(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_module, "VISITS_MAX", 3)
    lines = [bench.line(IN + n, f"203.0.113.{n + 1}", f"/{n}") for n in range(9)]
    result, gaps = bench.judge(bench.access(*lines))
    assert len(result.visits) == 3
    assert Reason.TOO_LARGE in {g.reason for g in gaps}
    assert "And 4 more clients" in said(result)
    assert result.verdict.bytes_out.low == 9000


def test_window_note_is_told(bench: Bench) -> None:
    note = "The true start of the window is not known."
    assert note in bench.judge(bench.access(), window_note=note)[0].verdict.reasons
