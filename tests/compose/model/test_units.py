"""Sizes, durations, booleans and numbers, read and printed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose.model.units import (
    parse_boolean,
    parse_duration,
    parse_size,
    print_duration,
    print_float,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0), ("-1", -1), ("10", 10), ("1b", 1), ("1k", 1024), ("1KB", 1024), ("1KiB", 1024), ("1 m", 2**20),
        ("1.5g", 3 * 2**29), (".5k", 512), ("2T", 2**41), ("1p", 2**50), ("1e3", 1000), ("1.9", 1),
    ],
)  # fmt: skip
def test_a_size(text: str, size: int):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "k", "-1k", "1x", "1ib", "1  k", "1.2.3", "9e99", "9999999999g", "1k\n", "١k"]
)
def test_what_is_no_size(text: str):
    with pytest.raises(ValueError, match=r"is no size|is too large"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds", "printed"),
    [
        ("0", 0, "0s"), ("10s", 10, "10s"), ("1m30s", 90, "1m30s"), ("1h", 3600, "1h0m0s"), ("1d", 86400, "24h0m0s"),
        ("1w", 604800, "168h0m0s"), ("100ms", 0.1, "100ms"), ("1.5s", 1.5, "1.5s"), ("-2s", -2, "-2s"),
        ("1us", 1e-6, "1µs"), ("3µs", 3e-6, "3µs"), ("5ns", 5e-9, "5ns"), ("1h1h", 7200, "2h0m0s"), (".5m", 30, "30s"),
    ],
)  # fmt: skip
def test_a_duration(text: str, seconds: float, printed: str):
    assert parse_duration(text) == seconds
    assert print_duration(parse_duration(text)) == printed


@pytest.mark.parametrize(
    "text", ["", "10", "s", "1x", "1s ", "1 s", "--1s", "1.s.", "99999999999999h", "1s" * 100]
)
def test_what_is_no_duration(text: str):
    with pytest.raises(ValueError, match=r"is no duration|is too long"):
        parse_duration(text)


@given(st.integers(0, 2**62))
def test_a_duration_printed_is_read_again(nanoseconds: int):
    seconds = parse_duration(f"{nanoseconds}ns")
    assert parse_duration(print_duration(seconds)) == pytest.approx(seconds, rel=1e-9)


@given(st.text(alphabet="0123456789.-+ekmgtpibBsuhdwµn ", max_size=20))
def test_any_text_is_a_size_or_duration_or_refused(text: str):
    for parse in (parse_size, parse_duration):
        try:
            number = parse(text)
        except ValueError:
            continue
        assert abs(number) < 2**64


@pytest.mark.parametrize(
    ("text", "value"), [("True", True), ("y", True), ("ON", True), ("no", False), ("OFF", False)]
)
def test_a_boolean(text: str, value: bool):
    assert parse_boolean(text) is value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "-0"), (1.0, "1"), (1.5, "1.5"), (999999.0, "999999"), (1000000.0, "1e+06"),
        (123456.5, "123456.5"), (1234567.5, "1.2345675e+06"), (1e-5, "1e-05"), (0.0001, "0.0001"), (1e300, "1e+300"),
        (float("inf"), "+Inf"), (float("-inf"), "-Inf"), (float("nan"), "NaN"),
    ],
)  # fmt: skip
def test_a_number_inside_text_as_go_prints_it(value: float, text: str):
    assert print_float(value) == text
