"""Who won, by how much and whether it is noise: in words that claim no more than is known."""

from __future__ import annotations

import json
import re
from pathlib import Path

from llm_loop.config import load_config
from llm_loop.contract.result import Direction
from llm_loop.contract.sealed import record_opening
from llm_loop.report.making import Wish, gather
from llm_loop.report.markdown import to_markdown
from llm_loop.report.material import Material
from llm_loop.report.paper import paper_report
from llm_loop.report.places import standard_places
from llm_loop.report.story import condensed_story
from tests.report.nights import METRIC, Night, a_night

LINK = re.compile(r"(?<!\\)\]\(http")
TEST = {
    "schema_version": 1,
    "run_id": "R0005",
    "metric": METRIC,
    "value": 0.78,
    "interval": [0.75, 0.81],
    "n": 200,
    "metrics": {"test_iou": 0.66},
    "opened_utc": "2026-03-02T05:00:00Z",
    "opening": 1,
    "sealed_hash": None,
    "source": "trainer",
}


def material(night: Night, *, is_saved: bool = False) -> Material:
    if not is_saved:
        night.save()
    root = night.paths.root
    config = load_config(root / "config" / "daemon_config.json", root, {})
    wish = Wish(top_k=10, note="", repo_root=root, places=standard_places(night.paths, 10))
    return gather(night.paths, config, wish, "2026-03-02T06:00:00Z")


def story(night: Night) -> str:
    return to_markdown(condensed_story(material(night)), lambda figure: figure.file_name)


def paper(night: Night) -> str:
    return to_markdown(paper_report(material(night)), lambda figure: figure.file_name)


def test_a_winner_beyond_the_noise_and_a_tie(tmp_path: Path) -> None:
    night = Night(tmp_path)
    for seed, value in enumerate((0.50, 0.51, 0.52)):
        night.run(value, label="baseline", seed=seed, params={"lr": 1})
    for seed, value in enumerate((0.80, 0.81, 0.82)):
        night.run(value, label="dice", seed=seed, params={"lr": 2})
    night.run(0.805, label="dice-too", params={"lr": 3})
    text = story(night)
    assert "`dice` leads, tied with 1 other configuration (R0006, the best of its 3 runs, model small_unet)" in text
    assert f"**{METRIC} 0.81 ± 0.01**, mean and standard deviation over 3 seeds" in text
    assert "R0001 `baseline` (0.51 ± 0.01): better by 0.3, **more than the noise** (judged by the spread" in text
    assert "R0007 `dice-too` (0.805): better by 0.005, **a tie: inside the noise**" in text
    assert "llm-loop reproduce R0006\nllm-loop export R0006 " in text
    assert "the first of 3 configurations was chosen by them" in text
    assert "- R0004 `dice` (other): better by 0.28 than the best before, more than the noise." in text


