"""An environment is a folder and a list of steps; each finished step is marked, and only the others are done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from environments.stamps import Stamps
from environments.virtualenv import answers, create

_CREATED = "created"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do: its name, the mark that it leaves, a line that tells it, and the doing."""

    name: str
    mark: str
    tells: str
    do: Callable[[], None]

    def is_done(self, stamps: Stamps) -> bool:
        """Tell whether the step's mark stands."""
        return stamps.read(self.name) == self.mark


def due_steps(folder: Path, steps: list[Step]) -> list[Step]:
    """Return the steps that are not finished; all of them where the environment itself is missing or broken."""
    stamps = Stamps(folder)
    if stamps.read(_CREATED) is None or not answers(folder):
        return steps
    return [step for step in steps if not step.is_done(stamps)]


def do_steps(folder: Path, steps: list[Step], say: Callable[[str], None]) -> None:
    """Make the environment if need be and do what is due, one step after another, marking each when finished."""
    stamps = Stamps(folder)
    if stamps.read(_CREATED) is None or not answers(folder):
        say(f"{folder.name}: making the environment")
        create(folder)
        stamps.mark(_CREATED, "1")
    for step in steps:
        if not step.is_done(stamps):
            say(f"{folder.name}: {step.tells}")
            stamps.clear(step.name)
            step.do()
            stamps.mark(step.name, step.mark)
