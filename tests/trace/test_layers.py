"""Floor and ceiling of two layers that cover different hours."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from leftopen.model.time import Interval
from leftopen.trace.digest import Bin
from leftopen.trace.layers import HANDSHAKE, SMALL_OVERHEAD, Layer, Whole, compare

HOUR = 3600


def hours(*spans: tuple[int, int]) -> tuple[Interval, ...]:
    def at(hour: int) -> datetime:
        return datetime.fromtimestamp(hour * HOUR, UTC)

    return tuple(Interval(start=at(a), end=at(b)) for a, b in spans)


def layer(covers: tuple[Interval, ...], whole: tuple[Whole, ...] = (), **by_hour: int) -> Layer:
    bins = [Bin(at=int(h[1:]) * HOUR, requests=1, bytes=size) for h, size in by_hour.items()]
    return Layer(bins, HOUR, covers, whole)


def test_the_same_bytes_are_compared_never_added() -> None:
    both = hours((0, 10))
    found = compare(layer(both, h3=5_000_000), layer(both, h3=5_200_000))
    assert (found.low, found.high) == (5_000_000, 5_200_000)


def test_each_layer_stands_alone_where_the_other_is_silent() -> None:
    app = layer(hours((0, 4)), (Whole(HOUR, HOUR, 1_000_000),), h1=1_000_000)
    flow = layer(hours((4, 8)), h5=2_200_000)
    found = compare(app, flow)
    assert found.high == 3_200_000
    assert found.low == 1_000_000 + int(2_200_000 / SMALL_OVERHEAD) - HANDSHAKE
    assert (found.app_alone, found.flow_alone) == (1_000_000, 2_200_000)


def test_heads_that_the_log_names_are_no_content() -> None:
    covers = hours((0, 10))
    found = compare(layer(covers, h1=0), layer(covers, h1=300_000))
    assert (found.low, found.high) == (0, 300_000)


def test_many_small_flow_records_alone_are_no_certain_content() -> None:
    heads = [Bin(at=HOUR, requests=100, bytes=30_000)]
    found = compare(Layer([], HOUR, ()), Layer(heads, HOUR, hours((0, 4))))
    assert (found.low, found.high) == (0, 30_000)


def test_an_aborted_download_keeps_the_flow_as_the_limit() -> None:
    covers = hours((0, 10))
    app = layer(covers, (Whole(HOUR, HOUR, 2_100_000),), h1=2_100_000)
    found = compare(app, layer(covers, h1=110_000))
    assert found.high == 110_000
    assert found.low < 110_000


amounts = st.dictionaries(st.integers(0, 9), st.integers(0, 10**7), max_size=6)


@given(amounts, amounts, st.integers(0, 10), st.integers(0, 10))
def test_fuzz_the_floor_never_passes_the_ceiling(
    app: dict[int, int], flow: dict[int, int], start: int, end: int
) -> None:
    covers = hours((min(start, end), max(start, end)))
    whole = tuple(Whole(h * HOUR, h * HOUR, size) for h, size in app.items())
    made = compare(
        layer(hours((0, 10)), whole, **{f"h{h}": size for h, size in app.items()}),
        layer(covers, **{f"h{h}": size for h, size in flow.items()}),
    )
    assert 0 <= made.low <= made.high
