"""A server in a thread of this process whose every answer is a function written in the test."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Seen:
    """A request as the server saw it; `headers` with lower-case names."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Reply:
    """What the server says to it."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Rules = Callable[[Seen], Reply]


class PickyServer:
    """`with PickyServer(rules) as server: server.url`; `models` is what a GET is answered with."""

    def __init__(self, rules: Rules, models: Callable[[Seen], Reply] | None = None) -> None:
        self.rules = rules
        self.models = models or (lambda seen: Reply(b"{}", 404))
        self.seen: list[Seen] = []

    def __enter__(self) -> PickyServer:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._reply(outer.models(self._request(b"{}")))

            def do_POST(self) -> None:
                seen = self._request(self.rfile.read(int(self.headers["content-length"])))
                outer.seen.append(seen)
                self._reply(outer.rules(seen))

            def _request(self, body: bytes) -> Seen:
                headers = {name.lower(): value for name, value in self.headers.items()}
                return Seen(self.path, headers, json.loads(body))

            def _reply(self, reply: Reply) -> None:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if "content-length" not in reply.headers:
                    self.send_header("content-length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def completion(text: str = "four", **fields: Any) -> bytes:
    """A whole answer in the protocol's form; `fields` stand beside or in the place of its own."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    return json.dumps({"model": "fake", "choices": [choice], "usage": usage, **fields}).encode()


def complaint(message: str, status: int = 400) -> Reply:
    """An error in the protocol's form."""
    return Reply(json.dumps({"error": {"message": message}}).encode(), status)
