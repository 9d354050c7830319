"""Whether the host that Codex calls can be reached: its name is looked up and a connection opened, nothing is sent."""

from __future__ import annotations

import socket
import threading
import tomllib
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from llm_loop.checks.check import Check, ok, problem

_PATIENCE_S = 5.0
_BY_KEY, _BY_ACCOUNT = "https://api.openai.com/v1", "https://chatgpt.com/backend-api"


def service_address(home: Path, how: str | None) -> str:
    """Return the address that Codex calls: that of config.toml in its home, else the one for its kind of login."""
    try:
        config = tomllib.loads((home / "config.toml").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        config = {}
    providers, name = _table(config.get("model_providers")), config.get("model_provider")
    own = _table(providers.get(name)).get("base_url") if isinstance(name, str) else None
    address = own or config.get("openai_base_url")
    return address if isinstance(address, str) else _BY_ACCOUNT if how == "chatgpt" else _BY_KEY


def check_network(address: str) -> Check:
    """Open a connection to the host of ``address``, or to the proxy on the way to it; at most about 6 s."""
    target = urlsplit(address)
    if target.scheme not in ("http", "https") or not target.hostname:
        return problem("network", f"{address!r} is no web address", "mend base_url in .llm_loop/codex_home/config.toml")
    place, via = target, ""
    if (proxy := _proxy(target)) is not None:
        place, via = proxy, f" through the proxy {proxy.hostname}"
    error = _connect(place)
    if error is None:
        return ok("network", f"{target.hostname} can be reached{via}; nothing was sent")
    mend = "see to the network, the firewall or the proxy settings; the built-in planner decides meanwhile"
    return problem("network", f"{target.netloc.rpartition('@')[2]} cannot be reached{via}: {error}", mend)


def _proxy(target: SplitResult) -> SplitResult | None:
    proxy = urllib.request.getproxies_environment().get(target.scheme)
    if not proxy or urllib.request.proxy_bypass(target.hostname or ""):
        return None
    found = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return found if found.hostname else None


def _connect(place: SplitResult) -> str | None:
    """Return why there is no connection, None when there is one; looking up a name has no deadline of its own."""
    outcome: list[str | None] = []

    def work() -> None:
        try:
            port = place.port or (443 if place.scheme == "https" else 80)
            socket.create_connection((place.hostname or "", port), timeout=_PATIENCE_S).close()
        except (OSError, ValueError) as error:
            outcome.append(str(getattr(error, "strerror", None) or error))
        else:
            outcome.append(None)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(_PATIENCE_S + 1.0)
    return outcome[0] if outcome else f"no answer within {_PATIENCE_S + 1.0:g} s"


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
