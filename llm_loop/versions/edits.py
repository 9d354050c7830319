"""The one door: edits of an answer, applied in a checkout and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from llm_loop.contract.decision import Edit
from llm_loop.system import files
from llm_loop.versions.checkout import OpenCheckout
from llm_loop.versions.door import MOST_FILES, Door, checked_text, read_file
from llm_loop.versions.refusal import CodeRefused

_MARK = "\ufeff"


def apply_edits(opened: OpenCheckout, edits: Sequence[Edit]) -> tuple[str, ...]:
    """Apply ``edits`` in their order and return why any cannot be; then nothing was written.

    Line ends and byte order mark of a file stay as they are. Raises CodeRefused when the checkout's base cannot be
    read, FileWriteError.
    """
    if not edits:
        return ()
    request = opened.request
    door = Door(request, request.store.read(opened.base.version))
    if len({edit.path for edit in edits}) > MOST_FILES:
        return (f"edits of {len({edit.path for edit in edits})} files; at most {MOST_FILES} are allowed",)
    texts: dict[str, str] = {}
    refusals: list[str] = []
    for edit in edits:
        try:
            path = door.admit(edit.path)
            largest = request.rules.largest_file_bytes
            present = texts[path] if path in texts else _present(opened.folder / path, largest)
            texts[path] = _edited(present, edit)
            checked_text(_bytes(texts[path]))
        except CodeRefused as refused:
            refusals.append(f"edit of {edit.path[:200]!r}: {refused}")
    if not refusals:
        for path, text in texts.items():
            _write(opened.folder / path, _bytes(text))
    return tuple(refusals)


def _present(place: Path, largest: int) -> str | None:
    data = read_file(place, largest)
    return None if data is None else checked_text(data, largest)


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise CodeRefused("the new text holds half a character") from error


def _edited(present: str | None, edit: Edit) -> str:
    """Return the text of a file after one edit. Raises CodeRefused."""
    if edit.new_text is not None:
        if edit.old is not None or edit.new is not None:
            raise CodeRefused("give new_text, or old and new, not both")
        return edit.new_text if present is None else _in_style_of(present, edit.new_text)
    if edit.old is None or edit.new is None:
        raise CodeRefused("give new_text, or both old and new")
    if present is None:
        raise CodeRefused("there is no such file: give its whole text as new_text")
    if not edit.old:
        raise CodeRefused("old is empty: give the text to be replaced, or the whole file as new_text")
    old, new = edit.old, edit.new
    if old not in present and _has_crlf_only(present):
        old, new = _with_crlf(old), _with_crlf(new)
    elif _has_crlf_only(present):
        new = _with_crlf(new) if "\r" not in new else new
    where = present.find(old)
    if where < 0:
        raise CodeRefused("old does not occur in the file: copy it exactly, with its indentation")
    if present.find(old, where + 1) >= 0:
        raise CodeRefused("old occurs more than once: give more of the lines around it")
    return present[:where] + new + present[where + len(old) :]


def _in_style_of(present: str, text: str) -> str:
    """Return a whole new text with the byte order mark and the line ends of the present one."""
    if _has_crlf_only(present) and "\r" not in text:
        text = _with_crlf(text)
    return _MARK + text if present.startswith(_MARK) and not text.startswith(_MARK) else text


def _has_crlf_only(text: str) -> bool:
    return "\r\n" in text and "\n" not in text.replace("\r\n", "")


def _with_crlf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def _write(place: Path, data: bytes) -> None:
    """Replace a file by a new one: another name of the old one elsewhere keeps the old text."""
    mode = place.stat().st_mode & 0o777 if place.exists() else None
    files.replace_bytes(place, data, durable=False)
    if mode is not None and mode & 0o111:
        place.chmod(mode)
