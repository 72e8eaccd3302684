"""What steps may use: one for all steps of a plan that are at work in this process, whoever drives them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright_compiler.plan.plan import Expression, Plan, Step
from mixwright_runtime.calls.models import DeclaredCalls, RunCalls
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.protocol import NoTools, StepContext
from mixwright_runtime.stream.pool import Pool
from mixwright_runtime.stream.supply import Sources
from mixwright_runtime.tools.kinds import Surroundings
from mixwright_runtime.tools.toolbox import StepTools, Toolbox, ToolResults
from mixwright_runtime.values.ranges import HERE, Ranges
from mixwright_runtime.values.rows import Rendered, Row, SourceIds

if TYPE_CHECKING:
    from mixwright_runtime.cluster.engine import LeasedWork


class RunContext:
    """Expressions and templates of a plan, its sources, its models, and workers and boxes made when one is asked for."""

    def __init__(
        self,
        plan: Plan,
        sources: Sources,
        calls: RunCalls,
        *,
        sandbox: str = "bwrap",
        leased: LeasedWork | None = None,
        results: ToolResults | None = None,
    ) -> None:
        """sandbox: what confines untrusted code (mixwright_runtime/sandbox/backends.py). leased: whose workers and boxes
        are used instead of those of this machine. results: of tools; None where no step runs any."""
        self.plan = plan
        self.sources = sources
        self.calls = calls
        self._sandbox_name = sandbox
        self._leased = leased
        self.ranges: Ranges = HERE if leased is None else leased.ranges
        """Who does what is done of many rows."""
        self.pools: dict[str, Pool] = {}
        """Of pipelines that draw from their own rows."""
        self.made: dict[str, Callable[[], Iterable[Row]]] = {}
        """Pipeline -> the rows that it has kept, in start order."""
        self._toolbox = None if results is None else Toolbox(plan, calls, results, self._surroundings())
        self._workers: Any = None
        self._boxes: Any = None

    def of(self, step: Step, owner: str, seed: int) -> StepContext:
        """What a step of the pipeline or mixture `owner` may use."""
        return StepContext(
            plan=self.plan,
            directory=Path(self.plan.directory),
            seed=seed,
            expression=self.expression,
            template=lambda name: self._called(self.template(name), step.names),
            calls=DeclaredCalls(self.calls, step, f"{owner}.{step.id}"),
            workers=self._pool,
            rows_of=self.rows_of,
            beside=self.sources.beside,
            origins_of=self.origins_of,
            pool=lambda position: self.pools[owner].before(position),
            pipeline=owner,
            sandbox=self._sandbox,
            tools=NoTools()
            if self._toolbox is None
            else StepTools(self._toolbox, step, f"{owner}.{step.id}"),
            scratch=self.sources.scratch,
            ranges=self.ranges,
        )

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            directory=Path(self.plan.directory),
            workers=self._pool,
            sandbox=self._sandbox,
            rows_of=self.rows_of,
            beside=self.sources.beside,
            template=self.template,
        )

    def rows_of(self, name: str) -> Iterable[Mapping[str, Any]]:
        """Rows of a source, or of a pipeline that was run before.

        Raises:
            RunError: the source cannot be read, or the pipeline is not run.
        """
        if name in self.plan.pipelines:
            if name not in self.made:
                raise RunError(f"rows of pipeline '{name}' are drawn, and it is not run")
            return (row.columns for row in self.made[name]())
        return (entry.columns for entry in self.sources.entries(name))

    def origins_of(self, name: str) -> Iterable[bytes]:
        """The source row that each of `rows_of` started from: of a source itself."""
        if name in self.plan.pipelines:
            return (row.origin_id for row in self.made[name]())
        return map(SourceIds().of, self.rows_of(name))

    def expression(self, expression: Expression | Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Any]:
        """A plan expression as a function of a row's columns."""
        from mixwright_runtime.values.expressions import compile_expression

        return compile_expression(expression)

    def template(self, name: str) -> Callable[[Mapping[str, Any]], Rendered]:
        """A template of the plan as a function of a row's columns."""
        from mixwright_runtime.values.templates import compile_template

        return compile_template(self.plan.templates[name])

    @staticmethod
    def _called(
        render: Callable[[Mapping[str, Any]], Rendered], names: Mapping[str, str]
    ) -> Callable[[Mapping[str, Any]], Rendered]:
        """A template that calls columns otherwise than the rows do."""
        if not names:
            return render

        def renamed(columns: Mapping[str, Any]) -> Rendered:
            others = {name: columns[column] for name, column in names.items() if column in columns}
            return render({**columns, **others})

        return renamed

    def _pool(self) -> Any:
        if self._workers is None and self._leased is not None:
            self._workers = self._leased.pool()
        elif self._workers is None:
            from mixwright_runtime.workers.pool import WorkerPool

            self._workers = WorkerPool()
        return self._workers

    def _sandbox(self) -> Any:
        if self._boxes is None and self._leased is not None:
            self._boxes = self._leased.sandbox()
        elif self._boxes is None:
            from mixwright_runtime.sandbox.backends import named_sandbox

            self._boxes = named_sandbox(self._sandbox_name)
        return self._boxes

    async def close(self) -> None:
        """End tools, workers and boxes."""
        if self._toolbox is not None:
            await self._toolbox.close()
        for pool in (self._boxes, self._workers):
            if pool is not None:
                await pool.close()
