"""One page that holds everything: it opens offline, runs no script, fetches nothing, and prints.

Its policy forbids all but its own style (named by its hash) and pictures within the page; styles of single elements are
forbidden too, so a text that slipped through as markup could neither run, nor fetch, nor cover anything.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from html import escape

from llm_loop import __version__
from llm_loop.memory.leaderboard_text import value_text
from llm_loop.report.document import Code, Document, Heading, Strong, Text
from llm_loop.report.html import anchor, figure, inline, to_html
from llm_loop.report.judgement import in_words, judged_by
from llm_loop.report.material import Material
from llm_loop.report.page_style import PAGE_CSS
from llm_loop.report.reproduction import commands_for
from llm_loop.report.verdict import Verdict
from llm_loop.report.wording import NOTHING_YET, headline, seeds_of, tested
from llm_loop.views.untrusted import clean


def to_page(material: Material, story: Document, paper: Document) -> str:
    """Return the page: the answer first, then the best so far, the story and the paper."""
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            *_head(story.title),
            "<body>",
            *_answer(material, story.title),
            figure(material.figures.running_best),
            *_contents(paper),
            '<section id="story">',
            to_html(story),
            "</section>",
            '<section id="paper">',
            f"<h1>{escape(paper.title)}</h1>",
            to_html(paper, shown=(material.figures.running_best,)),
            "</section>",
            f"<footer>Made {escape(material.generated_utc)} by llm_loop {__version__}.</footer>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _head(title: str) -> Iterator[str]:
    digest = base64.b64encode(hashlib.sha256(PAGE_CSS.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    yield "<head>"
    yield '<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    yield '<meta name="referrer" content="no-referrer">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="color-scheme" content="light dark">'
    yield f"<title>{escape(title)}</title>"
    yield f"<style>{PAGE_CSS}</style>"
    yield "</head>"


def _answer(material: Material, title: str) -> Iterator[str]:
    """Yield what a person looks for first: which model, by how much, is it more than noise, how to get it again."""
    verdict, facts = material.findings.verdict, material.facts
    yield '<header id="answer">'
    yield f"<h1>{escape(title)}</h1>"
    if verdict is None:
        yield f"<p>{escape(NOTHING_YET)}</p>"
    else:
        yield '<div class="cards">'
        for heading, lines in _cards(verdict):
            yield f"<div><h2>{escape(heading)}</h2>" + "".join(f"<p>{inline(line)}</p>" for line in lines) + "</div>"
        yield "</div>"
    yield f'<p class="test">{inline(tested(facts, verdict))}</p>'
    yield "</header>"


def _cards(verdict: Verdict) -> Iterator[tuple[str, tuple[Text, ...]]]:
    best, run = verdict.best, verdict.run
    model = clean(best.model, 60) if best.model else "a model without a name"
    yield "Which model", ([Strong(clean(best.label, 80))], f"{run.run_id}, {model}; it {headline(verdict)}.")
    score = f"{clean(best.metric, 60)} {value_text(best)}"
    yield "By how much", ([Strong(score)], f"{seeds_of(best)}.", *_gains(verdict))
    yield "More than noise?", tuple(_noise(verdict))
    yield "Get it again", tuple([Code(line)] for line in commands_for(run))


def _gains(verdict: Verdict) -> Iterator[Text]:
    for found, what in verdict.comparisons:
        yield [Strong(f"{found.gain:+.3g}"), f" better than {what}"] if found.gain else f"Equal to {what}"


def _noise(verdict: Verdict) -> Iterator[Text]:
    """Say it of each comparison on a line, and by what it was judged."""
    if verdict.against_first is None:
        yield "The first run has the best configuration: nothing tried after it came out ahead."
    for found, what in verdict.comparisons:
        yield [f"Over {what}: ", Strong(in_words(found)), f", {judged_by(found)}."]


def _contents(paper: Document) -> Iterator[str]:
    headings = [block.text for block in paper.blocks if isinstance(block, Heading) and block.level == 2]
    links = " ".join(f'<a href="#{anchor(text)}">{escape(text)}</a>' for text in headings)
    yield f'<nav aria-label="Sections"><a href="#story">Story</a> {links}</nav>'