def test_nothing_beat_the_first_run(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.run(0.8, label="baseline", interval=(0.78, 0.82))
    night.run(0.6, label="worse", interval=(0.58, 0.62))
    text = story(night)
    assert "`baseline` won" in text and "nothing that was tried after it came out ahead" in text
    assert "Nothing was better than what led before it by more than the noise" in text
    assert "1 of 1 other configurations came out worse than the first run by more than the noise" in text


def test_without_any_noise_nothing_is_claimed(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.run(0.5, label="one")
    night.run(0.9, label="other")
    text = story(night)
    assert "`other` leads, by what may be noise (R0002" in text and "` won" not in text
    assert text.count("**may be noise** (neither several seeds nor an interval is known)") == 1
    assert "The second place is that first run." in text
    assert "more than the noise (" not in text and "1 further gain on the way may be noise." in text


def test_one_configuration_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.run(0.5, label="one")
    text = story(night)
    assert "is the only configuration that ranks" in text
    assert "There is no second configuration to compare it with." in text


def test_smaller_may_be_better(tmp_path: Path) -> None:
    night = Night(tmp_path, Direction.MIN)
    night.run(0.9, label="one", interval=(0.85, 0.95))
    night.run(0.4, label="other", interval=(0.35, 0.45))
    text = story(night)
    assert "`other` won" in text and "(0.9 [0.85, 0.95]): better by 0.5, **more than the noise**" in text


def test_another_budget_is_a_part_of_the_difference_and_said_so(tmp_path: Path) -> None:
    night = Night(tmp_path)
    night.run(0.5, label="one", interval=(0.45, 0.55), budget={"epochs": 4})
    night.run(0.8, label="long", interval=(0.75, 0.85), budget={"epochs": 16})
    assert "It had a budget of 16 epochs, the first run one of 4: what that did is not told apart" in story(night)
    same = Night(tmp_path / "same")
    same.run(0.5, label="one", interval=(0.45, 0.55), budget={"epochs": 4})
    same.run(0.8, label="other", interval=(0.75, 0.85), budget={"epochs": 4})
    assert "a budget of" not in story(same)


def test_a_missing_a_good_and_a_broken_test_result(tmp_path: Path) -> None:
    night = a_night(tmp_path)
    assert "**There is no test result.**" in story(night)
    place = night.artifact("final_test_result.json", json.dumps(TEST))
    assert f"On the sealed test rows R0005 has **{METRIC} 0.78 [0.75, 0.81] (n = 200)**" in story(night)
    assert "| `test_iou` | 0.66 |" in paper(night)
    assert "Nobody had looked at these rows before" in story(night)
    place.write_text(json.dumps(TEST | {"opening": 2}), encoding="utf-8")
    assert "look number 2 at these rows: they are no longer unseen" in story(night)
    place.write_text(json.dumps(TEST | {"opening": None}), encoding="utf-8")
    assert "is not recorded" in story(night)
    place.write_text(json.dumps(TEST | {"run_id": "R0001"}), encoding="utf-8")
    assert "This is not the winner above." in story(night)
    place.write_text(json.dumps(TEST | {"value": "good"}), encoding="utf-8")
    text = story(night)
    assert "**There is no test result that can be believed: **" in text and "value:" in text


def test_the_paper_has_every_section_in_its_order(tmp_path: Path) -> None:
    text = paper(a_night(tmp_path))
    headings = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        "Abstract",
        "Data and splits",
        "Method",
        "Search journey",
        "Results",
        "Ablation by idea category",
        "Failures and repairs",
        "Cost",
        "Limitations",
        "Reproduction",
    ]
    assert "- R0003: masks are thin" in text
    assert "| loss | 4 | 4 | 0 | 0.82 | 0.8075 | 3 | 0.12 |" in text
    assert "| `out_of_memory` | 2 | R0007, R0008 | `CUDA out of memory` | a smaller batch |" in text
    assert "| config hash (without the seed) | `" in text and "| code version | `c0de` |" in text
    assert "| data hash | `sha256:0a1b2c` |" in text and "| seed | 2 |" in text


def test_a_discussion_is_marked_and_cannot_be_taken_for_ours(tmp_path: Path) -> None:
    night = a_night(tmp_path)
    night.artifact("final_discussion.md", "# Results\n<script>alert(1)</script> [see](http://x.test)\n\x1b[31mred")
    text = paper(night)
    _, _, discussed = text.partition("## Discussion by a model (not checked)\n")
    lines = [line for line in discussed.splitlines() if "script" in line or "Results" in line or "red" in line]
    assert lines and all(line.startswith("> ") for line in lines)
    assert "<script" not in text and not LINK.search(text) and "\x1b" not in text


def test_hostile_words_stay_words(tmp_path: Path) -> None:
    label = "</code><script>x</script>` | \x1b[2J **b** ![p](http://x.test/p.png)"
    night = Night(tmp_path)
    night.run(0.5, label=label, why="## heading | <img src=x onerror=y>\n# more", interval=(0.4, 0.6))
    night.run(0.9, label=label, model="<b>m</b>", interval=(0.8, 1.0))
    for text in (story(night), paper(night)):
        assert "\x1b" not in text and "<img" not in text and "\n# more" not in text
        outside = "".join(part for place, part in enumerate(text.split("`")) if place % 2 == 0)
        assert "<script" not in outside and not LINK.search(outside)
        heads = {line.count(" | ") for line in text.splitlines() if line.startswith("| 1 ")}
        assert heads <= {9}


def test_openings_of_the_data_set_are_counted(tmp_path: Path) -> None:
    night = a_night(tmp_path)
    sealed = tmp_path / ".llm_loop_sealed" / "bones"
    sealed.mkdir(parents=True)
    (sealed / "manifest.csv").write_text("image,split\n", encoding="utf-8")
    record_opening(sealed.parent, name="bones", why="the final test", run="R0005", now=night.now)
    assert "tells of 1 look at sealed rows of any data set" in paper(night)
    with (sealed.parent / "openings.jsonl").open("a", encoding="utf-8") as stream:
        stream.write("{}\n")
    assert "The record of openings is damaged" in paper(night)


def test_a_damaged_history_line_is_left_out_and_said(tmp_path: Path) -> None:
    night = a_night(tmp_path)
    night.save()
    with night.paths.history.open("a", encoding="utf-8") as stream:
        stream.write('{"schema_version": 1}\n')
    text = to_markdown(paper_report(material(night, is_saved=True)), lambda figure: figure.file_name)
    assert "Not readable, and left out: " in text and "6 ranked runs of 4 configurations" in text
