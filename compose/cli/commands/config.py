"""Parse, resolve and show the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from compose.cli.context import Context
from compose.cli.flags import Flag
from compose.cli.options import Services
from compose.cli.parsing import UsageError

if TYPE_CHECKING:  # 60 ms of loader that `config --help` does without
    from collections.abc import Sequence

    from compose.errors import Fault
    from compose.loading.request import Loaded, LoadRequest

Format = Annotated[str, Flag("--format", help="form of the output", choices=("yaml", "json"))]
Output = Annotated[str, Flag("-o", "--output", metavar="FILE", help="write to a file")]
Hash = Annotated[
    str, Flag("--hash", metavar="SERVICES", help='the hash of services, of all with "*"')
]
Origin = Annotated[
    bool,
    Flag(
        "--origin",
        help="where each value came from; of one: config --origin services.web.image",
    ),
]


def command(
    context: Context,
    services: Services = (),
    format: Format = "",
    output: Output = "",
    quiet: Annotated[bool, Flag("-q", "--quiet", help="only check")] = False,
    list_services: Annotated[bool, Flag("--services", help="the names of the services")] = False,
    volumes: Annotated[bool, Flag("--volumes", help="the names of the volumes")] = False,
    networks: Annotated[bool, Flag("--networks", help="the names of the networks")] = False,
    images: Annotated[bool, Flag("--images", help="the names of the images")] = False,
    profiles: Annotated[bool, Flag("--profiles", help="the profiles that services name")] = False,
    models: Annotated[bool, Flag("--models", help="the artifacts of the models")] = False,
    environment: Annotated[
        bool, Flag("--environment", help="the variables that files are read with")
    ] = False,
    variables: Annotated[bool, Flag("--variables", help="the variables that files name")] = False,
    hash: Hash = "",
    origin: Origin = False,
    no_interpolate: Annotated[
        bool, Flag("--no-interpolate", help="leave variables as they are written")
    ] = False,
    no_normalize: Annotated[
        bool, Flag("--no-normalize", help="without names, default network and dependencies")
    ] = False,
    no_path_resolution: Annotated[
        bool, Flag("--no-path-resolution", help="leave paths as they are written")
    ] = False,
    no_consistency: Annotated[
        bool, Flag("--no-consistency", help="without checks between the parts of the model")
    ] = False,
    no_env_resolution: Annotated[
        bool, Flag("--no-env-resolution", help="leave env files unread")
    ] = False,
    resolve_image_digests: Annotated[
        bool, Flag("--resolve-image-digests", help="pin each image to its digest")
    ] = False,
    lock_image_digests: Annotated[
        bool, Flag("--lock-image-digests", help="an override file that pins each image")
    ] = False,
) -> None:
    if format not in ("", "yaml", "json"):
        raise UsageError(f'unsupported format "{format}"')
    hashed = () if hash in ("", "*") else tuple(name.strip() for name in hash.split(","))
    request = _request(
        context,
        services=() if origin else (*services, *hashed),
        interpolate=not (no_interpolate or variables),
        normalize=not no_normalize,
        resolve_paths=not no_path_resolution,
        consistency=not no_consistency,
        resolve_environment=not no_env_resolution,
    )
    lists = (
        ("services", list_services),
        ("volumes", volumes),
        ("networks", networks),
        ("models", models),
        ("profiles", profiles),
        ("images", images),
        ("environment", environment),
    )
    listed = next((name for name, is_asked in lists if is_asked), "")
    if listed:
        text = _listed(context, request, listed)
    elif hash:
        text = _hashes(context, request, hashed)
    elif variables:
        text = _variables(context, request, format)
    elif origin:
        text = _origins(context, request, services)
    elif no_interpolate:
        text = _tree(
            context,
            request,
            format,
            pin=resolve_image_digests or lock_image_digests,
            lock=lock_image_digests,
        )
    else:
        text = _model(
            context,
            request,
            format,
            pin=resolve_image_digests or lock_image_digests,
            lock=lock_image_digests,
        )
    if not quiet:
        _write(context, text, output)


def _request(
    context: Context,
    *,
    services: tuple[str, ...],
    interpolate: bool,
    normalize: bool,
    resolve_paths: bool,
    consistency: bool,
    resolve_environment: bool,
) -> LoadRequest:
    from compose.artifacts import open_remote
    from compose.loading.request import LoadRequest

    flags = context.flags
    # what came from .env into the context is read again, with its place
    environment = {
        name: value for name, value in context.environment.items() if name not in context.promoted
    }
    return LoadRequest(
        files=flags.files,
        project_name=flags.project_name,
        profiles=flags.profiles or None,
        env_files=flags.env_files,
        project_directory=flags.project_directory,
        environment=environment,
        services=services,
        all_resources=flags.all_resources,
        interpolate=interpolate,
        normalize=normalize,
        resolve_paths=resolve_paths,
        consistency=consistency,
        resolve_environment=resolve_environment,
        remote=open_remote(environment),
    )


def _write(context: Context, text: str, output: str) -> None:
    if not output:
        context.console.out.write(text)
    elif text:
        with open(output, "w", encoding="utf-8") as file:
            file.write(text)


# ---- the model, at one of its stages
# -----------------------------------------------------------


def _load(context: Context, request: LoadRequest) -> Loaded:
    """The project as far as the command line asks for it; its warnings are told."""
    from compose.loading.shown import load_shown

    loaded = load_shown(request)
    _tell(context, loaded.warnings)
    return loaded


def _tell(context: Context, warnings: Sequence[Fault]) -> None:
    from compose.output.diagnostics import render_warning

    for fault in warnings:
        context.console.say(render_warning(fault, context.console.err))


def _model(context: Context, request: LoadRequest, format: str, *, pin: bool, lock: bool) -> str:
    from compose.output import documents

    project = _load(context, request).project
    if request.resolve_environment:
        project = documents.without_env_files(project)
    if pin:
        project = documents.pinned(project, _digests(context, documents.images_of(project)))
    if lock:
        project = documents.images_alone(project)
    if format == "json":
        return documents.project_json(project)
    return documents.project_yaml(project)


def _digests(context: Context, images: Sequence[str]) -> dict[str, str]:
    """Image -> its whole name with the digest that its registry says; needs no root."""
    with context.doors.machine(context.environment) as machine:
        return {image: machine.pinned_image(image) for image in images}


def _tree(context: Context, request: LoadRequest, format: str, *, pin: bool, lock: bool) -> str:
    from compose.loading.pipeline import load_model
    from compose.output import documents

    loaded = load_model(request)
    _tell(context, loaded.warnings)
    tree = documents.narrowed(loaded.tree, request.services)
    if lock:
        tree = documents.image_nodes_alone(tree)
    if pin:
        names = _digests(context, documents.images_in(tree))
        tree = documents.pinned_tree(tree, names)
    return documents.tree_json(tree) if format == "json" else documents.tree_yaml(tree)


def _origins(context: Context, request: LoadRequest, places: Sequence[str]) -> str:
    from compose.output import documents, origins

    project = documents.without_env_files(_load(context, request).project)
    return origins.annotated(project, places)


# ---- lists
# -------------------------------------------------------------------------------------


def _listed(context: Context, request: LoadRequest, name: str) -> str:
    from compose.output import listings

    project = _load(context, request).project
    return "".join(f"{line}\n" for line in listings.LISTS[name](project))


def _hashes(context: Context, request: LoadRequest, names: Sequence[str]) -> str:
    from compose.output import listings
    from compose.scheduling.observe import file_digests

    project = _load(context, request).project
    digests = file_digests(project, tuple(project.services))
    lines = listings.hashes(project, names or tuple(project.services), digests)
    return "".join(f"{line}\n" for line in lines)


def _variables(context: Context, request: LoadRequest, format: str) -> str:
    from compose.loading.pipeline import load_model
    from compose.output import listings

    found = listings.variables(load_model(request).tree)
    if format == "json":
        return listings.variables_json(found) + "\n"
    if format == "yaml":
        return listings.variables_yaml(found)
    return "".join(f"{line}\n" for line in listings.variables_table(found))
