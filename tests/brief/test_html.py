"""The HTML report: complete without scripts, loads nothing, escapes everything, stays small."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import re
from datetime import timedelta
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from lxml import html as lxml_html

from leftopen.brief.html import HTML, TOP, diff_lines, gap_groups, render, text_lines
from leftopen.model.case import Investigation
from leftopen.model.finding import Subject, Tier
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.record import from_json, to_json


def _example() -> ModuleType:
    path = Path(__file__).with_name("example_investigation.py")
    spec = importlib.util.spec_from_file_location("example_investigation", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ex = _example()
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=a>\u202egnp.exe\u2066\x00\x1b[31m{{7*7}}"


def page(text: str) -> Any:
    return lxml_html.document_fromstring(text)


def words(text: str) -> str:
    return " ".join(page(text).find("body").text_content().split())


def poisoned(value: Any, poison: str) -> Any:
    """The same record with `poison` behind every text that is not a word of a list."""
    if isinstance(value, msgspec.Struct):
        fields = {f: poisoned(getattr(value, f), poison) for f in value.__struct_fields__}
        return msgspec.structs.replace(value, **fields)
    if isinstance(value, tuple):
        return tuple(poisoned(v, poison) for v in value)
    if isinstance(value, dict):
        return {poisoned(k, poison): poisoned(v, poison) for k, v in value.items()}
    return value + poison if isinstance(value, str) and not isinstance(value, Enum) else value


def hostile(poison: str = HOSTILE) -> Investigation:
    made = poisoned(ex.example(ex.mail_case(), ex.quiet_case()), poison)
    assert isinstance(made, Investigation)
    return made


@pytest.fixture(scope="module")
def report() -> str:
    return render(ex.example(ex.mail_case(), ex.quiet_case()))


def test_it_is_an_output_format() -> None:
    assert (HTML.name, HTML.file_name) == ("html", "report.html")


def test_page_has_title_landmarks_and_one_main_heading(report: str) -> None:
    tree = page(report)
    assert report.startswith("<!doctype html>")
    assert tree.get("lang") == "en"
    assert "Example Command" in tree.findtext(".//title")
    assert len(tree.findall(".//h1")) == 1
    assert len(tree.findall(".//main[@id='main']")) == 1
    assert tree.find(".//a[@class='skip']").get("href") == "#main"


def test_every_tag_is_closed(report: str) -> None:
    void = {"meta", "link", "br"}
    stack: list[str] = []
    for closing, name, selfclosed in re.findall(r"<(/?)([a-zA-Z0-9]+)[^<>]*?(/?)>", report):
        if closing:
            assert stack.pop() == name
        elif name not in void and not selfclosed:
            stack.append(name)
    assert not stack


def test_ids_are_unique_and_every_inner_link_leads_somewhere(report: str) -> None:
    tree = page(report)
    ids = tree.xpath("//@id")
    assert len(ids) == len(set(ids))
    wanted = {h[1:] for h in tree.xpath("//a/@href")} | set(tree.xpath("//@aria-labelledby"))
    assert {w for group in wanted for w in group.split()} <= set(ids)


def test_nothing_is_loaded_and_nothing_runs(report: str) -> None:
    tree = page(report)
    assert not tree.xpath("//script | //iframe | //img | //object | //embed | //form | //base")
    links = tree.xpath("//@href | //@src | //@action | //@data | //@srcset | //@poster")
    assert {link for link in links if not link.startswith("#")} == {"data:,"}
    css = tree.findtext(".//style")
    assert "@import" not in css
    assert not re.search(r"url\(", css)
    assert not [name for name in tree.xpath("//@*") if str(name.attrname).startswith("on")]
    assert not tree.xpath("//@style")  # the policy would block it
    assert all(u.startswith("url(#") for u in tree.xpath("//@fill"))


def test_policy_allows_this_style_sheet_and_nothing_else(report: str) -> None:
    tree = page(report)
    policy = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")[0]
    css = re.search(r"<style>(.*?)</style>", report, re.DOTALL)
    assert css
    digest = base64.b64encode(hashlib.sha256(css.group(1).encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "script-src" not in policy
    head = [e.tag for e in tree.find("head")]
    assert head.index("meta") < head.index("style")


def test_tables_have_captions_and_scoped_headers(report: str) -> None:
    tables = page(report).findall(".//table")
    assert len(tables) > 8
    for table in tables:
        assert table.findtext("caption")
        assert all(th.get("scope") in ("col", "row") for th in table.iter("th"))
        wide = len(table.findall("thead/tr/th"))
        for row in table.findall("tbody/tr"):
            assert len(row) == wide


def test_scrolling_parts_can_be_reached_by_keyboard(report: str) -> None:
    for box in page(report).xpath("//div[contains(@class, 'scroll')] | //pre"):
        assert box.get("tabindex") == "0"
        assert box.get("aria-label")


def test_verdict_and_five_answers_in_order() -> None:
    tree = page(render(ex.example()))
    verdict = tree.xpath("//p[@class='verdict']")[0].text_content()
    assert verdict.startswith(
        "This server gave its mail to anybody who asked, without a login, "
        "for at least 12 and at most 17 days"
    )
    for said in (
        "180 to 263 people",
        "autoindex on",
        "archive.conf:22",
        "203.0.113.77",
        "31 hours",
    ):
        assert said in verdict
    stages = [s.text for s in tree.xpath("//span[@class='card-stage']")]
    assert stages == ["Reach", "Contents", "Cause", "Trace", "Limits"]
    keys = [k.text for k in tree.xpath("//p[@class='card-key']")]
    assert keys == [
        "Yes: it gave data",
        "214 people (180 to 263)",
        "autoindex on",
        "At least 103 MB left",
        "31 hours without any log",
    ]


def test_details_name_evidence_cause_logs_and_custody() -> None:
    text = words(render(ex.example()))
    for said in (
        "curl -si --max-time 10 'http://127.0.0.10:8080/'",
        "about 205 of 2,000 (95%: 152 to 271)",
        "- autoindex on;",
        "92.3%",
        "Claims to be a crawler: Googlebot",
        "left out by the sample, by design",
        "Exposed Server Leaks US Military Emails",
        "412 entries, head 9d5c1f0e7a",
        "memo 2023-014",
        "Answered, but gave nothing",
    ):
        assert said in text


def test_lines_of_a_log_add_up_in_its_row() -> None:
    row = page(render(ex.example())).xpath("//tr[th/code='logs/mail-archive-access.log']/td")
    assert [cell.text_content() for cell in row[1:5]] == ["48,231", "48,219", "12", "0"]
    assert row[6].text_content() == "offset in every line"
    assert row[7].text_content() == "over 37 minutes"


def test_severity_is_a_word_and_a_shape(report: str) -> None:
    for level in ("critical", "high", "medium"):
        badge = page(report).xpath(f"//span[contains(@class, 'sev-{level}')]")[0]
        assert badge.text_content().strip() == level.capitalize()
        assert badge.find("svg") is not None


def test_what_is_not_known_says_so_and_is_never_zero() -> None:
    tree = page(render(ex.example(ex.quiet_case())))
    cards = tree.xpath("//li[contains(@class, 'card')]")
    unknown = [c for c in cards if "card-unknown" in c.get("class")]
    assert [c.xpath("string(p[2])") for c in unknown] == [
        "Not known",
        "Not known",
        "Not known",
        "Who came in, and what left",
    ]
    text = words(render(ex.example(ex.quiet_case())))
    assert "How much it holds is not known" in text
    assert "No log was handed over: who came in and how much left is not known." in text
    assert "0 people" not in text
    assert "0 bytes" not in text


def test_unknown_bytes_of_a_client_are_not_zero() -> None:
    tree = page(render(ex.example()))
    row = tree.xpath("//tr[th/code='192.0.2.18']/td")
    assert row[2].text_content().startswith("not known")
    assert row[3].text_content() == "not known"


def test_gaps_without_a_count_or_a_size_stay_unknown() -> None:
    gaps = [
        Gap(stage=Stage.TRACE, reason=Reason.NO_LOG, place="a", count=0),
        Gap(stage=Stage.CONTENTS, reason=Reason.CORRUPT, place="b", count=3, size=10),
        Gap(stage=Stage.CONTENTS, reason=Reason.CORRUPT, place="c", count=0, size=0),
    ]
    groups = [(g.stage, g.items, g.size) for g in gap_groups(gaps)]
    assert groups == [
        ("Contents", "at least 3", "at least 10 bytes"),
        ("Trace", "not known", "not known"),
    ]


@pytest.mark.parametrize("poison", [HOSTILE, "x" * 5_000, "\u0301" * 900, "\ud800", "ש\u05b0" * 60])
def test_hostile_text_in_every_field_is_inert(poison: str) -> None:
    text = render(hostile(poison))
    text.encode()  # no lone surrogate is left
    tree = page(text)
    assert not tree.xpath("//script | //img | //*[@onerror]")
    assert "<script" not in text
    assert "49" not in re.findall(r"\[31m(\S+)", text)  # no template inside the template
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b-\u200f\x00\x1b]", text)
    assert "\u0301" * 3 not in text
    assert len(text) < 1_500_000
    links = {link for link in tree.xpath("//@href") if not link.startswith("#")}
    assert links == {"data:,"}


def test_hostile_text_is_still_shown() -> None:
    text = words(render(hostile()))
    assert "<script>alert(1)</script>" in text
    assert "\\u202egnp.exe" in text or "\\202egnp.exe" in text


def test_same_investigation_same_bytes_and_order_of_cases_does_not_matter() -> None:
    once = render(ex.example(ex.mail_case(), ex.quiet_case()))
    again = from_json(to_json(ex.example(ex.quiet_case(), ex.mail_case())), Investigation)
    assert render(again) == once


def test_worst_case_comes_first() -> None:
    tree = page(render(ex.example(ex.quiet_case(), ex.mail_case())))
    assert [h.text for h in tree.xpath("//section[@class='case']//h2")] == [
        "Mail archive open over HTTP",
        "Cache open without a password",
    ]
    assert tree.xpath("string(//caption)") == "Cases of this run"


def test_huge_case_is_cut_and_says_so() -> None:
    case = ex.mail_case()
    visit = case.trace.visits[0]
    visits = tuple(
        msgspec.structs.replace(visit, client=f"203.0.113.{n}", first=visit.first + timedelta(n))
        for n in range(2_000)
    )
    gaps = tuple(
        Gap(stage=Stage.CONTENTS, reason=Reason.CORRUPT, place=f"message {n}") for n in range(2_000)
    )
    subjects = tuple(
        Subject(uid=f"s{n}", tier=Tier.CONTACT, basis="name", elements=("e",) * 500, objects=())
        for n in range(2_000)
    )
    big = msgspec.structs.replace(
        case,
        gaps=gaps,
        trace=msgspec.structs.replace(case.trace, visits=visits),
        contents=msgspec.structs.replace(case.contents, subjects=subjects),
    )
    text = render(ex.example(big))
    assert len(text) < 400_000
    said = words(text)
    assert f"and {2_000 - TOP['visits']:,} more in case.json" in said
    assert f"and {2_000 - TOP['subjects']:,} more in case.json" in said
    assert f"and {2_000 - TOP['places']:,} more in case.json" in said


def test_many_cases_stay_inside_the_budget() -> None:
    cases = [msgspec.structs.replace(ex.mail_case(), uid=f"c{n:03}") for n in range(300)]
    text = render(ex.example(*cases))
    assert len(text) < 2_000_000
    tree = page(text)
    detailed = tree.xpath("//section[@class='case']")
    assert 10 < len(detailed) < 200
    assert "(details in case.json)" in text
    assert "and 100 more in case.json" in words(text)
    assert len(tree.xpath("//table")[0].findall("tbody/tr")) == TOP["cases"]


def test_nothing_open_is_clean_only_without_gaps() -> None:
    empty = msgspec.structs.replace(ex.example(), cases=())
    assert "This is not a clean result" in words(render(empty))
    clean = msgspec.structs.replace(empty, gaps=())
    assert "Nothing open was found, and no gap was recorded" in words(render(clean))
    untried = msgspec.structs.replace(clean, targets=0)
    assert "Nothing was tried" in words(render(untried))


def test_open_configuration_without_exposure_is_reported() -> None:
    causes = ex.mail_case().causes
    text = words(render(msgspec.structs.replace(ex.example(), other_causes=causes)))
    assert "Open in configuration, not seen open" in text


def test_diff_lines_keep_signs() -> None:
    assert diff_lines("--- a\n+++ b\n@@ -1 +1 @@\n-old\n+new\n same\n") == [
        ("file", "--- a"),
        ("file", "+++ b"),
        ("hunk", "@@ -1 +1 @@"),
        ("del", "-old"),
        ("add", "+new"),
        ("context", " same"),
    ]


def test_long_text_says_how_much_is_left_out() -> None:
    assert text_lines("a\r\n\tb\n") == ["a", "    b"]
    assert text_lines("x" * 12, 10) == ["x" * 10, "… 2 characters more in case.json"]
