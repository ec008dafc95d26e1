"""Debian's nginx in front of a registry: TLS, client certificates, a body limit. As an own process, in a folder."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fakes.certificates import Pair

DEADLINE = 60


@contextmanager
def before(
    upstream: str,
    folder: Path,
    tls: Pair,
    *,
    client_authority: Path | None = None,
    body_limit: str = "0",
) -> Iterator[int]:
    """The port. nginx inherits its socket, so nobody takes the port and it is ready at once."""
    folder.mkdir(parents=True)
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    clients = (
        f"ssl_client_certificate {client_authority}; ssl_verify_client on;"
        if client_authority
        else ""
    )
    configuration = folder / "nginx.conf"
    configuration.write_text(f"""
        daemon off;
        user root;
        master_process on; worker_processes 1;
        pid {folder}/pid;
        error_log {folder}/error.log;
        events {{ }}
        http {{
          access_log off;
          client_body_temp_path {folder}/body;
          proxy_temp_path {folder}/proxy;
          fastcgi_temp_path {folder}/fastcgi;
          uwsgi_temp_path {folder}/uwsgi;
          scgi_temp_path {folder}/scgi;
          client_max_body_size {body_limit};
          server {{
            listen 127.0.0.1:{port} ssl;
            ssl_certificate {tls.certificate};
            ssl_certificate_key {tls.key};
            {clients}
            location /v2/ {{
              proxy_pass http://{upstream};
              proxy_set_header Host $http_host;
              proxy_set_header X-Forwarded-Proto $scheme;
              proxy_request_buffering off;
            }}
          }}
        }}
    """)
    process = subprocess.Popen(
        ["nginx", "-c", str(configuration), "-p", str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": "/usr/sbin:/usr/bin:/bin", "NGINX": f"{listening.fileno()};"},
        pass_fds=[listening.fileno()],
    )
    listening.close()
    try:
        yield port
    finally:
        process.terminate()
        process.wait(timeout=DEADLINE)
