"""A plan: actions, and which must be done before which. `str(plan)` is the language of the tests.

    1        pull nginx:2      image of web changed: nginx:1 -> nginx:2
    2  <- 1  create web-1      image of web changed: nginx:1 -> nginx:2
    3  <- 2  stop web-1        replaced

Numbers are the order in which one worker alone would do them. `<- 2?` is an optional predecessor:
when it fails, this action is done all the same. Knows nothing of what the actions are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any

from compose.planning.actions import (
    Action,
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    StartContainer,
    UnpauseContainer,
)

if TYPE_CHECKING:
    from networkx import DiGraph

_PLAIN_REASONS: Mapping[type, str] = {
    CreateNetwork: "not there yet",
    CreateVolume: "not there yet",
    CreateContainer: "not there yet",
    StartContainer: "does not run",
    UnpauseContainer: "is paused",
}
"""Of actions that need no further one; the plans of the tests leave them out."""


class Plan:
    """A directed acyclic graph of actions; nodes are their numbers. Not changed once it is built.

    `untouched` are the names of the containers that are as they should be; `warnings` is what the
    planners have to say.
    """

    def __init__(
        self,
        graph: DiGraph[int] | None = None,
        *,
        untouched: tuple[str, ...] = (),
        warnings: tuple[str, ...] = (),
    ) -> None:
        self._graph = graph
        self.untouched = untouched
        self.warnings = warnings

    @property
    def is_empty(self) -> bool:
        return self._graph is None

    @property
    def numbers(self) -> Iterable[int]:
        """The nodes, in order."""
        return () if self._graph is None else range(1, len(self._graph) + 1)

    def __iter__(self) -> Iterator[Action]:
        return (self.action(number) for number in self.numbers)

    def __len__(self) -> int:
        return 0 if self._graph is None else len(self._graph)

    def action(self, number: int) -> Action:
        found: Action = self._nodes[number]["action"]
        return found

    def predecessors(self, number: int) -> list[int]:
        return [] if self._graph is None else sorted(self._graph.predecessors(number))

    def successors(self, number: int) -> list[int]:
        return [] if self._graph is None else sorted(self._graph.successors(number))

    def is_optional(self, before: int, after: int) -> bool:
        """Whether `after` is done even when `before` fails."""
        return self._graph is not None and bool(self._graph.edges[before, after]["optional"])

    @property
    def _nodes(self) -> Any:
        return {} if self._graph is None else self._graph.nodes

    def __str__(self) -> str:
        return self._table(lambda action: action.reason)

    def explained(self) -> str:
        """For a person: each action with its reason, the plain ones too; then what stays."""
        parts = [self._table(lambda action: action.reason or _PLAIN_REASONS.get(type(action), ""))]
        if self.is_empty:
            parts = ["nothing to do"]
        if self.untouched:
            parts.append(f"as it should be: {', '.join(sorted(self.untouched))}")
        return "\n".join(parts)

    def _table(self, reason: Callable[[Action], str]) -> str:
        rows = [self._row(number, reason) for number in self.numbers]
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
        return "\n".join(
            "  ".join(
                text.ljust(width) for text, width in zip(row, (*widths, 0), strict=True)
            ).rstrip()
            for row in rows
        )

    def _row(self, number: int, reason: Callable[[Action], str]) -> tuple[str, str, str, str]:
        action = self.action(number)
        before = ",".join(
            f"{n}?" if self.is_optional(n, number) else str(n) for n in self.predecessors(number)
        )
        return str(number), f"<- {before}" if before else "", str(action), reason(action)

    def __repr__(self) -> str:
        return f"Plan:\n{self}"


class Step:
    """A place in a plan that is being built: hand it to `after` of later steps."""

    __slots__ = ("action", "before")

    def __init__(self, action: Action) -> None:
        self.action = action
        self.before: dict[Step, bool] = {}
        """The predecessors, and whether each is optional."""

    def add_before(self, steps: Iterable[Step], *, optional: bool = False) -> None:
        """These come first. What one caller requires, another cannot make optional."""
        for step in steps:
            self.before[step] = optional and self.before.get(step, True)


class PlanBuilder:
    """Collects steps; `build` numbers them. Planners share one."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self.untouched: list[str] = []
        self.warnings: list[str] = []

    def add(self, action: Action, *, after: Iterable[Step | None] = ()) -> Step:
        step = Step(action)
        step.add_before(before for before in after if before is not None)
        self._steps.append(step)
        return step

    def put_first(self, steps: Iterable[Step]) -> None:
        """Nothing else begins before these are done, and when one fails, nothing has begun."""
        first = tuple(steps)
        for step in self._steps:
            if not step.before and step not in first:
                step.add_before(first)

    @property
    def has_steps(self) -> bool:
        return bool(self._steps)

    def build(self) -> Plan:
        """networkx is imported here, and for a plan that does something only."""
        untouched, warnings = tuple(self.untouched), tuple(self.warnings)
        if not self._steps:
            return Plan(untouched=untouched, warnings=warnings)
        from compose.planning.digraph import new_digraph

        graph = new_digraph()
        numbers: dict[Step, int] = {}
        for step in _in_order(self._steps):
            numbers[step] = len(numbers) + 1
            graph.add_node(numbers[step], action=step.action)
            for before, optional in step.before.items():
                graph.add_edge(numbers[before], numbers[step], optional=optional)
        return Plan(graph, untouched=untouched, warnings=warnings)


def _in_order(steps: list[Step]) -> Iterator[Step]:
    """Predecessors first; of those that could come next, the one that was added first."""
    place = {step: index for index, step in enumerate(steps)}
    missing = {step: len(step.before) for step in steps}
    after: dict[Step, list[Step]] = {step: [] for step in steps}
    for step in steps:
        for before in step.before:
            after[before].append(step)
    ready = [place[step] for step in steps if not missing[step]]
    heapify(ready)
    while ready:
        step = steps[heappop(ready)]
        yield step
        for later in after[step]:
            missing[later] -= 1
            if not missing[later]:
                heappush(ready, place[later])
    circle = [str(step.action) for step, count in missing.items() if count]
    assert not circle, f"the planners made a circle: {', '.join(circle)}"
