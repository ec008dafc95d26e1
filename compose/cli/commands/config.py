"""Parse, resolve and show the model."""

from __future__ import annotations

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Flag
from compose.cli.options import Services

Format = Annotated[
    str, Flag("--format", help="form of the output", choices=("yaml", "json"), default="yaml")
]
Output = Annotated[str, Flag("-o", "--output", metavar="FILE", help="write to a file")]
Hash = Annotated[
    str, Flag("--hash", metavar="SERVICES", help='the hash of each service, or of all ("*")')
]


def command(
    context: Context,
    services: Services = (),
    format: Format = "yaml",
    output: Output = "",
    quiet: Annotated[bool, Flag("-q", "--quiet", help="only check")] = False,
) -> None:
    from compose.loading.pipeline import load
    from compose.loading.request import LoadRequest
    from compose.loading.select import drop_unused
    from compose.output import documents

    flags = context.flags
    loaded = load(
        LoadRequest(
            files=flags.files,
            project_name=flags.project_name,
            profiles=flags.profiles,
            env_files=flags.env_files,
            project_directory=flags.project_directory,
            environment=context.environment,
            services=services,
        )
    )
    project = loaded.project
    if not flags.all_resources:
        project = drop_unused(project)
    context.console.out.write(
        documents.project_json(project) if format == "json" else documents.project_yaml(project)
    )
