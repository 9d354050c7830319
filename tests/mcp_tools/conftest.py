from __future__ import annotations

from pathlib import Path

import pytest

from tests.mcp_tools.small_workspace import SmallWorkspace, make


@pytest.fixture
def small(tmp_path: Path) -> SmallWorkspace:
    """A workspace in a folder with a blank in its name."""
    return make(tmp_path / "work space")
