"""The frame of a page: one file without scripts, network or links out, in light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

TABLE_ROWS = 50
"""Rows shown of a table whose length the data decides."""


def page(title: str, body: Iterable[str]) -> str:
    """A whole HTML document. `title` and the parts of `body` are HTML already."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head>\n<body><main>\n"
        + "\n".join(body)
        + "\n</main></body></html>\n"
    )


def table(header: Sequence[str], rows: Sequence[Iterable[str]]) -> str:
    """A table of at most `TABLE_ROWS` rows. Cells are HTML already."""
    numeric = {"wanted", "got", "of all", "rows", "available", "taken", "answered", "failed", "tokens read"}
    numeric |= {"tokens written", "cost", "before", "after", "change"}
    classes = [" class=n" if name in numeric else "" for name in header]
    head = "".join(f"<th{c}>{name}</th>" for name, c in zip(header, classes, strict=True))
    lines = [
        "<tr>" + "".join(f"<td{c}>{cell}</td>" for cell, c in zip(row, classes, strict=True)) + "</tr>"
        for row in rows[:TABLE_ROWS]
    ]
    more = f"<p>… and {len(rows) - TABLE_ROWS:,} more.</p>" if len(rows) > TABLE_ROWS else ""
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>{more}'


STYLE = """
:root{color-scheme:light dark;--ink:#1c2128;--soft:#5b6675;--line:#dfe3e8;--page:#fff;--card:#f6f7f9;--bar:#3b6fb6;
--lost:#e3b7a0;--good:#20744a;--bad:#b0402c}
@media(prefers-color-scheme:dark){:root{--ink:#e4e8ee;--soft:#9aa5b4;--line:#343b45;--page:#15181d;--card:#1d2127;
--bar:#6d9fe0;--lost:#7c4a37;--good:#5fc08d;--bad:#e58a76}}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,"DejaVu Sans",sans-serif}
main{max-width:960px;margin:0 auto;padding:28px 20px}
h1{font-size:26px;margin:0 0 8px}
h2{font-size:19px;margin:36px 0 10px;border-bottom:1px solid var(--line);padding-bottom:4px}
main>section:first-child h2{margin-top:0}
h3{font-size:15px;margin:14px 0 6px}
small{color:var(--soft);font-weight:400}
.status{font-size:13px;padding:2px 9px;border-radius:10px;vertical-align:4px;background:var(--card);color:var(--soft)}
.status.done{color:var(--good)}
.status.failed,.status.short,.warn{color:var(--bad)}
.figures{list-style:none;display:flex;flex-wrap:wrap;gap:6px 26px;padding:0;margin:0;color:var(--soft)}
.figures b{color:var(--ink);font-size:19px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px}
th{text-align:left;color:var(--soft);font-weight:500}
td,th{padding:4px 10px 4px 0;border-bottom:1px solid var(--line);vertical-align:top}
td:last-child,th:last-child{padding-right:0}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
code,pre{font:13px/1.45 ui-monospace,"DejaVu Sans Mono",monospace}
pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:6px 0}
progress{width:70px;height:8px;accent-color:var(--bar)}
progress.short{accent-color:var(--bad)}
svg{display:block;width:100%;margin:10px 0}
svg text{font:13px system-ui,"DejaVu Sans",sans-serif;fill:var(--ink)}
.bar{fill:var(--bar)}
.lost{fill:var(--lost)}
.line{fill:none;stroke:var(--bar);stroke-width:1.6}
.good{color:var(--good)}
.bad{color:var(--bad)}
.dot{fill:var(--bar);fill-opacity:.55}
.mean{stroke:var(--ink);stroke-width:2}
.base{stroke:var(--soft);stroke-dasharray:3 3}
.curves figure{margin:6px 0}
.curves{display:grid;grid-template-columns:repeat(auto-fit,minmax(400px,1fr));gap:0 26px}
.axis{fill:none;stroke:var(--line)}
figure{margin:14px 0}
figcaption{color:var(--soft);font-size:14px}
article{background:var(--card);border-radius:8px;padding:8px 14px 10px;margin:12px 0}
.turn{display:grid;grid-template-columns:86px 1fr;gap:10px;margin:6px 0}
.turn b{color:var(--soft);font-weight:500;overflow-wrap:anywhere}
.turn p{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate}
.reason{color:var(--bad);font-weight:400}
.cut{color:var(--soft)}
details{margin:6px 0}
summary{cursor:pointer;color:var(--soft)}
footer{margin-top:40px;color:var(--soft);font-size:13px;overflow-wrap:anywhere}
"""
