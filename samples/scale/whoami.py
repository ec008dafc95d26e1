"""Answers with its own host name."""

import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Name(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(socket.gethostname().encode())

    def log_message(self, *_words):
        pass


ThreadingHTTPServer(("", 8000), Name).serve_forever()
