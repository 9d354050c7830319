"""Tell by an address of the library apprise, which is an extra; the only module that knows it."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import threading
import warnings
from collections.abc import Iterator

from llm_loop.notification.message import Message
from llm_loop.system.clock import SystemClock

_STATUS = re.compile(r"\berror\s?=\s?(\d{3})\b")
_NO_CONNECTION = re.compile(r"\bconnection error\b", re.IGNORECASE)
UNKNOWN = "the library does not know this kind of address"
REFUSED = "the message was not taken"
LATE = "it took too long"


class _Listener(logging.Handler):
    """Take two things only from what the library logs, which may hold the address: a status, that nobody was there.

    As the root's one handler it keeps everything else from standard error.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heard: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if (status := _STATUS.search(text)) is not None:
            self.heard = f"{REFUSED} (status {status[1]})"
        elif self.heard is None and _NO_CONNECTION.search(text):
            self.heard = "no connection"


def tell_address(url: str, message: Message, until_s: float) -> str | None:
    """Send the message to one address; return None when it was taken, else why not, without a word of the address.

    The library knows no deadline of its own: one that hangs is left behind at ``until_s`` (seconds awake).
    """
    why: list[str | None] = []
    sending = threading.Thread(target=lambda: why.append(_send(url, message)), daemon=True)
    sending.start()
    sending.join(max(0.0, until_s - SystemClock().monotonic()))
    return why[0] if why else LATE


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Let nobody hear what is printed or warned of meanwhile: it may hold the address."""
    nowhere = io.StringIO()
    with contextlib.redirect_stderr(nowhere), contextlib.redirect_stdout(nowhere), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _send(url: str, message: Message) -> str | None:
    listener = _Listener()
    root = logging.getLogger()
    root.addHandler(listener)
    try:
        with _silence():
            import apprise  # an extra: only who sets an address needs it

            service = apprise.Apprise()
            if not service.add(url):
                return UNKNOWN
            sent = service.notify(
                title=message.title,
                body=message.body,
                notify_type=apprise.NotifyType.FAILURE,
                body_format=apprise.NotifyFormat.TEXT,
            )
    except Exception as error:  # noqa: BLE001 - other people's services fail in any way
        return f"{REFUSED} ({type(error).__name__})"
    finally:
        root.removeHandler(listener)
    return None if sent else listener.heard or REFUSED
