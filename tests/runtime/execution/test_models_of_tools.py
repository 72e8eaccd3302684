"""Models behind tools are found out before the first row, like those that steps ask."""

from __future__ import annotations

from pathlib import Path

import pytest
from picky_server import PickyServer, Reply, completion

import mixwright
from mixwright_runtime.calls.models import asked_of
from mixwright_runtime.engines.protocol import Needs
from mixwright_runtime.errors import EngineUnavailable
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.store.store import Store

SPEC = """edition 2026
source tasks inline {{ rows = [{{ task = "Greet.", asked = ["translator(hello)"] }}], license = "mit" }}
model small openai {{ base_url = "{url}", model = "tiny", serves = vllm, license = "mit" }}
template begun {{ user = "Into Norwegian: {{{{ text }}}}", assistant = "Norwegian:" }}
tool translator model {{ model = small, prompt = begun }}
pipeline p {{
  from tasks
  call observed {{ calls = asked, tools = [translator] }}
  chat {{ user = task, assistant = task }}
}}
mixture main {{ seed = 1, p = all }}
"""


def test_what_its_calls_need_is_probed_at_start(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    with PickyServer(lambda seen: Reply(completion("hei"))) as server:
        (tmp_path / "spec.mix").write_text(SPEC.format(url=server.url))
        plan = mixwright.plan(tmp_path / "spec.mix")
        assert asked_of(plan, plan.pipelines["p"].steps) == {"small": Needs(frozenset({"continue"}))}
        with (
            Store.open(tmp_path / "store") as store,
            pytest.raises(EngineUnavailable, match="does not go on from an answer that is begun"),
        ):
            run_plan(plan, store=store, options=RunOptions(exports=False))
        assert all(seen.body["max_tokens"] == 1 for seen in server.seen), "probes alone"
