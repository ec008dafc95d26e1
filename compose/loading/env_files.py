"""env_file and label_file, read into their services; verbs that need only a name skip this. Source:
14."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from compose.errors import Fault, InvalidFile, Path
from compose.loading.discover import read_text
from compose.loading.dotenv import parse_dotenv, parse_raw
from compose.loading.environment import Environment, Variable
from compose.loading.report import Report
from compose.model.attribute import replace
from compose.model.process import EnvFile
from compose.model.project import Origins, Project
from compose.model.service import Service
from compose.position import File, Position
from compose.tree import Origin, Step


def read_env_files(project: Project, environment: Environment, report: Report) -> Project:
    """Every active service with the variables and labels of its files. Raises InvalidFile."""
    reading = _Reading(environment, report, project.origins)
    services = {name: reading.service(service) for name, service in project.services.items()}
    report.finish()
    return replace(project, services=services)


class _Reading:
    def __init__(self, environment: Environment, report: Report, origins: Origins) -> None:
        self.environment = environment
        self.report = report
        self.origins = origins

    def service(self, service: Service) -> Service:
        """The service with `environment` and `labels` complete."""
        if not service.env_file and not service.label_file:
            return service
        variables, labels = self._variables(service), self._labels(service)
        return replace(
            service,
            environment={**variables, **service.environment},
            labels={**labels, **service.labels},
        )

    @contextmanager
    def _collecting(self) -> Iterator[None]:
        """What is wrong with one file does not hide what is wrong with the next."""
        try:
            yield
        except InvalidFile as invalid:
            self.report.faults.extend(invalid.faults)

    def _variables(self, service: Service) -> dict[str, str]:
        found: dict[str, str] = {}
        for index, env_file in enumerate(service.env_file):
            path = ("services", service.name, "env_file", index, "path")
            if not env_file.required and not os.path.exists(env_file.path):
                continue
            with self._collecting():
                read = self._read(env_file, service, found, path)
                found.update({name: variable.value for name, variable in read.items()})
                where = self.origins.nearest(path)
                self._note("environment", service, read, service.environment, where)
        return found

    def _read(
        self,
        env_file: EnvFile,
        service: Service,
        found: Mapping[str, str],
        path: Path,
    ) -> dict[str, Variable]:
        where = self.origins.nearest(path)
        if env_file.format not in ("", "raw"):
            message = f"unknown format `{env_file.format}` of an env file"
            where = self.origins.nearest((*path[:-1], "format"))
            raise InvalidFile(Fault("E072", message, where=where, hint="leave it out, or say raw"))
        file = self._text_of(env_file.path, where)

        def lookup(name: str) -> str | None:
            value = self.environment.get(name)
            return service.environment.get(name) if value is None else value

        with self.report.within("read because of", where):
            if env_file.format == "raw":
                return parse_raw(file, lookup)
            return parse_dotenv(file, lookup, self._unset, found)

    def _text_of(self, path: str, where: Position | None) -> File:
        return read_text(path, self.report, where, what="env file")

    def _unset(self, name: str, where: Position) -> None:
        self.report.warn_unset(name, where, self.environment)

    def _labels(self, service: Service) -> dict[str, str]:
        found: dict[str, str] = {}
        for index, path in enumerate(service.label_file):
            where = self.origins.nearest(("services", service.name, "label_file", index))
            with self._collecting():
                file = self._text_of(path, where)
                read = parse_dotenv(file, dict(found).get, self._unset)
                found.update({name: variable.value for name, variable in read.items()})
                self._note("labels", service, read, service.labels, where)
        return found

    def _note(
        self,
        attribute: str,
        service: Service,
        read: Mapping[str, Variable],
        own: Mapping[str, object],
        where: Position | None,
    ) -> None:
        """Where the values stand that the service does not give itself."""
        for name, variable in read.items():
            if name not in own:
                at = variable.where
                step = Step("env_file", attribute, where)
                origin = Origin(at.file, at.line, at.column, (step,))
                self.origins.add(("services", service.name, attribute, name), origin)
