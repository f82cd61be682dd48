"""Zeek capture loss (capture_loss.log, TSV or JSON): how much the sensor itself did not see.

It names no client and vouches for no time: that the sensor was measuring does not say that its
other logs are here. Every interval with loss becomes a Gap, because what conn.log counted in it is
too low (docs.zeek.org/en/master/scripts/policy/misc/capture-loss.zeek.html; every 15 minutes).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from leftopen.model.gap import Reason
from leftopen.trace import zeek
from leftopen.trace.api import Chunk, Example, LogFormat, ReadOptions, Trouble
from leftopen.trace.lines import empty
from leftopen.trace.zeek import COUNT, REAL

FIELDS: zeek.Fields = {"ts_delta": REAL, "gaps": COUNT, "acks": COUNT, "percent_lost": REAL}


def recognise(head: bytes, name: str) -> int:
    """By the path, or by the fields of its own."""
    return zeek.recognise(head, "capture_loss", ("ts", "gaps", "acks"), ("percent_lost",))


def read(blocks: Iterator[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """No rows; a Trouble for the intervals of each block in which packets were lost."""
    lost: list[Trouble] = []

    def look(table: pl.DataFrame) -> None:
        bad = table.filter((pl.col("gaps") > 0) | ~(pl.col("percent_lost") <= 0))
        if bad.height:
            times = bad["time"].to_list()
            most = max((p for p in bad["percent_lost"].to_list() if p is not None), default=0.0)
            span = f"{min(times)} and {max(times)} (epoch seconds)"
            detail = f"the sensor lost packets between {span}, at worst {most:.2f} %"
            lost.append(Trouble(Reason.LOST, detail, bad.height))

    for chunk in zeek.read(blocks, FIELDS, _nothing, look):
        yield replace(chunk, troubles=(*chunk.troubles, *lost))
        lost.clear()


def _nothing(table: pl.LazyFrame) -> pl.LazyFrame:
    return empty().lazy()


HEADER = (
    "#separator \\x09\n#path\tcapture_loss\n#fields\tts\tts_delta\tpeer\tgaps\tacks\tpercent_lost\n"
)
TSV = HEADER + (
    "1675825965.1\t900.000035\tworker-1\t0\t12345\t0.0\n"
    "1675826865.1\t900.000035\tworker-1\t700\t12345\t5.670312\n"
)
JSON = (
    '{"ts":1675825965.1,"ts_delta":900.0,"peer":"w","gaps":0,"acks":70,"percent_lost":0.0}\n'
    '{"ts":1675826865.1,"ts_delta":900.0,"peer":"w","gaps":7,"acks":70,"percent_lost":10.0}\n'
)

FORMAT = LogFormat(
    name="zeek_capture_loss",
    kind="counter",
    protocols=("sensor",),  # no exposure: it covers nothing
    recognise=recognise,
    read=read,
    byte_meaning="none",
    names_objects=False,
    tight=False,
    stamped="end",
    has_zone=True,
    examples=(Example(text=TSV, rows=()), Example(text=JSON, rows=())),
    counterexamples=(
        HEADER + "1675825965.1\t900\tw\tx\t1\t0.0\n",
        HEADER + "1675825965.1\t900\tw\t1\t1\n",
    ),
    source="docs.zeek.org/en/master/logs/capture-loss-and-reporter.html",
)
