"""The models that there are."""

MODELS = {"line": (0.0, 0.0), "steep_line": (1.0, 0.0)}


def build_model(name: str) -> list[float]:
    """Return slope and offset to begin with."""
    if name not in MODELS:
        raise SystemExit(f"Unsupported model.name: {name}")
    return list(MODELS[name])
