"""The figures: well-formed, complete, honest about what they leave out, and closed to what runs left behind."""

from __future__ import annotations

import json
import math
from pathlib import Path
from xml.etree import ElementTree

import pytest

from llm_loop.report.figures.axes import Scale, shown, ticks, without_outliers
from llm_loop.report.figures.figure import Figure, Png
from llm_loop.report.figures.predictions import predictions_sheet
from llm_loop.report.figures.svg import Drawing
from tests.report.nights import METRIC, Night, a_night, a_png
from tests.report.test_final_story import material

SVG = "{http://www.w3.org/2000/svg}"


def parsed(figure: Figure) -> ElementTree.Element:
    return ElementTree.fromstring(figure.content())


def marks(figure: Figure, name: str, kind: str = "") -> list[ElementTree.Element]:
    return [mark for mark in parsed(figure).iter(SVG + name) if kind in mark.get("class", "").split() or not kind]


def test_every_run_is_a_point_and_failures_are_crosses(tmp_path: Path) -> None:
    figure = material(a_night(tmp_path)).figures.running_best
    points = [mark for mark in marks(figure, "circle", "f0") if mark.find(SVG + "title") is not None]
    assert [str(point.findtext(SVG + "title")).split()[0] for point in points] == [f"R000{n}" for n in range(1, 7)]
    crosses = [mark.findtext(SVG + "title") for mark in marks(figure, "path", "cross")]
    assert [hint for hint in crosses if hint] == ["R0007 huge: failed", "R0008 huge: failed"]
    texts = {mark.text for mark in marks(figure, "text")}
    assert {"best so far", f"{METRIC} (larger is better)", "R0001"} <= texts


def test_a_diverged_run_flattens_nothing(tmp_path: Path) -> None:
    night = Night(tmp_path)
    for value in (0.5, 0.52, 0.54, 0.56, 0.55, 0.53):
        night.run(value)
    night.run(-1e9)
    figure = material(night).figures.running_best
    assert "1 far outside of the others" in figure.caption
    heights = [float(mark.get("cy", "0")) for mark in marks(figure, "circle", "f0")]
    assert max(heights) - min(heights) > 100


def test_curves_of_the_leading_runs(tmp_path: Path) -> None:
    night = a_night(tmp_path)
    night.curve("R0005", 0.3, 0.82, 0.8)
    night.curve("R0002", *[0.2 + 0.5 * epoch / 2000 for epoch in range(2000)])
    (night.folder("R0001") / "metrics.jsonl").write_text('{"epoch": 1, "val_dice": NaN}\nnonsense', encoding="utf-8")
    figure = material(night).figures.curves
    lines = [mark.get("points", "").split() for mark in marks(figure, "polyline")]
    assert [len(points) for points in lines] == [3, 2, 400, 2]  # each with its mark in the legend
    assert "of the first 2 places that left one" in figure.caption


def test_slots_are_told_apart(tmp_path: Path) -> None:
    figure = material(a_night(tmp_path)).figures.slots
    assert {"slot 1", "slot 2"} <= {mark.text for mark in marks(figure, "text")}
    assert len([mark for mark in marks(figure, "rect", "f0") if mark.get("height") == "22"]) == 3


def test_thousands_of_stays_stay_a_small_picture(tmp_path: Path) -> None:
    night = Night(tmp_path)
    for _ in range(2_500):
        night.run(0.5, seconds=10)
        night.wait(1)
    assert len(material(night).figures.slots.content()) < 150_000


@pytest.mark.parametrize("build", [Night, a_night])
def test_all_are_well_formed_and_described(build: type[Night], tmp_path: Path) -> None:
    drawn = material(build(tmp_path)).figures.drawn()
    assert len(drawn) == 4
    for figure in drawn:
        root = parsed(figure)
        title, text = root.find(SVG + "title"), root.findtext(SVG + "desc")
        assert title is not None and title.text == figure.title and text
        assert root.get("role") == "img" and title.get("id") in root.get("aria-labelledby", "").split()
        assert not any(name.startswith(("on", "href", "style")) for mark in root.iter() for name in mark.attrib)


def test_hostile_texts_stay_texts() -> None:
    drawing = Drawing("n", 10, 10, "<script>t</script>", '"&<')
    drawing.text((1, 1), "</svg><script>x()</script>")
    drawing.circle((1, 1), 1, "f0", "]]><b>")
    root = ElementTree.fromstring(drawing.markup(alone=True))
    assert root.findtext(SVG + "text") == "</svg><script>x()</script>" and not list(root.iter(SVG + "script"))


def test_a_sheet_is_taken_only_where_it_is_a_png(tmp_path: Path) -> None:
    def sheet() -> Figure | None:
        return predictions_sheet(tmp_path, "R1", "l", has_masks=True)

    assert sheet() is None and predictions_sheet(None, "R1", "l", has_masks=True) is None
    place = tmp_path / "predictions.png"
    for bad in (b"", b"<svg onload=x>", a_png()[:20], a_png(width=7000, height=1), b"GIF89a" + b"\0" * 40):
        place.write_bytes(bad)
        assert sheet() is None
    place.write_bytes(a_png())
    found = sheet()
    assert (
        found is not None and isinstance(found.picture, Png) and (found.picture.width, found.picture.height) == (3, 2)
    )
    assert found.embedded().startswith(
        '<img alt="Predictions beside the truth" width="3" height="2" src="data:image/png'
    )
    place.unlink()
    place.mkdir()
    assert sheet() is None


@pytest.mark.parametrize("low", [0.0, -3.2, 1e-7, 123456.0, -1e12])
@pytest.mark.parametrize("width", [1e-6, 0.013, 1.0, 7.3, 1e9])
def test_ticks_are_few_and_within(low: float, width: float) -> None:
    high = low + width
    if math.isclose(low, high, rel_tol=1e-12):
        return
    found = ticks(low, high)
    assert 2 <= len(found) <= 7
    room = width * 1e-3
    assert all(low - room <= value <= high + room for value in found) and found == sorted(found)


def test_ticks_are_written_with_the_digits_they_need() -> None:
    assert [shown(value, 0.05) for value in (0.0, 0.65, 0.7)] == ["0", "0.65", "0.7"]
    assert [shown(value, 0.25) for value in (1.25, 1.5)] == ["1.25", "1.5"]
    assert (shown(200.0, 100.0), shown(1e-6, 1e-6), shown(2e9, 1e9)) == ("200", "1e-06", "2e+09")


def test_a_scale_sets_what_is_outside_onto_its_border() -> None:
    scale = Scale(low=0, high=10, start=100, end=0)
    assert (scale.at(5), scale.at(-4), scale.at(40)) == (50, 100, 0)


def test_the_range_without_outliers() -> None:
    low, high = without_outliers([1.0, 1.1, 1.2, 1.3, 1.1, 99.0], always=[2.0])
    assert low < 1.0 and 2.0 < high < 3.0
    assert without_outliers([5.0])[0] < 5.0 < without_outliers([5.0])[1]
    low, high = without_outliers([1.0] * 9 + [3.0])
    assert low < 1.0 and high > 3.0


def test_a_metrics_file_of_anything_draws_nothing(tmp_path: Path) -> None:
    night = a_night(tmp_path)
    (night.folder("R0005") / "metrics.json").write_text(json.dumps({"history": [1, {"epoch": "x"}]}), encoding="utf-8")
    assert "no leading run has left its epochs" in material(night).figures.curves.caption
