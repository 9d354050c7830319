"""A request at the door: what is one, what is none, and what a person may leave out."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from llm_loop.contract.decision import Decision
from llm_loop.contract.request import (
    MOST_BYTES,
    Request,
    RequestKind,
    filled,
    is_id,
    json_value,
    new_id,
    read_request,
)
from llm_loop.errors import ContractError

ID = "20260301t220000z-0a1b2c3d4e5f"
SHORT = {"command": "python train.py", "run_label": "wider-stem"}


def written(folder: Path, data: bytes | str, name: str = ID) -> Path:
    path = folder / f"{name}.json"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def cancel(**changes: Any) -> dict[str, Any]:
    return Request(id=ID, kind=RequestKind.CANCEL, run="R0001").to_json() | changes


def test_a_request_goes_through_its_file_unchanged(tmp_path: Path) -> None:
    decision = Decision.from_json(filled(SHORT))
    for request in (
        Request(id=ID, kind=RequestKind.QUEUE_ADD, decisions=(decision, decision)),
        Request(id=ID, kind=RequestKind.REJECT, run="R0007", note="größer"),
        Request(id=ID, kind=RequestKind.RESOLVE, reason="H12", note="größer"),
    ):
        text = json.dumps(request.to_json(), ensure_ascii=False)
        for data in (text.encode(), b"\xef\xbb\xbf" + text.encode(), text.encode("utf-16")):
            assert read_request(written(tmp_path, data)) == request


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not JSON"),
        (b"\x00\xff\xfe\x80" * 100, "not UTF-8"),
        (b"\xff\xfe\x00", "not UTF-8 text"),
        (b"[" * 100_000, "not JSON that can be read"),
        (b'{"a":' * 700 + b"1" + b"}" * 700, "unknown key 'a'"),
        (b'{"id": 1' + b"0" * 10_000 + b"}", "not JSON that can be read"),
        (b" " * (MOST_BYTES + 1), "larger than"),
        (b"[]", "is not of type object"),
        (json.dumps(cancel(note=float("nan"))), "NaN is no number"),
        (json.dumps(cancel(schema_version=2)), "schema_version"),
        (json.dumps(cancel(kind="dance")), "kind"),
        (json.dumps(cancel(id="another-name-than-the-file")), "another than the file's name"),
        (json.dumps(cancel(run=None)), "cancel, approve and reject name a run"),
        (json.dumps(cancel(kind="resolve", reason="H1")), "cancel, approve and reject name a run"),
        (json.dumps(cancel(kind="resolve", run=None)), "reason: resolve names one"),
        (json.dumps(cancel(reason="H1")), "reason: resolve names one"),
        (json.dumps(cancel(note="why")), "only reject and resolve have one"),
        (json.dumps(cancel(kind="reject", note="x" * 501)), "at most 500"),
        (json.dumps(cancel(kind="queue_add", run=None, decisions=[])), "1 to 20"),
        (json.dumps(cancel(kind="queue_add", run=None)), "queue_add has some"),
        (json.dumps(cancel(kind="queue_add", run=None, decisions=[{"command": "x"}])), "required property"),
        (json.dumps(cancel(kind="queue_add", run=None, decisions=[[[[]]]])), "is not of type object"),
    ],
)
def test_what_is_no_request_is_named_in_a_bounded_line(tmp_path: Path, data: bytes | str, why: str) -> None:
    with pytest.raises(ContractError) as caught:
        read_request(written(tmp_path, data))
    assert why in str(caught.value)
    assert all(len(line) < 1000 for line in caught.value.violations)


def test_deep_values_within_a_known_field_do_not_break_the_door(tmp_path: Path) -> None:
    for depth in (100, 300, 500, 800, 950):
        deep = '{"x":' * depth + "1" + "}" * depth
        text = json.dumps(cancel()).replace('"R0001"', deep)
        with pytest.raises(ContractError):
            read_request(written(tmp_path, text))


def test_a_name_with_a_path_or_case_in_it_is_none(tmp_path: Path) -> None:
    for name in ("../../../evil-request", "evil/request", "UPPERCASE-NAME", "nul", "con", "a b c d e f", "", "ä" * 9):
        assert not is_id(name)
    assert is_id(new_id(datetime(2026, 3, 1, tzinfo=UTC))) and new_id(datetime.now(UTC)) != new_id(datetime.now(UTC))
    with pytest.raises(ContractError, match="named by its id"):
        read_request(written(tmp_path, json.dumps(cancel(id="../evil")), name="short"))
    with pytest.raises(ContractError):
        read_request(written(tmp_path, json.dumps(cancel(id="../../evil-request"))))


@pytest.mark.skipif(os.name == "nt", reason="pipes and folders in its place")
def test_a_pipe_and_a_folder_are_no_requests(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"{ID}.json")
    (tmp_path / "20260301t220000z-folder.json").mkdir()
    for path in tmp_path.iterdir():
        with pytest.raises(ContractError, match="cannot be read"):
            read_request(path)
    with pytest.raises(FileNotFoundError):
        read_request(tmp_path / "20260301t220000z-missing.json")


def test_a_person_may_leave_out_what_has_a_default() -> None:
    decision = Decision.from_json(filled(SHORT | {"edits": [{"path": "a.py", "new_text": "x"}]}))
    assert decision.working_folder == "." and decision.edits is not None and decision.edits[0].old is None
    assert Decision.from_json(filled(SHORT | {"housekeeping": {"notes_update": "n"}})).housekeeping.notes_update == "n"
    assert Decision.from_json(filled(SHORT | {"working_folder": None})).working_folder is None, "what is said stays"
    for missing in ("command", "run_label"):
        with pytest.raises(ContractError, match=missing):
            Decision.from_json(filled({name: text for name, text in SHORT.items() if name != missing}))
    with pytest.raises(ContractError, match="nearest known: 'run_label'"):
        Decision.from_json(filled(SHORT | {"run_lable": "x"}))
    for value in (None, 3, "text", [SHORT]):
        assert filled(value) is value


def test_json_is_read_whatever_wrote_it() -> None:
    assert json_value('{"a": 1}'.encode("utf-16"), "f") == {"a": 1}
    with pytest.raises(ContractError, match="line 1"):
        json_value(b"{", "f")


def test_a_request_of_before_reasons_is_read(tmp_path: Path) -> None:
    value = cancel()
    del value["reason"]
    assert read_request(written(tmp_path, json.dumps(value))).reason is None
