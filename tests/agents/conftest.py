from __future__ import annotations

from typing import Any

import pytest
import yaml

from llm_loop.agents.search_space import SearchSpace, parse_search_space
from tests.agents.small_campaign import BASE, SPACE


@pytest.fixture
def space_file() -> dict[str, Any]:
    value: dict[str, Any] = yaml.safe_load(SPACE)
    return value


@pytest.fixture
def base_config() -> dict[str, Any]:
    value: dict[str, Any] = yaml.safe_load(BASE)
    return value


@pytest.fixture
def space(space_file: dict[str, Any], base_config: dict[str, Any]) -> SearchSpace:
    return parse_search_space(space_file, base_config)
