"""Telling by an address, with the real library and a real server; no word of the address comes back, whatever fails."""

from __future__ import annotations

import logging
import socket
import sys
import threading

import pytest

pytest.importorskip("apprise", reason="the extra `notify` is not installed")

from llm_loop.notification.address import LATE, REFUSED, UNKNOWN, tell_address
from llm_loop.notification.message import Message
from llm_loop.system.clock import SystemClock
from tests.notification.listener import listening

SECRET = "s3cr3t-t0ken"
MESSAGE = Message(id="H7", title="a person is needed", body="<b>why</b>\nfree some", workspace="/w", reason={})


def tell(url: str, seconds: float = 15.0) -> str | None:
    return tell_address(url, MESSAGE, SystemClock().monotonic() + seconds)


def test_the_message_arrives_as_it_is() -> None:
    with listening() as server:
        assert tell(server.url(SECRET)) is None
    (one,) = server.heard
    assert (one["title"], one["message"], one["type"]) == ("a person is needed", "<b>why</b>\nfree some", "failure")


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_service_that_refuses_is_told_by_its_status_alone(status: int, capfd: pytest.CaptureFixture[str]) -> None:
    with listening() as server:
        server.status = status
        assert tell(server.url(SECRET)) == f"{REFUSED} (status {status})"
    assert SECRET not in "".join(capfd.readouterr())


def test_nobody_there_is_no_connection() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert tell(f"json://127.0.0.1:{port}/{SECRET}") == "no connection"


@pytest.mark.parametrize("url", [f"nosuch://{SECRET}", SECRET, "://", "json://", "\0"])
def test_what_is_no_address_is_said_without_it(url: str) -> None:
    assert tell(url) == UNKNOWN


def test_a_service_that_hangs_is_left_behind() -> None:
    with listening() as server:
        server.hangs = threading.Event()
        assert tell(server.url(SECRET), seconds=0.6) == LATE


def test_a_service_that_breaks_in_its_own_way_is_named_by_the_kind_of_its_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def breaks(self: object, **fields: object) -> None:
        raise RuntimeError(f"no such bot {SECRET}")

    apprise = sys.modules.get("apprise") or pytest.importorskip("apprise")
    monkeypatch.setattr(apprise.Apprise, "notify", breaks)
    before = list(logging.getLogger().handlers)
    assert tell(f"json://127.0.0.1/{SECRET}") == f"{REFUSED} (RuntimeError)"
    assert logging.getLogger().handlers == before
