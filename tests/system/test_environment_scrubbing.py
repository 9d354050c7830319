"""Secrets stay out by their names; the rest stays."""

from __future__ import annotations

from llm_loop.system.environment_scrubbing import without_secrets


def test_secrets_and_the_loops_own_stay_out() -> None:
    secrets = ("OPENAI_API_KEY", "hf_token", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "CODEX_HOME", "llm_loop_note")
    plain = {"PATH": "/bin", "TOKENIZERS_PARALLELISM": "1", "HTTPS_PROXY": "http://proxy"}
    assert without_secrets(plain | dict.fromkeys(secrets, "x")) == plain
