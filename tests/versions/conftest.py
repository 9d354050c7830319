"""What the tests of code versions share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.versions.foreign import Foreign, make_foreign


@pytest.fixture
def foreign(tmp_path: Path) -> Foreign:
    return make_foreign(tmp_path)
