"""What the tests of preparation share: the look-alike archive, and one preparation of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.trainer.prepare.preparation import Prepared


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The look-alike, unpacked; not to be changed."""
    from tests.trainer.prepare.look_alike import LookAlike  # here: only the training environment has Pillow

    folder = tmp_path_factory.mktemp("raw root")
    LookAlike(folder).build()
    return folder


@pytest.fixture(scope="session")
def prepared(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """The look-alike, prepared; not to be changed."""
    from tests.trainer.prepare.preparation import Places, prepare

    folder = tmp_path_factory.mktemp("prepared")
    places = Places(out=folder / "data" / "frac", sealed_root=folder / "sealed", name="frac")
    return prepare(raw, places)
