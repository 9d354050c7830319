"""The check of the network: a server of our own, a closed port, a proxy, a name that is none."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_loop.checks import network
from llm_loop.checks.check import State


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_host_that_answers(port: int) -> None:
    assert network.check_network(f"http://127.0.0.1:{port}/v1").state is State.OK


def test_a_closed_port_and_an_unknown_name() -> None:
    for address in (f"http://127.0.0.1:{closed_port()}/v1", "https://no-such-host.invalid/v1"):
        found = network.check_network(address)
        assert found.state is State.PROBLEM and found.mend


@pytest.mark.parametrize("address", ["", "file:///etc/passwd", "https://", "http://127.0.0.1:99999/"])
def test_what_is_no_address(address: str) -> None:
    assert network.check_network(address).state is State.PROBLEM


def test_a_proxy_is_asked_instead(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", f"http://user:secret@127.0.0.1:{port}")
    found = network.check_network("https://no-such-host.invalid/v1")
    assert found.state is State.OK and "through the proxy 127.0.0.1" in found.what and "secret" not in found.what
    monkeypatch.setenv("no_proxy", "no-such-host.invalid")
    assert network.check_network("https://no-such-host.invalid/v1").state is State.PROBLEM


def test_a_name_server_that_is_silent_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def wait(*arguments: object, **more: object) -> None:
        answered.wait(10)
        raise OSError("answered at last")

    monkeypatch.setattr(network, "_PATIENCE_S", -0.8)  # plus a second
    monkeypatch.setattr(socket, "create_connection", wait)
    began = time.monotonic()
    assert "no answer" in network.check_network("https://slow.invalid").what
    assert time.monotonic() - began < 5
    answered.set()


@pytest.mark.parametrize(
    ("config", "how", "address"),
    [
        ("", "api_key", "https://api.openai.com/v1"),
        ("", "chatgpt", "https://chatgpt.com/backend-api"),
        ('openai_base_url = "https://mine/v1"', "api_key", "https://mine/v1"),
        ('model_provider = "a"\n[model_providers.a]\nbase_url = "http://a:1/v1"', None, "http://a:1/v1"),
        ('model_provider = "b"\n[model_providers.a]\nbase_url = "http://a:1/v1"', None, "https://api.openai.com/v1"),
        ("broken = ", None, "https://api.openai.com/v1"),
    ],
)
def test_the_address_is_that_of_the_login_or_of_the_configuration(
    config: str, how: str | None, address: str, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text(config, encoding="utf-8")
    assert network.service_address(tmp_path, how) == address
