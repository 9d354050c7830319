"""A model that reads its lines from a script: the streaming Responses API on loopback, standard library only.

    python tests/fakes/responses_server.py SCRIPT.json [--port 0] [--counts COUNTS.json]

prints ``PORT <n>`` when it listens. In a test: ``with ResponsesServer([answer({...})]) as server: server.base_url``.

Each request for a response takes the next entry of the script, the last one for ever after. Instead of a list a
function may be given: it is called with the request's body and its number from 0, and returns the entry. Entries
(functions of this module build them):

    {"output": [PART, ...]}            a whole response; PART is {"text": TEXT}, {"function": NAME, "arguments": {...}}
                                       (with "namespace" for an MCP tool) or {"freeform": NAME, "input": TEXT}
    {"status": 429}                    an HTTP error; "body" (JSON or text) and "headers" are sent along
    {"failed": CODE, "message": TEXT}  response.failed
    {"incomplete": REASON}             response.incomplete
    {"silent": PLACE}                  says nothing more: before_headers, after_headers, after_created, after_delta
    {"cut": PLACE}                     cuts the connection there
    {"pings": true}                    comments only, for ever
    {"drip": SECONDS}                  a word every SECONDS, for ever

``usage`` may be added to a whole response, ``delay`` (seconds before the headers) to any entry. The server counts
the requests for a response (``asked``) and the tokens of the responses that it ended (``tokens``).
"""

from __future__ import annotations

import argparse
import json
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Entry = dict[str, Any]
Script = list[Entry] | Callable[[dict[str, Any], int], Entry]
USAGE = {"input": 100, "cached_input": 20, "output": 30, "reasoning_output": 10}


def answer(value: Any, **more: Any) -> Entry:
    """The final message: a text as it is, anything else as JSON."""
    return {"output": [{"text": value if isinstance(value, str) else json.dumps(value)}], **more}


def function(name: str, arguments: dict[str, Any], **more: Any) -> Entry:
    """A call of one of the client's function tools."""
    return {"output": [{"function": name, "arguments": arguments, **more}]}


def freeform(name: str, text: str) -> Entry:
    """A call of one of the client's tools that take plain text."""
    return {"output": [{"freeform": name, "input": text}]}


def shell(command: str) -> Entry:
    return function("exec_command", {"cmd": command})


def patch(text: str) -> Entry:
    """A call of apply_patch; ``text`` is what stands between its first and last line."""
    return freeform("apply_patch", f"*** Begin Patch\n{text.strip()}\n*** End Patch\n")


def status(number: int, message: str = "scripted", headers: dict[str, str] | None = None, **error: Any) -> Entry:
    """An HTTP error; ``error`` are further fields of its body, such as type and code."""
    return {"status": number, "body": {"error": {"message": message, **error}}, "headers": headers or {}}


def client_config(base_url: str, **provider: Any) -> str:
    """Return a config.toml that leads a Codex client to an address, with few and short retries."""
    keys = {"request_max_retries": 1, "stream_max_retries": 1, "stream_idle_timeout_ms": 2000} | provider
    lines = ['model = "gpt-5.5"', 'model_provider = "scripted"', "[model_providers.scripted]", 'name = "scripted"']
    lines += [f'base_url = "{base_url}"', 'wire_api = "responses"', "requires_openai_auth = false"]
    return "\n".join(lines + [f"{name} = {json.dumps(value)}" for name, value in keys.items()]) + "\n"


