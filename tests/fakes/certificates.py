"""Keys and certificates for tests, by openssl: an authority, and what it signs."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple


class Pair(NamedTuple):
    certificate: Path
    key: Path


def authority(folder: Path, name: str = "authority") -> Pair:
    folder.mkdir(parents=True, exist_ok=True)
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    _openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-days", "30", "-subj", f"/CN={name}", "-keyout", pair.key, "-out", pair.certificate,
    )  # fmt: skip
    return pair


def signed(folder: Path, by: Pair, name: str = "localhost") -> Pair:
    """For localhost, 127.0.0.1 and the name itself, which is the subject, as of a client."""
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
    extensions.write_text(f"subjectAltName=DNS:localhost,DNS:{name},IP:127.0.0.1\n")
    _openssl(
        "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-subj", f"/CN={name}", "-keyout", pair.key, "-out", request,
    )  # fmt: skip
    _openssl(
        "x509", "-req", "-in", request, "-CA", by.certificate, "-CAkey", by.key,
        "-CAcreateserial", "-days", "30", "-extfile", extensions, "-out", pair.certificate,
    )  # fmt: skip
    return pair


def _openssl(*words: object) -> None:
    run = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
