"""A model that needs no account: it serves a fixed list of tool calls on loopback, in the form that Codex asks for.

With it the real Codex client can be made to do something, so that one sees what its sandbox lets through.
Nothing leaves the machine. The form is that of the streamed Responses API, as Codex 0.163 to 0.169 speak it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

_USE = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}


def patch(text: str) -> dict[str, Any]:
    """Return the tool call that lets Codex apply a patch."""
    return {"type": "custom_tool_call", "name": "apply_patch", "input": text, "status": "completed"}


def command(text: str, patience_ms: int = 10_000) -> dict[str, Any]:
    """Return the tool call that lets Codex run a command line in its shell and wait for it, at most ``patience_ms``."""
    arguments = json.dumps({"cmd": text, "yield_time_ms": patience_ms})
    return {"type": "function_call", "name": "exec_command", "arguments": arguments, "status": "completed"}


def _message(text: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "role": "assistant", "status": "completed", "content": content}


class ScriptedModel:
    """Answer each request with the next tool call of ``script``, then with the message ``done``, within a ``with``."""

    def __init__(self, script: Sequence[dict[str, Any]]) -> None:
        self._script = [*script, _message("done")]
        self._received: list[str] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def base_url(self) -> str:
        """The address for ``model_providers.NAME.base_url``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def received(self) -> tuple[str, ...]:
        """The requests so far, as JSON text; each holds what the tools answered before it."""
        with self._lock:
            return tuple(self._received)

    def tool_answers(self) -> dict[int, str]:
        """Return what the client's tools answered: the text of each call of the script, by its place in it."""
        received = self.received
        items = _items(received[-1]) if received else []
        said = {item.get("call_id"): _plain(item.get("output")) for item in items if "output" in item}
        return {place: said[f"call_{place}"] for place in range(len(self._script)) if f"call_{place}" in said}

    def answer(self, request: str) -> bytes:
        """Take note of a request and return the stream of events that answers it."""
        with self._lock:
            place = len(self._received)
            self._received.append(request)
        item = self._script[min(place, len(self._script) - 1)] | {"id": f"item_{place}"}
        if item["type"] != "message":
            item["call_id"] = f"call_{place}"
        response = {"id": f"response_{place}", "status": "completed", "output": [item], "usage": _USE}
        events: list[dict[str, Any]] = [
            {"type": "response.created", "response": {"id": response["id"], "status": "in_progress"}},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": response},
        ]
        return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()


def _items(request: str) -> list[dict[str, Any]]:
    """Return the items of a request's history."""
    try:
        history = json.loads(request)["input"]
    except (ValueError, KeyError, TypeError):
        return []
    return [item for item in history if isinstance(item, dict)] if isinstance(history, list) else []


def _plain(output: Any) -> str:
    """Return a tool's output as text; some clients send it as a list of parts."""
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)


def _handler(model: ScriptedModel) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            self._send("text/event-stream", model.answer(body.decode("utf-8", "replace")))

        def do_GET(self) -> None:
            self._send("application/json", b'{"object": "list", "data": [], "models": []}')

        def _send(self, content_type: str, data: bytes) -> None:
            self.send_response(200)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *arguments: Any) -> None:
            return

    return Handler
