"""Link ``data`` in the training repository to ``data_source_root``: a symbolic link, on Windows a junction."""

from __future__ import annotations

import os
from pathlib import Path

from llm_loop.config.settings import Config
from llm_loop.system.links import is_link, make_folder_link, remove_link

LINK = "data"


def link_data(config: Config) -> str | None:
    """Make the link where it is wanted and nothing is in its way; return what a person should know, or None.

    What lies at ``data`` already is never replaced, but for a link of this kind that leads nowhere any more. A source
    that is not there now may be a drive that comes back: on Linux the link is made all the same.
    """
    source, link = config.data_source_root, config.training_repo_root / LINK
    if source is None or _leads_to(link, source):
        return None
    if os.path.lexists(link):
        if not is_link(link.lstat()):
            return f"{link} is no link: it is used as it is, not {source} (data_source_root)"
        if link.exists():
            leads = os.path.realpath(link)
            return f"{link} leads to {leads}, not to {source} (data_source_root); remove it to have it made anew"
    try:
        if os.path.lexists(link):
            remove_link(link)
        make_folder_link(link, source)
    except OSError as error:
        return f"{link} cannot be linked to {source} ({error.strerror or error}); the next start tries again"
    return f"{link} leads to {source} now"


def own_link(config: Config) -> Path | None:
    """Return the link as ``link_data`` makes it: a link that leads to ``data_source_root``; None for anything else."""
    source, link = config.data_source_root, config.training_repo_root / LINK
    if source is None or not os.path.lexists(link) or not is_link(link.lstat()):
        return None
    return link if _leads_to(link, source) else None


def _leads_to(link: Path, source: Path) -> bool:
    """Tell whether the link leads to the source already, or is the source itself."""
    return os.path.realpath(link) == os.path.realpath(source) and os.path.lexists(link)
