"""Headers in front of values, and leading zeros restored."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from leftopen.contents import markup, rows


def test_values_stand_behind_their_headers() -> None:
    table = [["Unit roster"], ["Name", "SSN", "DOB"], ["Ann", "12456788", "1970"], ["Bob", "", "x"]]
    assert rows.render(table).splitlines() == [
        "Unit roster",
        "Name\tSSN\tDOB",
        "Name: Ann\tSSN: 012456788\tDOB: 1970",
        "Name: Bob\tDOB: x",
    ]


def test_zeros_are_restored_under_ssn_headers_only() -> None:
    table = [["Spouse SSN", "Invoice"], ["1245678.0", "1245678"]]
    assert rows.render(table).splitlines()[1] == "Spouse SSN: 001245678\tInvoice: 1245678"
    assert rows.is_ssn_label("employee_ssn")
    assert rows.is_ssn_label("Soc Sec No")
    assert not rows.is_ssn_label("lessnumber")


def test_a_sheet_without_labels_has_no_header() -> None:
    assert rows.header_row([["12", "34"], ["56", "78"]]) is None
    assert rows.render([["Ann", "219-45-6788"], ["Bob", "x"]]).splitlines()[0] == (
        "Ann\t219-45-6788"
    )


def test_labels_on_the_left_are_labels() -> None:
    table = [["Name:", "Ann Roe"], ["SSN:", "12456788"], ["Phone:", "555"]]
    assert rows.render(table) == "Name: Ann Roe\nSSN: 012456788\nPhone: 555\n"


def test_unknown_labels_count_above_numbers() -> None:
    table = [["Kennung", "Wert"], ["abc", "12345"], ["def", "67890"]]
    assert rows.render(table).splitlines()[1] == "Kennung: abc\tWert: 12345"


@given(st.lists(st.lists(st.text(max_size=12), max_size=5), max_size=8))
def test_no_cell_is_lost(table: list[list[str]]) -> None:
    rendered = rows.render(table)
    for row in table:
        for cell in row:
            squeezed = " ".join(cell.split()).rstrip(": ")
            assert squeezed in " ".join(rendered.split()) or cell[:7].isdigit()


def test_html_keeps_cells_apart_and_values_together() -> None:
    text, tables = markup.to_text(
        "<p>SSN:</p>\n<p>a <b>219</b>-45-\n6788</p><script>x='<p>no</p>'</script>"
        "<style>no</style><!-- no --><table><tr><td>one</td><td>two</td></tr></table>"
        "<pre>l1\nl2</pre>&lt;x&gt; caf&eacute;"
    )
    assert "219-45- 6788" in text
    assert "one\ttwo" in text
    assert "l1\nl2" in text
    assert "<x> café" in text
    assert "no" not in text
    assert not tables


def test_layout_tables_keep_their_lines() -> None:
    text, tables = markup.to_text(
        "<table><tr><td><p>Dear all,</p><table><tr><th>Name</th><th>SSN</th></tr>"
        "<tr><td>Ann</td><td>219456788</td></tr></table><p>Regards</p></td></tr></table>"
    )
    assert tables == ["Name\tSSN\nName: Ann\tSSN: 219456788\n"]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    assert lines == ["Dear all,", "Regards"]


@given(st.text(alphabet="<>/!-ap tdrbleh=\"'&;\n", max_size=300))
def test_markup_never_fails(source: str) -> None:
    text, tables = markup.to_text(source)
    assert isinstance(text, str)
    assert isinstance(tables, list)
