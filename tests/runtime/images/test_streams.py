"""Compressed bytes: all members, nothing after a damage, no bombs (V53, V54)."""

import bz2
import gzip
import lzma
import threading
from collections.abc import Callable
from functools import cache

import pytest
import zstandard

from runtime.errors import RuntimeFault
from runtime.images import streams
from runtime.images.streams import Ahead, Measured, compression_of, decompressed
from runtime.images.tar_reader import BadArchive

DATA = bytes(range(256)) * 8_000
KINDS: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}


@cache
def packed_data(kind: str) -> bytes:
    """bzip2 takes long for what repeats itself."""
    return KINDS[kind](DATA)


def pieces(data: bytes, size: int = 10_000) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def whole(data: bytes, size: int = 10_000) -> bytes:
    return b"".join(decompressed(pieces(data, size)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 7, 10_000_000])
def test_what_was_compressed_comes_out_whatever_the_pieces(kind: str, size: int):
    data = DATA[:5000] if size < 100 else DATA
    packed = KINDS[kind](data) if size < 100 else packed_data(kind)
    assert compression_of(packed) == kind
    assert whole(packed, size) == data


@pytest.mark.parametrize("kind", ["gzip", "zstd", "xz", "bzip2"])
def test_members_behind_each_other_are_one_stream(kind: str):
    packed = packed_data(kind) + KINDS[kind](b"more")
    assert whole(packed) == DATA + b"more"


@pytest.mark.parametrize("kind", ["gzip", "zstd", "xz", "bzip2"])
@pytest.mark.parametrize("missing", [1, 3, 9, 200])
def test_data_that_is_cut_short_is_refused(kind: str, missing: int):
    with pytest.raises(BadArchive) as caught:
        whole(packed_data(kind)[:-missing])
    assert caught.value.code == "E520"


def test_zstd_frames_of_every_kind_are_known_to_be_whole():
    plain = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    summed = zstandard.ZstdCompressor(write_checksum=True)
    skipped = b"\x55\x2a\x4d\x18\x05\x00\x00\x00other"
    packed = (
        plain.compress(DATA)
        + plain.flush()
        + skipped
        + summed.compress(b"")
        + summed.compress(bytes(500_000))
    )
    for size in (1, 1000, len(packed)):
        assert whole(packed, size) == DATA + bytes(500_000)


@pytest.mark.parametrize("kind", ["gzip", "xz", "bzip2"])
def test_data_that_was_changed_is_refused(kind: str):
    packed = bytearray(packed_data(kind))
    packed[len(packed) // 2] ^= 0xFF
    with pytest.raises(BadArchive):
        whole(bytes(packed))


def test_a_bomb_is_stopped_while_it_explodes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(streams, "FREE_OUTPUT", 4 << 20)
    came: list[int] = []
    with pytest.raises(BadArchive, match="that is a bomb") as caught:
        came.extend(map(len, decompressed(pieces(gzip.compress(bytes(64 << 20))))))
    assert caught.value.code == "E521"
    assert sum(came) <= 5 << 20


def test_a_window_that_would_take_all_memory_is_refused():
    parameters = zstandard.ZstdCompressionParameters(window_log=29, compression_level=1)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = packer.compress(bytes(2 << 20)) + packer.flush()
    with pytest.raises(RuntimeFault, match="damaged zstd data"):
        whole(packed)


def test_measured_says_size_and_digest_of_what_has_passed():
    measured = Measured(pieces(b"abc" * 10_000), digest_like="sha256:")
    assert b"".join(measured) == b"abc" * 10_000
    assert measured.size == 30_000
    assert measured.digest.startswith("sha256:")


def test_what_goes_wrong_ahead_is_raised_here():
    def broken():
        yield b"one"
        raise BadArchive("in the thread")

    with Ahead(broken()) as items:
        came = iter(items)
        assert next(came) == b"one"
        with pytest.raises(BadArchive, match="in the thread"):
            next(came)


def test_leaving_early_ends_the_thread():
    before = threading.active_count()
    with Ahead(iter(lambda: b"x", b"")) as items:
        assert next(iter(items)) == b"x"
    assert threading.active_count() == before
