from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import example as worked
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from leftopen.brief.markdown import block, escape, render
from leftopen.case.library import read_page, read_pages
from leftopen.model.case import Case, Investigation, Signal, Similar
from leftopen.model.gap import Gap, Reason, Stage
from leftopen.model.redact import safe

from .example_investigation import example

SECTIONS = ["Summary", "Keywords", "Themes", "Signals", "Closest"]


def changed(**parts: Any) -> Investigation:
    """The example with one case, changed in these parts."""
    whole = example()
    return msgspec.structs.replace(whole, cases=(msgspec.structs.replace(whole.cases[0], **parts),))


def summary(investigation: Investigation) -> str:
    return render(investigation).split("## Summary\n")[1].split("## Keywords\n")[0]


def test_a_page_has_exactly_the_sections_of_the_brief() -> None:
    text = render(changed())
    assert re.findall(r"^#+ .*", text, re.M)[1:] == [f"## {s}" for s in SECTIONS]
    assert text.startswith(
        "# __Mail archive open over HTTP__, from ([20230220](case.json#case-mail).)\n"
    )
    assert "\n| Signal | Change | 10y horizon | Driving force |\n|:--|" in text


def test_the_same_investigation_gives_the_same_text() -> None:
    assert render(changed()) == render(changed())


def test_the_run_itself_does_not_show() -> None:
    other = msgspec.structs.replace(
        changed(), run=msgspec.structs.replace(example().run, run_id="other", resumed=7)
    )
    assert render(other) == render(changed())


def test_a_page_reads_back() -> None:
    one = changed().cases[0]
    page = read_page(render(changed()), "brief.md")
    assert page.title == one.title
    assert page.date == "2023-02-20"
    assert page.source == "case.json#case-mail"
    assert page.signals == one.signals
    assert page.closest == tuple(s.uid for s in one.similar)
    assert "US Social Security number" in page.keywords
    assert "personal data" in page.themes
    assert page.summary.startswith("This server gave its mail to anybody who asked")


def test_what_is_not_known_is_in_the_summary() -> None:
    text = summary(changed())
    assert "No log speaks for: 8 Feb 2023, 20:02 UTC to 10 Feb 2023, 03:00 UTC" in text
    assert "92.3% is covered by at least one log" in text
    assert "contents, encrypted; a password or key is needed, none is guessed: items 4" in text
    assert "(network security group, no snapshot handed over)" in text
    assert "Not examined, of the run as a whole: reach, over a limit on time" in text


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("of_the_run", [False, True])
def test_no_gap_is_left_out(reason: Reason, of_the_run: bool) -> None:
    gaps = tuple(
        Gap(stage=stage, reason=reason, place=f"place-{stage.value}", count=0) for stage in Stage
    )
    told = changed(gaps=() if of_the_run else gaps)
    text = summary(msgspec.structs.replace(told, gaps=gaps if of_the_run else ()))
    for stage in Stage:
        assert f"place-{stage.value}" in text
    assert text.count("items not known") == len(Stage)
    assert "no gap of this case was recorded" in text or not of_the_run


def test_many_places_are_counted() -> None:
    gaps = tuple(
        Gap(stage=Stage.REACH, reason=Reason.TIMEOUT, place=f"place{n}", count=2) for n in range(9)
    )
    text = summary(changed(gaps=gaps))
    assert "items 18 (place0; place1; place2; and 6 more places)" in text


def test_no_log_and_no_contents_are_said() -> None:
    text = summary(changed(trace=None, contents=None, causes=()))
    assert "who came in and how much left is not known" in text
    assert "What is in there was not examined and is not known." in text
    assert "What opened it is not known." in text


def test_several_cases_have_a_page_of_the_run_with_an_index() -> None:
    one = example().cases[0]
    cases = tuple(msgspec.structs.replace(one, uid=f"c{n}", title=f"Case [{n}]") for n in (1, 2))
    text = render(msgspec.structs.replace(example(), cases=cases))
    pages = read_pages(text, "brief.md")
    assert [p.title for p in pages] == [
        "Look at Example Command: 2 cases, the worst critical",
        "Case [1]",
        "Case [2]",
    ]
    assert "* [Case \\[1\\]](case.json#c1)\n* [Case \\[2\\]](case.json#c2)\n" in text
    assert [p.source for p in pages] == ["case.json", "case.json#c1", "case.json#c2"]
    assert all(re.findall(r"^## (.*)", p, re.M) == SECTIONS for p in text.split("\n---\n"))


