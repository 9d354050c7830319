"""The tools as a client sees them: names, descriptions, arguments. Standard library only: the greeting needs it."""

from __future__ import annotations

from typing import Any

_CATEGORIES = "augmentation, preprocessing, data_sampling, loss, model_arch, optimization, evaluation, other"
_MAX_RUNS = 50
_MAX_PLACES = 30
_MAX_LINES = 2_000
_MAX_FILES = 1_000
_MAX_HITS = 200


def tools() -> list[dict[str, Any]]:
    """Return the tools in the form of the protocol's ``tools/list``, each marked as read-only."""
    return [
        _tool(
            "query_history",
            "Query the history of ended runs (experiments): filter by idea category, state and words of the label; "
            "newest, oldest, best or worst first. Each run with its metric value, parameters and command.",
            category=_text(f"Only this idea category: {_CATEGORIES}."),
            state=_text("Only this state: completed, failed, cancelled, lost, needs_human."),
            label=_text("Only runs whose label contains this text, in any case."),
            metric=_text("The metric to show and sort by (default: the one that the loop ranks by)."),
            order=_choice("Which come first (default: newest).", "newest", "oldest", "best", "worst"),
            limit=_whole("How many runs, 1 to 50 (default: 10).", 1, _MAX_RUNS),
            offset=_whole("How many to leave out at the start, to read on (default: 0).", 0, 1_000_000),
        ),
        _tool(
            "show_leaderboard",
            "Show the leaderboard: the best configurations so far with value, noise, seeds, ties and runs, and how "
            "many runs are not ranked.",
            top=_whole("How many places, 1 to 30 (default: 10).", 1, _MAX_PLACES),
        ),
        _tool(
            "read_run_log",
            "Read a slice of the standard output or standard error log of a run (traceback, training progress): its "
            "last lines, or the lines from first_line on.",
            required=("run_id",),
            run_id=_plain_text("The run, such as R0012."),
            stream=_choice("Which of the two (default: stdout).", "stdout", "stderr"),
            attempt=_whole("Which attempt of the run (default: the last).", 1, 10_000),
            first_line=_whole("The first line, from 1 (default: the last lines are shown).", 1, 2_000_000_000),
            lines=_whole("How many lines, 1 to 2,000 (default: 200).", 1, _MAX_LINES),
        ),
        _tool(
            "explain_config",
            "Explain the configuration keys of the loop: what a key does, what it may be, its default. Without a key: "
            "the names of all.",
            key=_text("One key, such as stop_grace_seconds."),
        ),
        _tool(
            "list_todo",
            "List the open entries of the shared TODO, oldest first, page by page, with their ids.",
            page=_whole("Which page of 20, from 1 (default: 1).", 1, 100_000),
        ),
        _tool(
            "list_files",
            "List the files and folders of the checkout (the training repository's code) with their sizes.",
            path=_text("A folder of the checkout, relative (default: the whole checkout)."),
            pattern=_text("Only files whose relative path or name matches, such as *.py or src/**."),
            depth=_whole("How many levels of folders, 1 to 32 (default: 4).", 1, 32),
            limit=_whole("How many entries, 1 to 1,000 (default: 300).", 1, _MAX_FILES),
        ),
        _tool(
            "read_file",
            "Read a text file of the checkout (code, config, notes) by lines, letter for letter.",
            required=("path",),
            path=_plain_text("The file, relative to the checkout."),
            first_line=_whole("The first line, from 1 (default: 1).", 1, 2_000_000_000),
            lines=_whole("How many lines, 1 to 2,000 (default: 400).", 1, _MAX_LINES),
        ),
        _tool(
            "search_text",
            "Search (grep) the files of the checkout for a text: path, line number and line of each hit.",
            required=("text",),
            text=_plain_text("What to find: letter for letter, unless regex is true."),
            path=_text("A folder or file of the checkout, relative (default: the whole checkout)."),
            pattern=_text("Only files whose relative path or name matches, such as *.py."),
            ignore_case=_flag("Whether case does not matter (default: false)."),
            regex=_flag("Whether text is a Python regular expression, with a few seconds to match (default: false)."),
            limit=_whole("How many hits, 1 to 200 (default: 60).", 1, _MAX_HITS),
        ),
    ]


def _tool(name: str, description: str, /, required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return {
        "name": name,
        "description": description,
        "inputSchema": schema,
        "annotations": {
            "readOnlyHint": True,
            "destructiveHint": False,
            "idempotentHint": True,
            "openWorldHint": False,
        },
    }


def _plain_text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _text(description: str) -> dict[str, Any]:
    return {"type": ["string", "null"], "description": description}


def _choice(description: str, *values: str) -> dict[str, Any]:
    return {"type": ["string", "null"], "enum": [*values, None], "description": description}


def _whole(description: str, low: int, high: int) -> dict[str, Any]:
    """Codex leaves minimum and maximum out of what a model sees: the description says them."""
    return {"type": ["integer", "null"], "minimum": low, "maximum": high, "description": description}


def _flag(description: str) -> dict[str, Any]:
    return {"type": ["boolean", "null"], "description": description}
