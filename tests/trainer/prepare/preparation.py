"""One preparation of an archive like FracAtlas, as the tests make it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from llm_loop.contract.sealed import PreparedData
from llm_loop.trainer.prepare.choosing import Choice, Plan, choose
from llm_loop.trainer.prepare.fracatlas import read_fracatlas
from llm_loop.trainer.prepare.places import Places
from llm_loop.trainer.prepare.report import report_text
from llm_loop.trainer.prepare.writing import write


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """One preparation: its folders, what was chosen and what was told."""

    raw: Path
    places: Places
    choice: Choice
    told: PreparedData


def prepare(raw: Path, places: Places, **plan: object) -> Prepared:
    places.check(raw)
    archive, chosen = read_fracatlas(raw), Plan(name=places.name, **plan)  # type: ignore[arg-type]
    choice = choose(archive, chosen)
    told = write(choice, archive, chosen, places, report_text(archive, choice, chosen))
    return Prepared(raw=raw, places=places, choice=choice, told=told)
