"""Counts its visitors in a file on the volume, and tells nobody the password but its length."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

VISITS = Path("/data/visits")
PASSWORD = Path("/run/secrets/password").read_text().strip()


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/health":
            return self.answer("healthy\n")
        visits = int(VISITS.read_text()) + 1 if VISITS.exists() else 1
        VISITS.write_text(str(visits))
        print(f"visit {visits}")
        self.answer(
            f"{os.environ['GREETING']}!\nYou are visitor {visits}."
            f" The secret has {len(PASSWORD)} letters.\n"
        )

    def answer(self, text):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_words):
        pass


print("listening: http://localhost:8080")
ThreadingHTTPServer(("", 8000), Page).serve_forever()
