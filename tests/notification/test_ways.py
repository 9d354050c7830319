"""Where the settings of the ways stand, and that a question about them holds none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_loop.config import Config, load_config
from llm_loop.errors import ConfigError
from llm_loop.notification import ways

SECRET = "json://user:s3cr3t@127.0.0.1/x"


def config_of(root: Path, environ: dict[str, str] | None = None, **settings: object) -> Config:
    path = root / "daemon_config.json"
    path.write_text(json.dumps(settings), encoding="utf-8-sig")
    return load_config(path, root, environ or {})


def test_nothing_set_is_no_way(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    assert ways.ways_of(config) == () and ways.read_settings(ways.sources_of(config)) == {}


def test_the_settings_of_a_file_are_read_from_it_by_the_names_of_the_ways(tmp_path: Path) -> None:
    config = config_of(tmp_path, notify_urls=[SECRET, "mailto://b"], notify_command="tell me")
    assert ways.ways_of(config) == ("command", "url 1", "url 2")
    sources = ways.sources_of(config)
    assert "s3cr3t" not in json.dumps(sources) and "tell" not in json.dumps(sources)
    expected = {"command": "tell me", "url 1": SECRET, "url 2": "mailto://b"}
    assert ways.read_settings(sources) == expected
    config_of(tmp_path, notify_urls=[SECRET])
    assert ways.read_settings(sources) == {"url 1": SECRET}, "the file as it is now"


def test_the_settings_of_the_environment_are_read_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"LLM_LOOP_NOTIFY_URLS": json.dumps([SECRET]), "LLM_LOOP_NOTIFY_COMMAND": "tell me"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    sources = ways.sources_of(config_of(tmp_path, environ, notify_urls=["mailto://of-the-file"]))
    assert "s3cr3t" not in json.dumps(sources)
    assert ways.read_settings(sources) == {"url 1": SECRET, "command": "tell me"}


@pytest.mark.parametrize("text", ['{"notify_urls": "%s"}', '{"notify_urls": ["%s", 3]}', '{"notify_urls": ["%s"'])
def test_a_broken_edit_is_an_error_without_the_setting(tmp_path: Path, text: str) -> None:
    sources = ways.sources_of(config_of(tmp_path, notify_urls=[SECRET]))
    (tmp_path / "daemon_config.json").write_text(text % SECRET, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        ways.read_settings(sources)
    assert "s3cr3t" not in str(caught.value)
