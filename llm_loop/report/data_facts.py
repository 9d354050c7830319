"""What is known of the data behind a run: the split, its hash, and how often its sealed test rows were opened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_loop.config import Config
from llm_loop.contract.outside_file import read_outside
from llm_loop.contract.sealed import DATASET, read_openings
from llm_loop.errors import CorruptFileError
from llm_loop.memory.history import HistoryRow
from llm_loop.views.untrusted import clean, dict_of, text_of, whole_of

_MOST_BYTES = 1_000_000
_ENVIRONMENT = "environment.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFacts:
    """Hold what a run, its folder and the sealed root say of the data.

    ``name`` is that of a prepared data set, None for data that was not prepared. ``openings`` counts the looks at
    sealed rows, of this data set where it has a name, else of all; ``record_problems`` say what of it is broken.
    """

    source: str | None = None
    name: str | None = None
    data_hash: str | None = None
    train_images: int | None = None
    val_images: int | None = None
    sealed_rows: int | None = None
    openings: int = 0
    record_problems: tuple[str, ...] = ()
    device: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)


def data_facts(row: HistoryRow, folder: Path | None, config: Config | None) -> DataFacts:
    """Return what is known of the data of a run. ``folder`` is that of its last attempt. Raises nothing."""
    params = dict_of(row.params if row.result is None else row.result.params)
    told = {} if folder is None else _object_in(folder / _ENVIRONMENT)
    data = dict_of(told.get("data"))
    prepared = _prepared(params, config)
    name = text_of(prepared.get("name"), 120)
    openings, problems = _openings(config, name)
    sealed = whole_of(dict_of(prepared.get("sealed")).get("rows"))
    versions = {key: text for key in ("python", "torch", "cuda") if (text := text_of(told.get(key), 60))}
    return DataFacts(
        source=text_of(params.get("data.source"), 60),
        name=name,
        data_hash=text_of(row.data_hash, 100),
        train_images=whole_of(data.get("train_images")),
        val_images=whole_of(data.get("val_images")) or (None if row.result is None else whole_of(row.result.n)),
        sealed_rows=sealed or whole_of(dict_of(data.get("sealed_test")).get("count")),
        openings=openings,
        record_problems=problems,
        device=text_of(told.get("device"), 40),
        versions=versions,
    )


def _prepared(params: Mapping[str, Any], config: Config | None) -> dict[str, Any]:
    """Return the ``dataset.json`` beside the manifest that a run names, {} where there is none."""
    manifest = params.get("data.manifest")
    if config is None or not isinstance(manifest, str):
        return {}
    return _object_in((config.training_repo_root / manifest).with_name(DATASET))


def _openings(config: Config | None, name: str | None) -> tuple[int, tuple[str, ...]]:
    if config is None:
        return 0, ()
    try:
        record = read_openings(config.sealed_root)
    except (OSError, CorruptFileError) as error:
        return 0, (clean(str(error), 300),)
    count = len(record.openings) if name is None else record.of(name)
    return count, tuple(clean(line, 300) for line in record.broken[:5])


def _object_in(path: Path) -> dict[str, Any]:
    try:
        return dict_of(json.loads(read_outside(path, _MOST_BYTES).decode("utf-8-sig")))
    except (OSError, ValueError, RecursionError):
        return {}
