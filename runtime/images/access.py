"""Who we are to registries, and by which ways we reach them: configuration, logins, connections.

One for a pull or a push. What is asked there is registry.py's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping

from runtime.images.credentials import Credentials
from runtime.images.http_client import IDLE_SECONDS, Cancellation, Client
from runtime.images.reference import Reference
from runtime.images.registries_conf import Endpoint, Registries, read_registries
from runtime.images.registry import DEFAULT_TRIES, Repository, Tries
from runtime.values import Login


class Access:
    """For any number of threads. Close it when done."""

    def __init__(
        self,
        cancellation: Cancellation,
        *,
        environment: Mapping[str, str] | None = None,
        registries: Registries | None = None,
        tries: Tries = DEFAULT_TRIES,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self.environment = os.environ if environment is None else environment
        self.cancellation = cancellation
        self._registries = registries or read_registries(self.environment)
        self.credentials = Credentials(self.environment)
        self._tries = tries
        self._idle_seconds = idle_seconds
        self._clients: list[Client] = []

    def __enter__(self) -> Access:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.close()

    def sources(self, reference: Reference) -> Iterator[Repository]:
        """Where to pull from, in order: mirrors, then the registry itself. Raises RuntimeFault when
        the registry is blocked.
        """
        for endpoint in self._registries.endpoints(reference):
            yield self._repository(endpoint, "pull")

    def target(self, reference: Reference, *, actions: str = "pull,push") -> Repository:
        """The registry itself, never a mirror."""
        return self._repository(self._registries.target(reference), actions)

    def renewed(self, repository: Repository) -> Repository:
        """The same, after its work was given up."""
        return self._repository(repository.endpoint, "pull")

    def check_login(self, registry: str, login: Login) -> None:
        """Raises RuntimeFault when the registry does not take it."""
        endpoint = self._registries.of_host(registry)
        self._repository(endpoint, "", find_login=lambda: login).check_login()

    def _repository(
        self,
        endpoint: Endpoint,
        actions: str,
        *,
        find_login: Callable[[], Login | None] | None = None,
    ) -> Repository:
        cancellation = self.cancellation.part()
        client = Client(cancellation, environment=self.environment, idle_seconds=self._idle_seconds)
        self._clients.append(client)
        return Repository(
            endpoint,
            client,
            cancellation,
            find_login=find_login or (lambda: self.credentials.find(endpoint.key, endpoint.path)),
            find_tls=lambda origin: self._registries.tls_of(str(origin)),
            environment=self.environment,
            actions=actions,
            tries=self._tries,
        )
