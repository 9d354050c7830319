"""The mission files: a person's words to worker and mentor, which need not be there."""

from __future__ import annotations

from llm_loop.config.settings import Config


def missing_missions(config: Config) -> list[str]:
    """Return a sentence for each role that has no mission file."""
    roles = (("worker", config.worker_mission_file), ("mentor", config.mentor_mission_file))
    return [
        f"no mission file for the {role}: neither {mission} nor {config.mission_file} exists"
        for role, mission in roles
        if not mission.is_file() and not config.mission_file.is_file()
    ]
