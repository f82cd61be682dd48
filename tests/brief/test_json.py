from __future__ import annotations

from pathlib import Path

import jsonschema
import msgspec
import pytest

import leftopen.brief.json as subject
from leftopen.brief.registry import formats, output_format
from leftopen.model.case import CASE_FORMAT
from leftopen.model.errors import UsageError

from .example_investigation import example

COMMITTED = Path(subject.__file__).with_name(subject.SCHEMA_FILE)


def test_the_committed_schema_is_the_one_of_the_records() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == subject.schema_text(), (
        "a record changed: write leftopen.brief.json.schema_text() to case.schema.json"
    )


def test_what_is_written_fits_the_schema_and_reads_back() -> None:
    text = subject.render(example())
    jsonschema.Draft202012Validator(subject.schema()).validate(msgspec.json.decode(text))
    assert subject.read(text) == example()


def test_the_same_investigation_gives_the_same_bytes() -> None:
    text = subject.render(example())
    assert text == subject.render(subject.read(text))
    assert text.startswith(f'{{\n  "format": "{CASE_FORMAT}",\n')
    assert text.endswith("}\n")


def test_another_shape_is_refused() -> None:
    text = subject.render(example())
    with pytest.raises(msgspec.ValidationError):
        subject.read(text.replace('"targets"', '"tragets"'))


def test_the_schema_refuses_what_the_records_do_not_know() -> None:
    plain = msgspec.json.decode(subject.render(example()))
    plain["cases"][0]["surprise"] = 1
    with pytest.raises(jsonschema.ValidationError, match="surprise"):
        jsonschema.Draft202012Validator(subject.schema()).validate(plain)


def test_formats_are_found_by_their_names() -> None:
    assert {"json", "markdown"} <= set(formats())
    assert output_format("json") is subject.JSON
    assert len({f.file_name for f in formats().values()}) == len(formats())
    for name, found in formats().items():
        assert found.name == name
    with pytest.raises(UsageError, match=r"no output format 'yaml'; there are .*json, markdown"):
        output_format("yaml")
