"""What a plain scalar is: as go-yaml reads it, not as PyYAML does."""

from __future__ import annotations

import math

import pytest

from compose.loading.scalars import resolve_plain, resolve_tagged

VALUES = [
    ("", None), ("~", None), ("null", None), ("Null", None), ("nULL", "nULL"),
    ("true", True), ("FALSE", False), ("tRue", "tRue"), ("yes", "yes"), ("on", "on"), ("N", "N"),
    ("12", 12), ("-12", -12), ("+3", 3), ("010", 8), ("0777", 511), ("0o17", 15), ("0O17", 15),
    ("0x1F", 31), ("-0x10", -16), ("0b101", 5), ("1_000", 1000), ("1__0", 10), ("1_", 1), ("_1", "_1"),
    ("08", 8.0), ("09", 9.0), ("0o8", "0o8"), ("0x", "0x"), ("0xg", "0xg"),
    ("9223372036854775807", 2**63 - 1), ("18446744073709551615", 2**64 - 1),
    ("18446744073709551616", 2.0**64),
    ("1.5", 1.5), ("1e3", 1000.0), (".5", 0.5), ("1.", 1.0), ("-1.5e-3", -0.0015), ("1e", "1e"), (".", "."),
    (".inf", math.inf), ("-.INF", -math.inf), ("1e999", "1e999"),
    ("22:22", "22:22"), ("12:30:45", "12:30:45"), ("=", "="), ("2020-01-02", "2020-01-02"),
    ("1.2.3", "1.2.3"), ("0.0.0.0", "0.0.0.0"), ("-", "-"), ("3d", "3d"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_a_plain_scalar(text: str, value: object):
    found = resolve_plain(text)
    assert (type(found), found) == (type(value), value)


def test_minus_zero_is_a_float_and_nan_is_no_number_that_equals_itself():
    assert math.copysign(1, resolve_plain("-0")) == -1  # type: ignore[arg-type]
    assert math.isnan(resolve_plain(".nan"))  # type: ignore[arg-type]


def test_a_number_of_a_thousand_digits_stays_text():
    assert resolve_plain("1" * 1000) == "1" * 1000


@pytest.mark.parametrize(
    ("tag", "text", "value"),
    [
        ("tag:yaml.org,2002:str", "12", "12"),
        ("tag:yaml.org,2002:int", "012", 10),
        ("tag:yaml.org,2002:float", "3", 3.0),
        ("tag:yaml.org,2002:bool", "true", True),
        ("tag:yaml.org,2002:binary", "aGk=", "hi"),
        ("!mine", "12", "12"),
    ],
)
def test_a_tag_says_what_the_text_is(tag: str, text: str, value: object):
    assert resolve_tagged(tag, text) == value
