from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leftopen.case.library import PAGE_CHARS, bundled, page_of, read_page, read_pages
from leftopen.model.case import EarlierCase, Signal
from leftopen.model.errors import UsageError
from leftopen.store.store import Store

from .records import case, contents, finding

BRIEFS = Path(__file__).parents[3] / "shared" / "data" / "briefs"

PAGE = """# __A *title*__, from ([20230305](https://a.example/p/20230305).)

__[External link](https://b.example/x_y?z=1)__

## Summary

First line
of two.

Second.

## Keywords

* one
- two \\| three &lt;b&gt;
*

## Themes

* data

## Signals

| Signal | Change | 10y horizon | Driving force |
|:--|:-:|--:|---|
| a \\| b | c | | d |
| short |

## Closest

* [Earlier](60d708d4): because
* [Bad](javascript:alert)
* plain
"""


def test_a_page_of_the_briefs_form() -> None:
    page = read_page(PAGE, "a.md")
    assert page == EarlierCase(
        uid=page.uid,
        title="A *title*",
        source="https://b.example/x_y?z=1",
        date="2023-03-05",
        summary="First line of two. Second.",
        keywords=("one", "two | three <b>"),
        themes=("data",),
        signals=(
            Signal(signal="a | b", change="c", horizon="", driving_force="d"),
            Signal(signal="short", change="", horizon="", driving_force=""),
        ),
        closest=("60d708d4", "Bad", "plain"),
    )
    assert len(page.uid) == 32


def test_the_analysts_page() -> None:
    path = BRIEFS / "exposed-server-leaks-us-military-emails.md"
    if not path.exists():
        assert not os.environ.get("CI"), f"{path} must be there under CI"
        pytest.skip(f"{path} is not here")
    page = read_page(path.read_text(encoding="utf-8"), path.name)
    assert page.title == "Exposed Server Leaks US Military Emails"
    assert page.source.startswith("https://techcrunch.com/2023/02/21/")
    assert page.date == "2023-03-05"
    assert page.summary.startswith("The U.S. Department of Defense recently secured")
    assert (len(page.keywords), len(page.themes), len(page.signals)) == (10, 3, 5)
    assert page.signals[4].signal == "Potential access or data exfiltration unknown"
    assert page.signals[4].driving_force == "Identifying and mitigating security threats and risks"
    assert len(page.closest) == 10
    assert page.facets["store"] == "mail"
    assert page.facets["data"] == "clearance form, mail"


def test_columns_may_stand_in_another_order() -> None:
    text = "# T\n## Signals\n| Change | Signal |\n|--|--|\n| c | s |\n"
    assert read_page(text, "a.md").signals == (
        Signal(signal="s", change="c", horizon="", driving_force=""),
    )


def test_a_table_without_a_head_is_read_by_place() -> None:
    signals = read_page("# T\n## Signals\n| a | b | c | d | e |\n", "a.md").signals
    assert signals == (Signal(signal="a", change="b", horizon="c", driving_force="d"),)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "a.md:1: no title"),
        ("## Summary\nx", "a.md:1: no title"),
        ("#  \n## Summary\nx", "a.md:1: the title is empty"),
        ("\n\n# T\n\ntext\n## Other\nx", "a.md:3: no section"),
        ("# T\n## Summary\nx\n# U\n", "a.md:4: no section"),
        ("# T\n## Summary\nx\n# U\n## Summary\ny", "a.md:1: holds 2 pages"),
        ("x" * (PAGE_CHARS + 1), "a.md:1: longer than"),
    ],
)
def test_what_is_no_page_is_refused_in_one_line(text: str, complaint: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_page(text, "a.md")
    assert str(refused.value).startswith(complaint)
    assert "\n" not in str(refused.value)


def test_several_pages_in_one_file() -> None:
    pages = read_pages("# T\n## Summary\nx\n---\n# U\n## Themes\n* y\n", "a.md")
    assert [(p.title, p.summary, p.themes) for p in pages] == [("T", "x", ()), ("U", "", ("y",))]


def test_values_and_controls_of_a_page_are_masked() -> None:
    text = "# T\u202e\n## Summary\nSSN 078-05-1120, somebody@a.example\n## Keywords\n* \x1b[31m\n"
    page = read_page(text, "a.md")
    assert page.title == "T\\u202e"
    assert page.summary == "SSN ###-##-####, s***@a.example"
    assert page.keywords == ("\\u001b[31m",)


def test_the_uid_is_by_title_and_source_so_that_a_later_edition_replaces(tmp_path: Path) -> None:
    newer = read_page(PAGE.replace("Second.", "Third."), "a.md")
    other = read_page(PAGE.replace("A *title*", "Another"), "a.md")
    with Store.open(tmp_path / "s") as store:
        for page in (read_page(PAGE, "a.md"), newer, other):
            store.add_page(page)
        assert {p.summary for p in store.pages()} == {
            "First line of two. Third.",
            "First line of two. Second.",
        }
        assert len(store.pages()) == 2


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(["# T", "## Summary", "## Signals", "## Closest", "|", "* [", "---"]),
            st.text(st.sampled_from("#*|[]()\\_-: a&;<>\n\u202e\ud800"), max_size=30),
        ),
        max_size=20,
    )
)
def test_any_text_is_a_page_or_refused(lines: list[str]) -> None:
    try:
        pages = read_pages("\n".join(lines), "a.md")
    except UsageError as e:
        assert str(e).startswith("a.md:")  # noqa: PT017
    else:
        assert all(p.title for p in pages)
        assert all(c.isprintable() for p in pages for c in p.title + p.summary)


@pytest.mark.parametrize(
    "piece", ["[", "\\", "|", "* [", "# ", "\n# T\n## Summary\n", "&", "(", "_"]
)
def test_hostile_repetition_costs_no_time(piece: str) -> None:
    text = "# T\n## Closest\n" + piece * (900_000 // len(piece))
    begun = time.process_time()
    with contextlib.suppress(UsageError):
        read_pages(text, "a.md")
    assert time.process_time() - begun < 10


def test_the_bundled_library_is_whole() -> None:
    pages = bundled()
    assert len(pages) >= 25
    assert [p.uid for p in pages] == sorted({p.uid for p in pages})
    for page in pages:
        assert page.title
        assert page.source
        assert page.date
        assert page.facets["cause"]
        assert page.summary.endswith(".")


def test_our_own_case_as_a_page_has_exact_facets() -> None:
    one = case(contents=contents(finding("us_ssn"), summary="What was found."))
    page = page_of(one, "2023-02-20")
    assert (page.uid, page.title, page.summary) == (one.uid, one.title, "What was found.")
    assert page.facets["data"] == "government id, mail"
    assert page.signals == one.signals
    assert {"personal data", "logging"} & set(page.themes) == {"logging"}
