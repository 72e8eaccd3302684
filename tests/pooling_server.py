"""A real reward model behind HTTP, in the shapes of vLLM 0.32: the paths a model has there, its tasks, its faults.

The numbers come from the model that engine `transformers` loads; which path and task gives them, whether an
activation is applied, and what an unknown task answers, is as vLLM's server does it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from mixwright_runtime.engines.measured import sigmoid, softmax

Change = Callable[[str, dict[str, Any]], Any]
"""(path, answer) -> another answer, or an `aiohttp.web.Response`."""


class PoolingServer:
    """Serves the model at `path`. `step_tag`: pool at these tokens, as `--pooler-config` with STEP does."""

    def __init__(self, path: Path, *, step_tag: str = "", change: Change | None = None) -> None:
        import torch
        import transformers

        torch.set_num_threads(1)
        config = transformers.AutoConfig.from_pretrained(path)
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(path)
        self.change = change or (lambda path, answer: answer)
        self.requests: list[tuple[str, dict[str, Any]]] = []
        architecture = config.architectures[0]
        self.by_token = "Reward" in architecture or "TokenClassification" in architecture
        self.embeds = architecture == "BertModel"
        self.tasks = ["token_classify"] if self.by_token else ["classify", "token_classify"]
        self.tag = self.tokenizer.convert_tokens_to_ids(step_tag) if step_tag else None
        self._logits = self._loaded(path, config)
        self._loop = asyncio.new_event_loop()
        self.url = ""

    def _loaded(self, path: Path, config: Any) -> Callable[..., Any]:
        """ids -> logits of every token, (time, labels), or of the whole, (1, labels)."""
        import torch

        from mixwright_runtime.engines import pooled

        if self.embeds:
            loaded: Any = pooled.load_embedder(str(path), "mean", config)
            return lambda tokens: torch.tensor(loaded.vectors([tokens]))
        task: Any = "reward"
        if config.architectures[0].endswith(("ForProcessRewardModel", "ForTokenClassification")):
            task = "process_reward"
        elif not config.architectures[0].endswith("RewardModel") and config.num_labels > 1:
            task = "classify"
        scorer = pooled.load_scorer(str(path), task, config)

        def logits(tokens: Any) -> Any:
            with torch.inference_mode():
                ids = torch.tensor([tokens.tokens])
                if scorer._head is None:
                    types = {"token_type_ids": torch.tensor([tokens.segments])} if tokens.segments else {}
                    return scorer._model(input_ids=ids, **types).logits[0].reshape(-1, config.num_labels)
                return scorer._head(scorer._model(input_ids=ids).last_hidden_state[0])

        return logits

    def __enter__(self) -> PoolingServer:
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)

    def _serve(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        paths = ["/v1/embeddings"] if self.embeds else ["/pooling"]
        if not self.embeds and not self.by_token:
            paths += ["/classify", "/score"]
        for path in paths:
            app.router.add_post(path, self._post)
        runner = web.AppRunner(app)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{port}/v1"
        ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "rm", "object": "model"}]})

    async def _post(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.requests.append((request.path, body))
        try:
            answer = self.change(request.path, self._answer(request.path, body))
        except ValueError as error:
            return web.json_response({"error": {"message": str(error), "code": 400}}, status=400)
        return answer if isinstance(answer, web.Response) else web.json_response(answer)

    def _answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = {"object": "list", "model": "rm", "usage": {"prompt_tokens": 7}}
        if path == "/v1/embeddings":
            rows = [self._logits(self._tokens(text))[0].tolist() for text in body["input"]]
            # Not of length 1, and not in order: OpenAI's form allows both.
            data = [{"index": at, "embedding": [3 * v for v in row]} for at, row in enumerate(rows)]
            return {**answer, "data": data[::-1]}
        task = body.get("task") or ("classify" if path in ("/classify", "/score") else self.tasks[0])
        if task not in self.tasks:
            raise ValueError(f"Unsupported task: {task!r} Supported tasks: {self.tasks}")
        if path == "/score":
            tokens = self._tokens(body["text_1"], body["text_2"])
        elif "messages" in body:
            ids = self.tokenizer.apply_chat_template(body["messages"], tokenize=True, return_dict=True)
            tokens = self._plain(ids["input_ids"])
        else:
            tokens = self._tokens(body["input"])
        rows = self._logits(tokens).tolist()
        if body.get("use_activation", True):
            rows = [softmax(row) if len(row) > 1 else [sigmoid(row[0])] for row in rows]
        if path == "/score":
            return {**answer, "data": [{"index": 0, "object": "score", "score": rows[-1][0]}]}
        if path == "/classify":
            found = {"index": 0, "label": None, "probs": rows[-1], "num_classes": len(rows[-1])}
            return {**answer, "data": [found]}
        if self.tag is not None:
            rows = [row for row, token in zip(rows, tokens.tokens, strict=True) if token == self.tag]
        data = rows if task == "token_classify" else rows[-1]
        return {**answer, "data": [{"index": 0, "object": "pooling", "data": data}]}

    def _tokens(self, *texts: str) -> Any:
        encoded = self.tokenizer(*texts)
        return self._plain(encoded["input_ids"], encoded.get("token_type_ids") or ())

    def _plain(self, ids: Any, segments: Any = ()) -> Any:
        from mixwright_runtime.engines.sequences import Tokens

        return Tokens(list(ids), list(segments))
