"""What carrying out actions needs to know: the project, the engine, who listens. One per verb."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from compose.errors import NotFound
from compose.model.project import Project
from compose.planning.actions import EnsureImage, WaitFor
from compose.planning.observed import Observed
from compose.scheduling.events import Message, OnEvent, ResourceEvent
from compose.scheduling.states import States
from runtime.engine import Engine
from runtime.values import ContainerRecord


class Work:
    """The state of a running verb, shared by its actions."""

    def __init__(
        self,
        project: Project,
        observed: Observed,
        engine: Engine,
        on_event: OnEvent,
        *,
        env_files: tuple[str, ...] = (),
        quiet_pull: bool = False,
        dry: bool = False,
    ) -> None:
        self.project = project
        self.observed = observed
        self.engine = engine
        self.on_event = on_event
        self.env_files = env_files
        self.quiet_pull = quiet_pull
        self.dry = dry
        self.states = States(engine)
        self.made: dict[str, ContainerRecord] = {}
        """Containers that this verb made, by their final name."""
        self.waited_for: dict[str, str] = {}
        """Container id -> what it is waited for to be, for the report when time is up."""
        self.ready: list[tuple[WaitFor, ContainerRecord]] = []
        """What `--wait` has seen ready, and must still be when all else is."""
        self.starting: frozenset[str] = frozenset()
        """Names of the containers that the plan under way starts."""
        self.removes_networks = False
        """The plan under way does, in the end."""
        self.not_pulled: list[EnsureImage] = []
        """Images that could not be had."""
        self.on_made: Callable[[ContainerRecord, str], None] = lambda record, name: None
        """Told of each as soon as it exists, with that name."""

    def id_of(self, name: str, known: str) -> str:
        """`known`, or the id of the container that was made under the name."""
        return known or self.made[name].id

    def first_of(self, service: str) -> str:
        """The id of a service's first container, made just now or there before. Raises NotFound."""
        made = [record for record in self.made.values() if record.options.service == service]
        there = made or list(self.observed.replicas(service))
        if not there:
            raise NotFound(f"service {service} has no container", code="E205")
        return min(there, key=lambda record: record.options.number).id

    @property
    def file_digests(self) -> Mapping[str, str]:
        return self.observed.file_digests

    def tell(self, id: str, text: str, status: str = "Working", details: str = "") -> None:
        self.on_event(ResourceEvent(id=id, text=text, status=status, details=details))  # type: ignore[arg-type]

    def tell_warnings(self, name: str, warnings: Iterable[str]) -> None:
        """What a container was not given as its file asks for."""
        for warning in warnings:
            self.on_event(Message(level="warning", text=f"{name}: {warning}"))

    @contextmanager
    def told(self, id: str, working: str, done: str, *, tolerant: bool = False) -> Iterator[None]:
        """`Creating` before the block, `Created` after it, the error in one line when it fails.

        With `tolerant` that is a warning, and the end of it.
        """
        self.tell(id, working)
        try:
            yield
        except Exception as error:
            said = str(error).partition("\n")[0]
            if tolerant:
                self.tell(id, "Warning", "Warning", said)
                return
            self.tell(id, "Error", "Error", said)
            raise
        self.tell(id, done, "Done")
