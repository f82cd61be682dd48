from __future__ import annotations

import random
import time

import pytest

from leftopen.case.facets import FACETS, facets_of, facets_of_text, values_of
from leftopen.case.library import bundled, page_of
from leftopen.case.similar import Index, closest
from leftopen.case.window import exposures_from
from leftopen.model.case import Case, EarlierCase
from leftopen.model.exposure import Size
from leftopen.model.finding import People
from leftopen.model.trace import PartyKind

from .records import NOW, case, cause, contents, factor, finding, look, trace, visit


def mail_case() -> Case:
    size = Size(bytes=3 * 10**12)
    (one,) = exposures_from([look(1), look(20, size=size)], as_of=NOW)
    found = contents(
        finding("us_ssn"),
        finding("sf86_completed"),
        people=People(lower=20_000, best=20_600, upper=26_000),
    )
    seen = trace(visits=(visit(PartyKind.RESEARCHER),))
    return case(exposure=one, contents=found, trace=seen, causes=[cause(factor("path"))])


def test_the_facets_of_a_case() -> None:
    assert facets_of(mail_case()) == {
        "service": "http",
        "store": "mail",
        "cause": "no authentication",
        "rule": "nginx.autoindex_without_auth",
        "data": "clearance form, government id, mail",
        "size": "terabytes",
        "people": "thousands",
        "discovered_by": "researcher",
        "open_for": "weeks",
        "outcome": "unknown",
    }


def test_facets_that_are_not_known_are_left_out() -> None:
    assert facets_of(case()) == {
        "service": "http",
        "store": "web server",
        "cause": "no authentication",
        "size": "under a gigabyte",
        "discovered_by": "own probe",
        "open_for": "weeks",
    }


def test_every_facet_of_the_bundled_library_is_a_known_one() -> None:
    assert {f for page in bundled() for f in page.facets} <= set(FACETS)
    assert set(facets_of_text("an s3 bucket without a password")) <= set(FACETS)


def test_words_of_a_page_speak_for_facets() -> None:
    text = "A researcher found an Elasticsearch server of e-mails without a password."
    assert facets_of_text(text) == {
        "cause": "no authentication",
        "data": "mail",
        "discovered_by": "researcher",
        "service": "elasticsearch",
        "store": "mail, search engine",
    }


def test_the_military_mail_server_is_closest_to_its_like() -> None:
    best = closest(mail_case(), bundled())
    assert best[0].uid == "us-dod-mail-2023"
    assert "same store: mail" in best[0].why
    assert any(why.startswith("shared words:") and "mail" in why for why in best[0].why)
    assert [s.score for s in best] == sorted((s.score for s in best), reverse=True)
    assert all(0 < s.score <= 1 for s in best)


@pytest.mark.parametrize(
    ("protocol", "service"), [("elasticsearch", "elasticsearch"), ("s3", "s3"), ("rsync", "rsync")]
)
def test_the_same_service_comes_first(protocol: str, service: str) -> None:
    (one,) = exposures_from([look(20, protocol=protocol)], as_of=NOW)
    best = closest(case(exposure=one), bundled(), limit=2)
    pages = {page.uid: page for page in bundled()}
    assert [pages[s.uid].facets["service"] for s in best] == [service, service]


def test_a_case_is_most_like_itself_but_never_listed() -> None:
    one = mail_case()
    twin = EarlierCase(uid="twin", title=one.title, facets=facets_of(one))
    best = closest(one, [*bundled(), page_of(one), twin])
    assert best[0].uid == "twin"
    assert one.uid not in {s.uid for s in best}


def test_what_shares_nothing_is_not_close() -> None:
    assert closest(mail_case(), [EarlierCase(uid="a", title="zzz", facets={"size": "qqq"})]) == ()
    assert closest(mail_case(), []) == ()


def test_the_order_of_the_library_does_not_matter() -> None:
    pages = list(bundled())
    expected = closest(mail_case(), pages)
    random.Random(1).shuffle(pages)
    assert closest(mail_case(), pages) == expected


def test_equal_pages_are_ordered_by_uid() -> None:
    pages = [EarlierCase(uid=uid, title="mail archive") for uid in ("c", "a", "b")]
    assert [s.uid for s in closest(mail_case(), pages)] == ["a", "b", "c"]


def test_values_are_split_and_ordered() -> None:
    assert values_of({"b": "y, x,", "a": ""}) == [("b", "x"), ("b", "y")]


def test_ten_thousand_pages_are_searched_in_less_than_a_tenth_of_a_second() -> None:
    pick = random.Random(1)
    words = [f"word{n}" for n in range(3_000)] + ["mail", "archive", "messages", "anybody"]
    seeds = bundled()
    pages = [
        EarlierCase(
            uid=f"{n:05}",
            title=" ".join(pick.choices(words, k=40)),
            facets=seeds[n % len(seeds)].facets,
        )
        for n in range(10_000)
    ]
    index, one = Index(pages), mail_case()
    spent = []
    for _ in range(3):
        begun = time.process_time()
        index.closest(one)
        spent.append(time.process_time() - begun)
    assert min(spent) < 0.1
