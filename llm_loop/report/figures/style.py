"""How figures look: the classes that their marks carry, in light and dark; colours that most colour-blind eyes part."""

SERIES = 6
"""How many series have a colour of their own: classes ``s0`` to ``s5`` for lines, ``f0`` to ``f5`` for areas."""

_LIGHT = (
    "--paper:#ffffff;--ink:#1f2328;--soft:#59636e;--rule:#d1d9e0;--empty:#e6eaef;"
    "--c0:#0b62b0;--c1:#c2410c;--c2:#0f7b5f;--c3:#8e4ec6;--c4:#a16207;--c5:#be185d;--bad:#b42318"
)
_DARK = (
    "--paper:#0f141a;--ink:#e6edf3;--soft:#9aa7b4;--rule:#30363d;--empty:#252c35;"
    "--c0:#58a6ff;--c1:#ff9b5e;--c2:#3fc79a;--c3:#c792f5;--c4:#e3b341;--c5:#f778ba;--bad:#ff7b72"
)

FIGURE_CSS = "\n".join(
    [
        f"svg.figure{{{_LIGHT};font:13px system-ui,'Segoe UI',Roboto,sans-serif}}",
        f"@media (prefers-color-scheme:dark){{svg.figure{{{_DARK}}}}}",
        f"@media print{{svg.figure{{{_LIGHT}}}}}",
        "svg.figure .paper{fill:var(--paper)}",
        "svg.figure text{fill:var(--ink)}",
        "svg.figure text.soft{fill:var(--soft)}",
        "svg.figure .rule{stroke:var(--rule);stroke-width:1;fill:none}",
        "svg.figure .axis{stroke:var(--soft);stroke-width:1;fill:none}",
        "svg.figure .seam{stroke:var(--soft);stroke-width:1;stroke-dasharray:2 4;fill:none}",
        "svg.figure .empty{fill:var(--empty)}",
        "svg.figure .line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}",
        "svg.figure .dash{stroke-dasharray:6 4}",
        "svg.figure .dots{stroke-dasharray:2 4}",
        "svg.figure .faint{fill-opacity:.6}",
        "svg.figure .cross{stroke:var(--bad);stroke-width:1.6;fill:none}",
        "svg.figure .halo{stroke:var(--paper);stroke-width:3;paint-order:stroke;stroke-linejoin:round}",
        *(f"svg.figure .s{number}{{stroke:var(--c{number})}}" for number in range(SERIES)),
        *(f"svg.figure .f{number}{{fill:var(--c{number})}}" for number in range(SERIES)),
    ]
)
"""Style rules for everything within ``<svg class="figure">``."""
