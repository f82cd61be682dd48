"""What a statement gives, by its text: never less than it may give."""

from __future__ import annotations

import time

import pytest
from hypothesis import given as all_of
from hypothesis import strategies as st

from leftopen.trace.api import Act
from leftopen.trace.statements import TEXT_MAX, Text, given

CASES = (
    ("select 1", Act.LOOKED, None),
    ("select version()", Act.LOOKED, None),
    ("SELECT a FROM t", Act.PART, "t"),
    ("select * from t", Act.WHOLE, "t"),
    ("SELECT /*!40001 SQL_NO_CACHE */ `a`, `b` FROM `d`.`t`;", Act.WHOLE, "`d`.`t`"),
    ("select * from t where a > 0", Act.PART, "t"),
    ("select *\nfrom t\nlimit 5", Act.PART, "t"),
    ("select * from (select 1) x", Act.PART, None),
    ("/* a from b */ select 1", Act.LOOKED, None),
    ("/*!50000 select a from t */", Act.PART, "t"),
    ("-- a note\nselect a from t", Act.PART, "t"),
    ("set x = 1; select a from t", Act.PART, "t"),
    ("insert into t values ('select a from b; select a from t')", Act.LOOKED, None),
    ("insert into t select * from b", Act.LOOKED, None),
    ("delete from t returning *", Act.PART, None),
    ("COPY public.t (a, b) TO stdout;", Act.WHOLE, "public.t"),
    ("copy (select a from t) to stdout", Act.PART, None),
    ("copy t from stdin", Act.LOOKED, None),
    ("table t", Act.WHOLE, "t"),
    ("with x as (select a from t) select * from x", Act.PART, "t"),
    ("show tables", Act.LISTED, None),
    ("show variables like 'x'", Act.LOOKED, None),
    ("select table_name from information_schema.tables", Act.LISTED, None),
    ("select relname from pg_class c, secret s", Act.PART, "pg_class"),
    ("select c.a from pg_class c join secret s on true", Act.PART, "pg_class"),
    # By MySQL's rules a backslash escapes the quote behind it, by PostgreSQL's it does not.
    ("select '\\', a from t --'", Act.PART, "t"),
    ("select '\\'', a from t -- '", Act.PART, "t"),
    ("execute q", Act.PART, None),
    ("begin", Act.LOOKED, None),
    ("", Act.LOOKED, None),
)


@pytest.mark.parametrize(("sql", "act", "table"), CASES)
def test_statement(sql: str, act: Act, table: str | None) -> None:
    assert given(sql) == (act, table)


def test_a_text_that_is_cut_may_have_read() -> None:
    text = Text()
    text.add("select '" + "x" * TEXT_MAX)
    text.add("' from t")
    assert len(str(text)) <= TEXT_MAX + 100
    assert given("select '" + "x" * TEXT_MAX + "' from t").act == Act.PART
    assert given(str(text)).act == Act.PART


@pytest.mark.parametrize(
    "sql",
    [
        *("select " + "from " * 13_000, "/*" * 30_000, "/*!" * 20_000, "'" * 60_001, "(" * 60_000),
        *("copy " + "to " * 20_000, "select from " + "a." * 30_000, "select " + "from a " * 9000),
        *("-- " * 20_000, "select from" + " " * 60_000, "select /*! * " + "/ " * 20_000),
        *("/*a*/" * 13_000, "copy " + "a." * 30_000, "table " + "a" * 60_000),
    ],
)
def test_hostile_statements_are_quick(sql: str) -> None:
    before = time.process_time()
    given(sql)
    assert time.process_time() - before < 2


PIECES = st.sampled_from(
    [
        *"'\"`\\;/*!-#(),. \n",
        "select",
        "from",
        "t",
        "copy",
        "to stdout",
        "/*!",
        "*/",
        "with",
        "join",
    ]
)


@all_of(st.lists(PIECES, max_size=30).map("".join), st.booleans())
def test_fuzz_a_read_behind_a_semicolon_is_seen(text: str, spaced: bool) -> None:
    assert given(text).act in tuple(Act)
    if not set(text) & set("'\\/*\"`"):
        assert given(text + "\n;" + " " * spaced + "select a from t").act >= Act.PART
