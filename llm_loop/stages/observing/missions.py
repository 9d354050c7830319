"""A role's mission: the first 4,000 characters of the person's file, or a notice that there is none."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from llm_loop.config import Config
from llm_loop.contract.context import Mission
from llm_loop.contract.observation import Role
from llm_loop.contract.outside_file import open_outside
from llm_loop.system import files

MISSION_CHARACTERS = 4_000


def mission_of(role: Role, config: Config) -> Mission:
    """Return the role's mission: its own file, else ``mission_file``, else an empty one with a notice.

    Reads at most 16 kB, once for as long as the file stands. Raises nothing.
    """
    own = config.worker_mission_file if role is Role.WORKER else config.mentor_mission_file
    problems = []
    for path in dict.fromkeys((own, config.mission_file)):
        mission = _mission(path, files.signature(path))
        if mission.notice is None:
            return mission
        problems.append(mission.notice)
    return Mission(file=own.name, notice="; ".join(problems))


@lru_cache(maxsize=8)
def _mission(path: Path, signature: tuple[int, int] | None) -> Mission:
    try:
        with open_outside(path) as stream:
            data = stream.read(4 * MISSION_CHARACTERS + 4)
    except OSError as error:
        return Mission(file=path.name, notice=f"the mission file {path.name} cannot be read ({error.strerror})")
    text = data.decode("utf-8-sig", "replace")
    if not text.strip():
        return Mission(file=path.name, notice=f"the mission file {path.name} is empty")
    return Mission(file=path.name, text=text[:MISSION_CHARACTERS], is_cut=len(text) > MISSION_CHARACTERS)
