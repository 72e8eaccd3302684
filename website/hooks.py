"""What `mkdocs build` does beyond reading `docs/`: the pages made of code, the language's colours, `llms.txt`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from pygments.lexers import _mapping

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from website.llms import llms_full, llms_index  # noqa: E402  (the path is set above)
from website.navigation import completed, listed  # noqa: E402
from website.pages import Page, site_pages  # noqa: E402

_pages: dict[str, Page] = {}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Make the language's colours known, read the pages, and put those into the navigation that it does not name."""
    _mapping.LEXERS["MixLexer"] = ("website.mix_lexer", "Mixwright", ("mix",), ("*.mix",), ())
    _pages.clear()
    _pages.update(site_pages(ROOT))
    config.nav = completed(config.nav, _pages)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Take every page from `site_pages`; what is no page, such as a schema, is copied as it lies in `docs/`."""
    kept = Files([file for file in files if not file.is_documentation_page()])
    for place, page in _pages.items():
        file = File.generated(config, place, content=page.markdown)
        kept.append(file)
    return kept


def on_page_context(context: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Nothing leads to an editor of pages that are made."""
    context["page"].edit_url = None
    return context


def on_post_build(config: MkDocsConfig) -> None:
    """Write what is for machines: an index, all in one file, and each page as Markdown beside its HTML."""
    site = Path(config.site_dir)
    order = listed(config.nav)
    (site / "llms.txt").write_text(
        llms_index(config.nav, _pages, config.site_description or ""), encoding="utf-8"
    )
    (site / "llms-full.txt").write_text(llms_full(order, _pages), encoding="utf-8")
    for place, page in _pages.items():
        (site / place).parent.mkdir(parents=True, exist_ok=True)
        (site / place).write_text(page.text, encoding="utf-8")
