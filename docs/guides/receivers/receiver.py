"""A receiver that verifies X-Signature and drops repetitions. Python's standard library only."""

import hashlib
import hmac
import json
import os
import sqlite3
from http.server import BaseHTTPRequestHandler, HTTPServer

SECRET = os.environ["TRAY_SHARED_SECRET"].encode()
DATABASE = sqlite3.connect(os.environ.get("SEEN_FILE", "seen.sqlite3"))
DATABASE.execute("CREATE TABLE IF NOT EXISTS seen (key TEXT PRIMARY KEY, at TEXT DEFAULT CURRENT_TIMESTAMP)")


def handle(event: dict) -> None:
    print("event", event["type"], flush=True)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        expected = hmac.new(SECRET, body, hashlib.sha1).hexdigest()  # of the bytes, before they are parsed
        if not hmac.compare_digest(expected, self.headers.get("X-Signature", "")):
            return self.answer(401)
        with DATABASE:  # the key and the work are one transaction: a crash between them repeats the event
            key = self.headers["Idempotency-Key"]
            new = DATABASE.execute("INSERT OR IGNORE INTO seen (key) VALUES (?)", (key,)).rowcount
            if new:
                handle(json.loads(body))
        return self.answer(200)

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


HTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8080"))), Receiver).serve_forever()
