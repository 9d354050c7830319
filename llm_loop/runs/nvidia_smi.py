"""Ask `nvidia-smi` for the cards of this machine, in a child: ``python -X utf8 -m llm_loop.runs.nvidia_smi FOLDER``.

A driver in trouble keeps `nvidia-smi` waiting for minutes, so the daemon never runs it. The child reads
``FOLDER/request.json``, ``{"command": [argv...], "deadline_s": number}``, and writes ``FOLDER/answer.json``,
``{"cards": [...] or null, "why": null or a sentence}``: cards is null when nothing that can be used was said. Exit
code 0 in both cases; 1, and a line on stderr, for a request that is none or a disk that does not write.
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llm_loop.errors import CommandError, ContractError
from llm_loop.runs.devices import Card
from llm_loop.system.clock import SystemClock
from llm_loop.system.held_child import ChildEnd, ChildEnding, ChildLimits, hold
from llm_loop.system.job_child import answer_job

QUERY = (
    "--query-gpu=index,uuid,name,memory.total,memory.used,utilization.gpu",
    "--format=csv,noheader,nounits",
)
_NAME = "nvidia-smi.exe" if os.name == "nt" else "nvidia-smi"
_MOST_BYTES = 100_000
_MOST_CARDS = 256
_MIB = 1024 * 1024
_UUID = re.compile(r"[A-Za-z]+-[0-9A-Za-z-]{4,80}")


def find_nvidia_smi(environment: Mapping[str, str]) -> Path | None:
    """Return the path of `nvidia-smi`: where Windows drivers put it, else on PATH; None when it is not there."""
    folders = []
    if os.name == "nt":
        windows, programs = environment.get("SYSTEMROOT"), environment.get("PROGRAMFILES")
        folders += [Path(windows) / "System32"] if windows else []
        folders += [Path(programs) / "NVIDIA Corporation" / "NVSMI"] if programs else []
    folders += [Path(entry) for entry in environment.get("PATH", os.defpath).split(os.pathsep) if entry]
    places = (folder / _NAME for folder in folders if folder.is_absolute())
    return next((place for place in places if place.is_file() and os.access(place, os.X_OK)), None)


def read_cards(text: str) -> tuple[Card, ...]:
    """Return the cards of an answer to QUERY; lines that are none are passed over.

    A number that cannot be is not known: less than nothing, more used than there is, or words such as ``[N/A]``.
    """
    cards: dict[str, Card] = {}
    for line in text.splitlines():
        card = _card_of(line)
        if card is not None and len(cards) < _MOST_CARDS and all(card.index != other.index for other in cards.values()):
            cards.setdefault(card.uuid, card)
    return tuple(cards.values())


def ask(command: Sequence[str], folder: Path, deadline_s: float) -> tuple[tuple[Card, ...] | None, str | None]:
    """Return the cards that a command lists, or why they are not known; ``folder`` takes what it prints."""
    stdout, stderr = folder / "nvidia-smi.out", folder / "nvidia-smi.err"
    limits = ChildLimits(
        until_s=SystemClock().monotonic() + deadline_s, stop_file=folder / "STOP", max_output_bytes=_MOST_BYTES
    )
    try:
        ending = hold(
            [*command, *QUERY],
            env=os.environ,
            cwd=folder,
            stdin=Path(os.devnull),
            stdout=stdout,
            stderr=stderr,
            limits=limits,
        )
    except CommandError as error:
        return None, str(error)
    said, complaint = _start_of(stdout), _start_of(stderr)
    cards = read_cards(said) if ending.end is ChildEnd.EXITED else ()
    if cards:  # with an exit code of its own when one card of several has failed
        return cards, None
    return None, _why(ending, (complaint or said).strip().splitlines(), deadline_s)


def main(arguments: Sequence[str]) -> int:
    """Answer one request; return the exit code."""
    return answer_job(arguments, module="llm_loop.runs.nvidia_smi", what="devices", answer=_answer)


def _answer(request: Any, folder: Path) -> dict[str, Any]:
    command, deadline_s = _request(request)
    cards, why = ask(command, folder, deadline_s)
    return {"cards": None if cards is None else [card.to_json() for card in cards], "why": why}


def _request(value: Any) -> tuple[list[str], float]:
    try:
        command, deadline_s = [str(word) for word in value["command"]], float(value["deadline_s"])
    except (KeyError, TypeError, ValueError) as error:
        raise ContractError("the request", [f"{type(error).__name__}: {error}"]) from error
    if not command:
        raise ContractError("the request", ["command: a program is needed"])
    return command, deadline_s


def _card_of(line: str) -> Card | None:
    words = [word.strip() for word in line.split(",")]
    if len(words) < 6 or not (words[0].isascii() and words[0].isdecimal()) or not _UUID.fullmatch(words[1]):
        return None
    total, used, at_work = (_number(word) for word in words[-3:])
    if total is None or used is None or used > total:
        used = None
    return Card(
        index=int(words[0][:9]),
        uuid=words[1],
        name=", ".join(words[2:-3])[:100],
        memory_total_bytes=None if not total else int(total * _MIB),
        memory_used_bytes=None if used is None else int(used * _MIB),
        utilization=None if at_work is None or at_work > 100 else at_work / 100,
    )


def _number(word: str) -> float | None:
    try:
        number = float(word)
    except ValueError:
        return None
    return number if math.isfinite(number) and 0 <= number < 1e12 else None


def _start_of(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _why(ending: ChildEnding, said: Sequence[str], deadline_s: float) -> str:
    last = f": {said[-1].strip()[:200]}" if said else ""
    if ending.end is ChildEnd.DEADLINE:
        return f"nvidia-smi gave no answer within {deadline_s:g} s"
    if ending.end is not ChildEnd.EXITED:
        return f"nvidia-smi was ended ({ending.end.value})"
    if ending.exit_code != 0:
        return f"nvidia-smi ended with exit code {ending.exit_code}{last}"
    return f"nvidia-smi listed no card{last}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
