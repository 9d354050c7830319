"""Secrets stay out by their names; the rest stays."""

from __future__ import annotations

from llm_loop.system.environment_scrubbing import without_secrets


def test_secrets_and_the_loops_own_stay_out() -> None:
    secrets = (
        "OPENAI_API_KEY hf_token AWS_SECRET_ACCESS_KEY PGPASSWORD CODEX_HOME llm_loop_note DB_PASS SENTRY_DSN JWT "
        "SLACK_WEBHOOK_URL DOCKER_AUTH_CONFIG NPM_AUTH OPENAI_KEY_2 AZURE_CONNECTION_STRING COOKIE"
    ).split()
    plain = {
        "PATH": "/bin",
        "TOKENIZERS_PARALLELISM": "1",
        "HTTPS_PROXY": "http://user:word@proxy",
        "DATA_URL": "https://example.org/a:b@c",
        "KEYBOARD": "de",
        "AUTHOR": "me",
        "SSH_AUTH_SOCK": "/run/agent",
        "COMPASS": "n",
    }
    assert without_secrets(plain | dict.fromkeys(secrets, "x")) == plain


def test_an_address_with_a_password_stays_out() -> None:
    assert without_secrets({"DATABASE_URL": "postgres://me:word@host/db", "REDIS": "redis://:word@host"}) == {}
