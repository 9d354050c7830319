"""How the page looks: light and dark by the reader's own wish, one column, light on paper."""

from llm_loop.report.figures.style import FIGURE_CSS

_LIGHT = "--back:#f6f8fa;--paper:#ffffff;--ink:#1f2328;--soft:#59636e;--rule:#d1d9e0;--accent:#0b62b0;--warm:#fff8e6"
_DARK = "--back:#0a0e13;--paper:#0f141a;--ink:#e6edf3;--soft:#9aa7b4;--rule:#30363d;--accent:#58a6ff;--warm:#241d0d"

PAGE_CSS = f"""
:root{{color-scheme:light dark;{_LIGHT}}}
@media (prefers-color-scheme:dark){{:root{{{_DARK}}}}}
*{{box-sizing:border-box}}
body{{margin:0 auto;padding:1.5rem;max-width:60rem;background:var(--back);color:var(--ink);
font:16px/1.55 system-ui,'Segoe UI',Roboto,sans-serif;overflow-wrap:anywhere}}
h1{{font-size:1.6rem;line-height:1.2;margin:.2rem 0 1rem}}
h2{{font-size:1.25rem;margin:2rem 0 .6rem}}
h3{{font-size:1.05rem;margin:1.4rem 0 .4rem}}
p,ul{{margin:.5rem 0}}
a{{color:var(--accent)}}
code{{font:.88em/1.4 ui-monospace,Consolas,Menlo,monospace;background:var(--back);border:1px solid var(--rule);
border-radius:4px;padding:.05em .3em}}
pre{{background:var(--back);border:1px solid var(--rule);border-radius:6px;padding:.8rem;white-space:pre-wrap}}
pre code{{background:none;border:0;padding:0}}
header,section,figure,nav{{background:var(--paper);border:1px solid var(--rule);border-radius:10px;
padding:1.2rem 1.4rem;margin:0 0 1.2rem}}
section figure{{border:0;padding:0;margin:1.2rem 0}}
section>h2:first-child{{margin-top:0}}
nav{{display:flex;flex-wrap:wrap;gap:.3rem 1rem;font-size:.93rem}}
.cards{{display:grid;grid-template-columns:repeat(auto-fit,minmax(22rem,1fr));gap:1rem}}
.cards>div{{border-left:4px solid var(--accent);padding-left:.8rem}}
.cards h2{{font-size:.82rem;text-transform:uppercase;letter-spacing:.06em;color:var(--soft);margin:0}}
.cards p{{font-size:.92rem;margin:.3rem 0}}
.cards>div:nth-child(-n+2) p:nth-of-type(1) strong{{font-size:1.15rem;line-height:1.3}}
.test{{margin-top:1rem;padding-top:.8rem;border-top:1px solid var(--rule)}}
svg.figure,figure img{{display:block;max-width:100%;height:auto;margin:0 auto}}
figure img{{image-rendering:auto;background:#fff}}
figcaption{{color:var(--soft);font-size:.9rem;margin-top:.6rem}}
.scroll{{overflow-x:auto}}
table{{border-collapse:collapse;width:100%;font-size:.88rem;margin:.6rem 0;overflow-wrap:normal}}
th,td{{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid var(--rule)}}
th{{color:var(--soft);font-weight:600}}
td{{min-width:3.5rem;max-width:26rem;overflow-wrap:break-word}}
td code{{overflow-wrap:anywhere}}
.number{{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}}
.foreign{{white-space:pre-wrap;background:var(--warm);border-left:4px solid #d29922;margin:.6rem 0;padding:.8rem 1rem}}
footer{{color:var(--soft);font-size:.85rem;text-align:center;padding:1rem}}
@media print{{:root{{{_LIGHT};--back:#ffffff}}body{{max-width:none;padding:0;font-size:10.5pt}}
header,section,nav,figure{{border:0;padding:0}}nav{{display:none}}figure,tr,pre{{break-inside:avoid}}
h1,h2,h3{{break-after:avoid}}.scroll{{overflow:visible}}table{{font-size:8pt}}th,td{{min-width:0;padding:.2rem .3rem}}
figure img{{max-height:24cm;width:auto}}}}
{FIGURE_CSS}
"""
"""The one style sheet of the page, held by its policy to these very bytes."""