class ResponsesServer:
    """Serve a script from a thread of its own until the ``with`` block ends."""

    def __init__(self, script: Script, port: int = 0, counts: Path | None = None) -> None:
        self.asked = 0
        self.tokens = dict.fromkeys(USAGE, 0)
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.stopped = threading.Event()
        self._script = script
        self._counts = counts
        self._lock = threading.Lock()
        self._http = _Server(("127.0.0.1", port), _Handler)
        self._http.model = self
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.port = int(self._http.server_address[1])
        self.base_url = f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def config(self, **provider: Any) -> str:
        """Return the config.toml that leads a Codex client here."""
        return client_config(self.base_url, **provider)

    def prompts(self) -> list[str]:
        """Return what each request held as its latest text of the user."""
        return [_last_text(body) for body in self.bodies]

    def next_entry(self, body: dict[str, Any], headers: dict[str, str]) -> Entry:
        with self._lock:
            number = self.asked
            self.asked += 1
            self.bodies.append(body)
            self.headers.append(headers)
            self._write_counts()
        if callable(self._script):
            return self._script(body, number)
        return self._script[min(number, len(self._script) - 1)]

    def count_tokens(self, usage: dict[str, int]) -> None:
        with self._lock:
            for name, value in usage.items():
                self.tokens[name] += value
            self._write_counts()

    def _write_counts(self) -> None:
        if self._counts is not None:
            self._counts.write_text(json.dumps({"asked": self.asked, "tokens": self.tokens}), encoding="utf-8")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    model: ResponsesServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients are killed in the middle of a word here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *words: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        if self.headers.get("upgrade"):  # the built-in provider tries a web socket first; 426 sends it to HTTP at once
            self._plain(426, {"error": {"message": "HTTP only"}}, {})
        elif self.path.partition("?")[0].endswith("/models"):
            self._plain(200, {"object": "list", "data": [], "models": []}, {})
        else:
            self._plain(404, {"error": {"message": "not here"}}, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)))
        if not self.path.partition("?")[0].endswith("/responses"):
            self._plain(404, {"error": {"message": f"not here: {self.path}"}}, {})
            return
        entry = self.server.model.next_entry(body, dict(self.headers))
        self.server.model.stopped.wait(entry.get("delay", 0))
        try:
            self._play(entry)
        except OSError:
            self.close_connection = True

    def _play(self, entry: Entry) -> None:
        self._sequence = 0
        if "status" in entry:
            self._plain(entry["status"], entry.get("body", {}), entry.get("headers", {}))
        elif "silent" in entry or "cut" in entry:
            self._begin(entry.get("silent") or entry["cut"])
            if "silent" in entry:
                self.server.model.stopped.wait()
            self._hang_up()
        elif "pings" in entry or "drip" in entry:
            self._begin("after_delta" if "drip" in entry else "after_created")
            while not self.server.model.stopped.wait(entry.get("drip", 0.5)):
                self._delta("word ") if "drip" in entry else self._chunk(": ping\n\n")
            self._hang_up()
        else:
            self._begin("after_created")
            self._end(entry)
            self._chunk("")

    def _end(self, entry: Entry) -> None:
        usage = {**USAGE, **entry.get("usage", {})}
        if "failed" in entry:
            error = {"code": entry["failed"], "message": entry.get("message", "scripted")}
            self._event("response.failed", response={"id": "r", "status": "failed", "error": error})
            return
        self.server.model.count_tokens(usage)
        if "incomplete" in entry:
            details = {"reason": entry["incomplete"]}
            response = {"id": "r", "status": "incomplete", "incomplete_details": details, "usage": _usage(usage)}
            self._event("response.incomplete", response=response)
            return
        items = [_item(part, f"{self.server.model.asked}_{index}") for index, part in enumerate(entry["output"])]
        for index, item in enumerate(items):
            self._event("response.output_item.done", output_index=index, item=item)
        response = {"id": "r", "status": "completed", "output": items, "usage": _usage(usage)}
        self._event("response.completed", response=response)

    def _begin(self, place: str) -> None:
        """Send what comes before ``place``."""
        if place == "before_headers":
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        if place == "after_headers":
            self.wfile.flush()
            return
        self._event("response.created", response={"id": "r", "status": "in_progress"})
        if place == "after_delta":
            item = {"type": "message", "id": "m", "role": "assistant", "content": []}
            self._event("response.output_item.added", output_index=0, item=item)
            self._delta("half an ans")

    def _delta(self, text: str) -> None:
        self._event("response.output_text.delta", item_id="m", output_index=0, content_index=0, delta=text)

    def _event(self, kind: str, **fields: Any) -> None:
        value = {"type": kind, "sequence_number": self._sequence, **fields}
        self._sequence += 1
        self._chunk(f"event: {kind}\ndata: {json.dumps(value)}\n\n")

    def _chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _hang_up(self) -> None:
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def _plain(self, code: int, body: Any, headers: dict[str, str]) -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(code)
        for name, value in {"content-type": "application/json", "content-length": str(len(data)), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(data)


def _item(part: dict[str, Any], name: str) -> dict[str, Any]:
    if "text" in part:
        content = [{"type": "output_text", "text": part["text"], "annotations": []}]
        return {"type": "message", "id": f"m{name}", "role": "assistant", "status": "completed", "content": content}
    call = {"id": f"c{name}", "call_id": f"call{name}", "status": "completed"}
    if "freeform" in part:
        return {"type": "custom_tool_call", **call, "name": part["freeform"], "input": part["input"]}
    space = {"namespace": part["namespace"]} if "namespace" in part else {}
    arguments = json.dumps(part["arguments"])
    return {"type": "function_call", **call, "name": part["function"], "arguments": arguments, **space}


def _usage(usage: dict[str, int]) -> dict[str, Any]:
    return {
        "input_tokens": usage["input"],
        "input_tokens_details": {"cached_tokens": usage["cached_input"]},
        "output_tokens": usage["output"],
        "output_tokens_details": {"reasoning_tokens": usage["reasoning_output"]},
        "total_tokens": usage["input"] + usage["output"],
    }


def _last_text(body: dict[str, Any]) -> str:
    for item in reversed(body.get("input", [])):
        if item.get("type") == "message" and item.get("role") == "user":
            return "".join(str(part.get("text", "")) for part in item["content"])
    return ""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("script", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--counts", type=Path)
    arguments = parser.parse_args()
    script = json.loads(arguments.script.read_text(encoding="utf-8"))
    with ResponsesServer(script, arguments.port, arguments.counts) as server:
        print("PORT", server.port, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
