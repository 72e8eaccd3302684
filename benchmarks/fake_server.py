"""A fake OpenAI-compatible chat server with scripted faults, for tests and benchmarks.

    python benchmarks/fake_server.py [--port 0] [--host 127.0.0.1] [--latency-ms 50] [--model fake] [--text TEXT]

Prints `listening PORT` and serves until it is ended. It speaks bare HTTP/1.1 over an asyncio protocol, so that a
client measured against it is limited by the client. Answers are a function of the request alone (prompt, seed),
so two runs can be compared.

    GET  /v1/models                the model it serves
    POST /v1/chat/completions      an answer, or the fault that the script prescribes
    GET  /stats                    counters as JSON; GET /reset zeroes them
    POST /script                   JSON, replaces the script; {} clears it

A script:

    {"rules": [{"match": "regex over the last user message", "times": 2, "fault": "500"},
               {"after": 100, "fault": "503"}],
     "answer_as": "other-model",   the `model` field of answers
     "answer_as_after": 50,        after so many answers
     "lists": "other-model",       what /models lists, a name or an entry; null makes it 404
     "latency_ms": 50,
     "latency_ms_per_character": 0.5,  of the prompt, besides
     "slots": 32}                  requests worked on at once; more wait their turn

Rules are tried in order; a rule without `match` fits every request; `after` lets so many answers pass first; `times`
limits how often it applies to each different prompt (absent: always). Faults:

    500 502 503 429 400 401 403 404   that status; `retry_after` (seconds or a date) adds the header
    empty       200 with an empty text            length    200 with finish_reason `length`
    refusal     200 with a `refusal`              filter    200 with finish_reason `content_filter`
    malformed   200 with JSON cut off             html      200 with a web page
    huge        200 with an endless body          reset     the connection is closed without an answer
    hang        no answer at all                  drip      the answer at one byte a second
    text        200 with the rule's own `text`, and the fields of its `message` beside it
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import re
import resource
import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

DEFAULT_TEXT = "A plain answer that stands for what a model writes, of about the usual length. " * 9
_STATUS = {"500", "502", "503", "429", "400", "401", "403", "404"}


class FakeServer:
    """The server's state: script and counters. `stats` holds what the server saw, the only honest witness."""

    def __init__(self, *, latency_s: float = 0.05, model: str = "fake", text: str = DEFAULT_TEXT) -> None:
        self.latency_s = latency_s
        self.model = model
        self.text = text
        self.script: dict[str, Any] = {}
        self.latency_s_per_character = 0.0
        self.slots = 0
        self.working = 0
        self.waiting: deque[Callable[[], None]] = deque()
        self.port = 0
        self.open: set[asyncio.Transport] = set()
        self.reset()

    def reset(self) -> None:
        self.stats = {"chat": 0, "other": 0, "in_flight": 0, "max_in_flight": 0, "connections": 0}
        self.stats |= {"faulted": 0, "answered": 0}
        self.last_request: dict[str, Any] = {}
        self.last_headers: dict[str, str] = {}
        self.prompts: Counter[str] = Counter()
        """How often each request came, by its messages and seed."""
        self._applied: Counter[tuple[int, str]] = Counter()

    def use(self, script: dict[str, Any]) -> None:
        """Replace the script."""
        self.script = script
        self._applied.clear()
        if "latency_ms" in script:
            self.latency_s = float(script["latency_ms"]) / 1000
        self.latency_s_per_character = float(script.get("latency_ms_per_character", 0)) / 1000
        self.slots = int(script.get("slots", 0))

    def work(self, seconds: float, done: Callable[[], None]) -> None:
        """Call `done` when a request has been worked on for so long, from when there is a place for it."""
        if self.slots and self.working >= self.slots:
            self.waiting.append(lambda: self.work(seconds, done))
            return
        self.working += 1
        asyncio.get_running_loop().call_later(seconds, self._worked, done)

    def _worked(self, done: Callable[[], None]) -> None:
        self.working -= 1
        done()
        if self.waiting:
            self.waiting.popleft()()

    def rule_for(self, prompt: str) -> dict[str, Any] | None:
        """The first rule that fits a request, and counts its use."""
        for number, rule in enumerate(self.script.get("rules", ())):
            if rule.get("match") is not None and not re.search(rule["match"], prompt):
                continue
            if self.stats["answered"] < int(rule.get("after", 0)):
                continue
            applied = (number, prompt)
            if rule.get("times") is not None and self._applied[applied] >= int(rule["times"]):
                continue
            self._applied[applied] += 1
            return dict(rule)
        return None

    def completion(self, request: dict[str, Any], text: str, finish: str = "stop", **message: Any) -> bytes:
        served_as = request.get("model", self.model)
        if self.stats["answered"] > int(self.script.get("answer_as_after", 0)):
            served_as = self.script.get("answer_as", served_as)
        body = {
            "id": "fake",
            "object": "chat.completion",
            "model": served_as,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text, **message},
                    "finish_reason": finish,
                }
            ],
            "usage": {"prompt_tokens": 32, "completion_tokens": len(text) // 5},
        }
        return json.dumps(body).encode()

    def text_for(self, request: dict[str, Any]) -> str:
        """The answer's text: the same for the same prompt and seed, and different for another seed."""
        if request.get("response_format"):
            return json.dumps({"answer": self.text})
        prompt = request["messages"][-1]["content"]
        mark = hashlib.blake2b(
            f"{prompt}|{request.get('seed')}".encode("utf-8", "replace"), digest_size=6
        ).hexdigest()
        return f"{self.text}[{mark}]"

    def state(self) -> dict[str, Any]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            **self.stats,
            "distinct": len(self.prompts),
            "most_for_one": max(self.prompts.values(), default=0),
            "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
        }


