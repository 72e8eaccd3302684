"""Defect adapter: `defect_mixwright.py URL VARIANT` runs a two-step spec with one seeded defect."""

import sys
from pathlib import Path

SPEC = """edition 2026

model fake openai { base_url = "URL", model = "fake" }

source topics inline {
  license = "cc0-1.0"
  rows = [{ topic = "a0" }, { topic = "a1" }, { topic = "a2" }, { topic = "a3" }, { topic = "a4" },
    { topic = "a5" }, { topic = "a6" }, { topic = "a7" }, { topic = "a8" }, { topic = "a9" }]
}

template question { user = "Ask {{ topic }} number 1" }
template reply { user = "Answer {{ q }} number 2" }

pipeline pairs {
  from topics
  generate q { prompt = question, model = fake, temperature = 0.1, max_tokens = 256 }
  generate a { prompt = reply, model = fake, temperature = 0.1 }
}
"""

DEFECTS = {
    "ok": ("", ""),
    "var_typo": ("{{ topic }}", "{{ topci }}"),
    "missing_col": ("{{ q }}", "{{ qq }}"),
    "misspelt_param": ("temperature = 0.1, max_tokens", "temprature = 0.3, max_tokens"),
    "range": ("temperature = 0.1, max_tokens", "temperature = -3, max_tokens"),
    "type": ("max_tokens = 256", 'max_tokens = "many"'),
    "undef_model": ("prompt = reply, model = fake", "prompt = reply, model = fakee"),
    "cycle": ("from topics", "from pairs"),
    "dup_name": ("generate a {", "generate q {"),
}


def main() -> int:
    url, variant = sys.argv[1:3]
    old, new = DEFECTS[variant]
    text = SPEC.replace(old, new, 1) if old else SPEC
    spec = Path("pairs.mix")
    spec.write_text(text.replace("URL", url), encoding="utf-8")
    from mixwright.cli import main as mixwright

    status = mixwright(["run", str(spec), "--store", "store"])
    if status == 0:
        from mixwright import rows as kept_rows

        rows = list(kept_rows(Path("store"), "pairs"))
        print("ROWS", len(rows))
        print("NONNULL", sum(1 for row in rows if row["a"]))
    return status


sys.exit(main())
