"""The page that holds everything: closed, whole, and the answer on top."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from llm_loop.report.page import to_page
from llm_loop.report.paper import paper_report
from llm_loop.report.story import condensed_story
from tests.report.nights import Night, a_night, a_png
from tests.report.test_final_story import material

_VOID = {"meta", "img", "br", "hr", "link", "input"}
_BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Page(HTMLParser):
    """Read a page: what tags there are, whether they close, which attributes and texts they have."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def values(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.tags if name in attributes]

    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def page_of(night: Night) -> str:
    made = material(night)
    return to_page(made, condensed_story(made), paper_report(made))


def full_night(root: Path) -> Night:
    night = a_night(root)
    night.curve("R0005", 0.3, 0.82, 0.8)
    (night.folder("R0005") / "predictions.png").write_bytes(a_png())
    night.artifact("final_discussion.md", "I think.\n</blockquote><script>alert(1)</script>")
    return night


def test_the_answer_comes_first(tmp_path: Path) -> None:
    text = Page(page_of(full_night(tmp_path))).text()
    answer = text.partition("The best so far, and every run")[0]
    for word in ("dice-loss", "R0005", "+0.31 better than the first run", "more than the noise", "a tie: inside the"):
        assert word in answer
    assert "llm-loop reproduce R0005" in answer and "There is no test result." in answer


def test_the_page_is_closed_and_whole(tmp_path: Path) -> None:
    text = page_of(full_night(tmp_path))
    page = Page(text)
    names = {name for name, _ in page.tags}
    assert not names & {"script", "link", "iframe", "object", "embed", "form", "base", "use", "image", "foreignobject"}
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert all(link.removeprefix("#") in ids for link in page.values("href"))
    assert [source[:22] for source in page.values("src")] == ["data:image/png;base64,"]
    assert not page.values("style") and not [key for _, all_ in page.tags for key in all_ if key.startswith("on")]
    assert sum(name == "svg" for name, _ in page.tags) == 4
    assert "Discussion by a model (not checked)" in page.text() and "alert(1)" in page.text()


def test_its_policy_allows_its_own_style_and_nothing_else(tmp_path: Path) -> None:
    text = page_of(a_night(tmp_path))
    policy = next(every["content"] for _, every in Page(text).tags if every.get("http-equiv"))
    styles = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert len(styles) == 1
    digest = base64.b64encode(hashlib.sha256(styles[0].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy
    assert "script-src" not in policy and "unsafe" not in policy
    assert "prefers-color-scheme:dark" in styles[0] and "@media print" in styles[0] and "url(" not in styles[0]


def test_hostile_labels_add_no_tag(tmp_path: Path) -> None:
    plain = a_night(tmp_path / "plain")
    hostile = Night(tmp_path / "hostile")
    word = "</title></style><script src=//x.test></script><img src=x onerror=y>\x1b[1m"
    hostile.run(0.5, label=word, params={word: 1}, model=word, why=word, data_hash=word, interval=(0.4, 0.6))
    hostile.run(0.9, label=word, params={word: 2}, model=word, why=word, data_hash=word, interval=(0.8, 1.0))
    page, other = Page(page_of(hostile)), Page(page_of(plain))
    assert {name for name, _ in page.tags} <= {name for name, _ in other.tags}
    assert not page.values("src") and not page.values("onerror") and "\x1b" not in page.text()


def test_an_empty_night_has_a_page_too(tmp_path: Path) -> None:
    assert "No run has a result yet" in Page(page_of(Night(tmp_path))).text()


@pytest.mark.slow
@pytest.mark.skipif(_BROWSER is None, reason="no Chromium here")
def test_a_real_browser_draws_it_and_has_no_complaint(tmp_path: Path) -> None:
    place = tmp_path / "report.html"
    place.write_text(page_of(full_night(tmp_path / "night")), encoding="utf-8")
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--window-size=1000,4000"]
    argv = [str(_BROWSER), *flags, f"--user-data-dir={tmp_path / 'browser'}", f"--screenshot={tmp_path / 'shot.png'}"]
    done = subprocess.run([*argv, place.as_uri()], capture_output=True, timeout=120, check=False)
    said = done.stderr.decode("utf-8", "replace")
    assert done.returncode == 0 and (tmp_path / "shot.png").stat().st_size > 50_000
    assert "CONSOLE" not in said and "Refused" not in said
