"""How large a download will be, asked of the servers before it begins."""

from __future__ import annotations

import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote, urlsplit

_TIMEOUT_S = 4.0


def download_size(urls: Sequence[str]) -> int | None:
    """Return the sum of the files' sizes in bytes, None when one of them is not to be learned within 4 s."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        sizes = list(pool.map(_size, urls))
    return None if None in sizes else sum(size for size in sizes if size is not None)


def as_text(size: int) -> str:
    """Return a size in MB or GB (powers of ten), as download pages give it."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(1, round(size / 1e6))} MB"


def _size(url: str) -> int | None:
    parts = urlsplit(url)
    try:
        if parts.scheme == "file":
            return Path(urllib.request.url2pathname(unquote(parts.path))).stat().st_size
        if parts.scheme not in ("http", "https"):
            return None
        request = urllib.request.Request(url, method="HEAD", headers={"Accept-Encoding": "identity"})
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            length = answer.headers.get("Content-Length")
    except (OSError, ValueError):
        return None
    return int(length) if length and length.isdigit() else None