def test_no_case_is_a_page_too() -> None:
    text = render(msgspec.structs.replace(example(), cases=()))
    page = read_page(text, "brief.md")
    assert page.title == "Look at Example Command: no case"
    assert "254 endpoints tried, 0 cases" in page.summary
    assert "over a limit on time" in page.summary


NASTY = st.text(st.sampled_from("|\n\r\\`*_[]()<>&#-+=~@!:/.w1 a\u2028\u202e\x00é"), max_size=40)
HTML = st.sampled_from(
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "![x](http://a.example/t.gif)",
        "https://a.example/ www.a.example a@a.example",
        "<https://a.example>",
        "| a | b |\n|--|--|",
        "# T\n## Summary",
        "&lt;b&gt; &#60;b&#62; \\&amp;",
        "1. x",
        "---",
        "```\ncode",
        ", from ([x](y).)",
        "[x]: http://a.example",
    ]
)
TEXT = NASTY | HTML | st.text(max_size=40)


def as_shown(text: str) -> str:
    """What is left of a text after it was written and read again."""
    return safe(" ".join(safe_controls(text).split()), 500).strip()


def safe_controls(text: str) -> str:
    from leftopen.model.redact import escape_controls

    return escape_controls(" ".join(text.split()))


def hostile(title: str, words: list[str]) -> Investigation:
    row = Signal(signal=words[0], change=words[1], horizon=words[2], driving_force=words[3])
    similar = Similar(uid=words[4], title=words[5], score=1.0, why=(words[6],))
    gap = Gap(stage=Stage.TRACE, reason=Reason.UNPARSED, place=words[7], detail=words[0])
    made = changed(
        title=title,
        uid=words[4],
        severity_reasons=(words[1], words[2]),
        signals=(row,),
        similar=(similar,),
        gaps=(gap,),
    )
    one = made.cases[0]
    assert one.contents is not None
    found = msgspec.structs.replace(one.contents.findings[0], title=words[3])
    inside = msgspec.structs.replace(one.contents, summary=words[6], findings=(found,))
    case: Case = msgspec.structs.replace(one, contents=inside)
    return msgspec.structs.replace(made, cases=(case,), organisation=words[5], gaps=(gap,))


@settings(max_examples=150, deadline=None)
@given(TEXT, st.lists(TEXT, min_size=8, max_size=8))
@worked("__a__", ["| a"] * 8)
@worked("**a**", ["\\|"] * 8)
@worked("a\\", ["- - -"] * 8)
def test_hostile_text_reads_back_and_does_nothing(title: str, words: list[str]) -> None:
    text = render(hostile(title, words))
    page = read_page(text, "brief.md")
    assert page.title == (as_shown(title) or "Untitled")
    cells = [as_shown(w)[:399] for w in words[:4]]
    if any(cells):
        (row,) = page.signals
        assert [row.signal, row.change, row.horizon, row.driving_force] == cells
    else:
        assert page.signals == ()
    assert re.findall(r"^#+ .*", text, re.M)[1:] == [f"## {s}" for s in SECTIONS]
    assert_inert(text)


def assert_inert(text: str) -> None:
    """A reader of CommonMark with tables and bare links makes nothing but our own structure."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    inline = [child for token in tokens for child in token.children or ()]
    kinds = {t.type for t in tokens} | {t.type for t in inline}
    assert not kinds & {"html_block", "html_inline", "image", "fence", "code_block", "code_inline"}
    links = [str(t.attrs["href"]) for t in inline if t.type == "link_open"]
    assert all(re.fullmatch(r"(case\.json#)?[\w.~%-]*", link) for link in links), links
    assert [t.markup for t in tokens if t.type == "heading_open"] == ["#"] + ["##"] * 5
    assert sum(t.type == "table_open" for t in tokens) == 1
    assert sum(t.type == "td_open" for t in tokens) in (0, 4)
    assert not kinds & {"ordered_list_open", "blockquote_open", "em_open"}


@given(TEXT)
def test_escaped_text_renders_as_itself(text: str) -> None:
    shown = safe_controls(text)
    (_, token, _) = MarkdownIt("commonmark").parse(f"{block(text)}\n") or (None, None, None)
    rendered = "".join(c.content for c in (token.children or ())) if token else ""
    assert rendered == shown


def test_addresses_do_not_become_links() -> None:
    shown = escape("see https://a.example www.a.example a@a.example")
    assert shown == "see https\\://a.example www\\.a.example a\\@a.example"
