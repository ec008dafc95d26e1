"""The shop's API: items from PostgreSQL, visits counted in Redis."""

import json
import os
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import redis
import shop

cache = redis.Redis(os.environ["REDIS"])


class Api(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/health":
            return self.answer({"healthy": True})
        with shop.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT name, price FROM item ORDER BY price")
            items = dict(cursor.fetchall())
        self.answer({"items": items, "visits": cache.incr("visits"), "served_by": socket.gethostname()})

    def answer(self, value):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(value).encode() + b"\n")

    def log_message(self, *_words):
        pass


print("the shop is open")
ThreadingHTTPServer(("", 8000), Api).serve_forever()