class _Connection(asyncio.Protocol):
    """One client connection: parses requests, answers them in order."""

    def __init__(self, server: FakeServer) -> None:
        self.server = server
        self.buffer = b""
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.server.stats["connections"] += 1
        self.server.open.add(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.open.discard(self.transport)
        if self.busy:  # a client that gives up waiting has nothing in flight any more
            self.server.stats["in_flight"] -= 1
            self.busy = False

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end]
            found = re.search(rb"(?i)content-length: *(\d+)", head)
            length = int(found[1]) if found else 0
            if len(self.buffer) < end + 4 + length:
                return
            payload = self.buffer[end + 4 : end + 4 + length]
            self.buffer = self.buffer[end + 4 + length :]
            lines = head.decode("latin1").split("\r\n")[1:] if b"/chat/" in head[:64] else ()
            self.server.last_headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
            method, path, _ = head.split(b"\r\n", 1)[0].decode("latin1").split(" ", 2)
            self._route(method, path, payload)

    def _route(self, method: str, path: str, payload: bytes) -> None:
        server = self.server
        if path.endswith("/chat/completions"):
            self._chat(json.loads(payload))
        elif path.endswith("/models"):
            server.stats["other"] += 1
            listed = server.script.get("lists", server.model)
            if listed is None:
                self._send(b'{"error":{"message":"no such path"}}', 404)
            else:
                entry = listed if isinstance(listed, dict) else {"id": listed}
                self._send(json.dumps({"data": [entry]}).encode())
        elif path == "/health":
            self._send(b"")
        elif path == "/stats":
            self._send(json.dumps(server.state()).encode())
        elif path == "/reset":
            server.reset()
            self._send(b"{}")
        elif path == "/script" and method == "POST":
            server.use(json.loads(payload or b"{}"))
            self._send(b"{}")
        else:
            self._send(b'{"error":{"message":"no such path"}}', 404)

    def _chat(self, request: dict[str, Any]) -> None:
        server, stats = self.server, self.server.stats
        stats["chat"] += 1
        stats["in_flight"] += 1
        stats["max_in_flight"] = max(stats["max_in_flight"], stats["in_flight"])
        self.busy = True
        prompt = str(request["messages"][-1]["content"])
        server.last_request = request
        server.prompts[f"{request.get('seed')}|{prompt}"] += 1
        rule = server.rule_for(prompt)
        if rule is not None and rule.get("fault") == "hang":
            stats["faulted"] += 1
            return
        latency_s = server.latency_s + server.latency_s_per_character * len(prompt)
        server.work(latency_s, lambda: self._answer(request, rule))

    def _answer(self, request: dict[str, Any], rule: dict[str, Any] | None) -> None:
        server, stats = self.server, self.server.stats
        if not self.busy:
            return
        self.busy = False
        stats["in_flight"] -= 1
        if rule is None:
            stats["answered"] += 1
            self._send(server.completion(request, server.text_for(request)))
            return
        fault = str(rule["fault"])
        if fault == "text":
            stats["answered"] += 1
            self._send(server.completion(request, rule["text"], **rule.get("message", {})))
            return
        stats["faulted"] += 1
        if fault in _STATUS:
            extra = f"retry-after: {rule['retry_after']}\r\n" if "retry_after" in rule else ""
            error = {"message": rule.get("message", "injected fault"), "code": fault}
            self._send(json.dumps({"error": error}).encode(), int(fault), extra)
        elif fault == "empty":
            self._send(server.completion(request, ""))
        elif fault == "length":
            self._send(server.completion(request, server.text_for(request)[:40], "length"))
        elif fault == "refusal":
            self._send(server.completion(request, "", "stop", refusal="I cannot help with that."))
        elif fault == "filter":
            self._send(server.completion(request, "", "content_filter"))
        elif fault == "malformed":
            self._send(server.completion(request, "x")[:40])
        elif fault == "html":
            self._send(b"<html><body>gateway</body></html>")
        elif fault == "huge":
            self._huge()
        elif fault == "reset":
            self.transport.abort()
        elif fault == "drip":
            self._drip(server.completion(request, server.text_for(request)))
        else:
            raise ValueError(f"no fault {fault!r}")

    def _send(self, body: bytes, status: int = 200, extra: str = "") -> None:
        if not self.transport.is_closing():
            head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{extra}"
            self.transport.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)

    def _huge(self) -> None:
        self.transport.write(b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n")
        chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"

        def more() -> None:
            if not self.transport.is_closing():
                if self.transport.get_write_buffer_size() < 1 << 22:
                    self.transport.write(chunk)
                asyncio.get_running_loop().call_later(0.001, more)

        more()

    def _drip(self, body: bytes) -> None:
        self.transport.write(f"HTTP/1.1 200 X\r\ncontent-length: {len(body)}\r\n\r\n".encode())

        def more(at: int) -> None:
            if not self.transport.is_closing() and at < len(body):
                self.transport.write(body[at : at + 1])
                asyncio.get_running_loop().call_later(1.0, more, at + 1)

        more(0)


async def serve(server: FakeServer, port: int = 0, host: str = "127.0.0.1") -> asyncio.Server:
    """Start listening; `server.port` is the port."""
    listening = await asyncio.get_running_loop().create_server(
        lambda: _Connection(server), host, port, backlog=4096
    )
    server.port = listening.sockets[0].getsockname()[1]
    return listening


class ThreadedServer:
    """The server in a thread of this process, for tests: `with ThreadedServer() as server: server.url`."""

    def __init__(self, **options: Any) -> None:
        self.fake = FakeServer(**{"latency_s": 0.002, **options})
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.fake.port}/v1"

    def __enter__(self) -> ThreadedServer:
        self._thread.start()
        self._listening = asyncio.run_coroutine_threadsafe(serve(self.fake), self._loop).result()
        return self

    def kill(self) -> None:
        """Nobody listens any more, and every connection is cut; the counters stay."""

        async def on_the_loop() -> None:
            self.cut()

        asyncio.run_coroutine_threadsafe(on_the_loop(), self._loop).result()

    def cut(self) -> None:
        """`kill`, from the server's own thread."""
        self._listening.close()
        for transport in list(self.fake.open):
            transport.abort()

    def listen_again(self) -> None:
        """Serve on the same port as before."""
        self._listening = asyncio.run_coroutine_threadsafe(
            serve(self.fake, self.fake.port), self._loop
        ).result()

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._listening.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _main(arguments: argparse.Namespace) -> None:
    fake = FakeServer(
        latency_s=arguments.latency_ms / 1000, model=arguments.model, text=arguments.text or DEFAULT_TEXT
    )
    listening = await serve(fake, arguments.port, arguments.host)
    print(f"listening {fake.port} pid {os.getpid()}", flush=True)
    await listening.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--latency-ms", type=float, default=50.0)
    parser.add_argument("--model", default="fake")
    parser.add_argument("--text", default="")
    asyncio.run(_main(parser.parse_args()))
