"""From files to a Project: the stages in order. READ FIRST.

The letters are those of section 3 of the Compose file reference. Every document is folded into one
accumulated tree, so that a fault in the sum of two files is found while the second is read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from compose.errors import Fault, InvalidFile, Path
from compose.loading import check as checking
from compose.loading import normalise as normalising
from compose.loading.bind import bind
from compose.loading.canonical import imply, lengthen
from compose.loading.consistency import check_consistency
from compose.loading.discover import Sources, discover, read_text
from compose.loading.env_files import read_env_files
from compose.loading.environment import Environment
from compose.loading.extends import Extending
from compose.loading.include import Inclusion, take_in
from compose.loading.interpolate import interpolate
from compose.loading.merge import merge, remove
from compose.loading.naming import project_name
from compose.loading.parse import Document, parse
from compose.loading.paths import absolute, resolve
from compose.loading.remote import Remote
from compose.loading.report import Report
from compose.loading.request import Loaded, LoadedTree, LoadRequest
from compose.loading.select import apply_profiles, select_services
from compose.loading.unicity import keep_last
from compose.loading.validate import validate
from compose.loading.verdicts import Verdicts, folder_of
from compose.model.project import ROOT, Origins, Project
from compose.position import File, Position
from compose.tree import Node, Origin, Step

MOST_FILES = 300
"""Each is judged whole: two includes of two files that include two files have no end."""


class Model:
    """One model while it is loaded: the project's own, or an included one.

    `tree` is what the documents so far amount to.
    """

    def __init__(
        self,
        request: LoadRequest,
        report: Report,
        environment: Environment,
        working_dir: str,
        chain: tuple[str, ...] = (),
    ) -> None:
        self.request = request
        self.report = report
        self.environment = environment
        self.working_dir = working_dir
        self.chain = chain
        """The files that are being included, outermost first."""
        self.tree: Node | None = None
        self.verdicts = Verdicts(folder_of(request.shell))
        self.bases: dict[str, tuple[Node | None, list[Path]]] = {}
        """Files read for `extends`, by name."""
        self.contents: normalising.Contents = {}
        """Of this model and of those it includes, each by its own environment."""

    def finish(self) -> None:
        """End a stage that reads values. A value that is still `${PORT}:80` cannot be judged, and
        stays in its short form."""
        if not self.request.interpolate:
            self.report.faults.clear()
        self.report.finish()

    @property
    def home(self) -> str:
        """What `~` is: of the caller, whatever `.env` says."""
        return self.request.shell.get("HOME", "") or os.path.expanduser("~")


# ---- stages of a document
# --------------------------------------------------------------------------------


def c_interpolate(model: Model, document: Document, root: Node) -> None:
    if model.request.interpolate:
        interpolate(root, ROOT, model.environment, model.report)


def e_include(model: Model, document: Document, root: Node) -> None:
    def read(inclusion: Inclusion) -> Node:
        return read_included(model, inclusion)

    take_in(
        root,
        model.working_dir,
        model.environment,
        read,
        model.report,
        replaced=document.replaced,
    )


def f_reset(model: Model, document: Document, root: Node) -> None:
    for path in document.replaced:
        if model.tree is not None:
            remove(model.tree, path)


def g_extend(model: Model, document: Document, root: Node) -> None:
    def read(paths: tuple[str, ...], named_by: Node) -> tuple[Node | None, list[Path]]:
        return read_base(model, paths, named_by)

    extending = Extending(model.report, read, model.working_dir, model.home)
    extending.document(root, document.file.path, document.replaced)


def h_merge(model: Model, document: Document, root: Node) -> None:
    model.tree = root if model.tree is None else merge(model.tree, root, ROOT, model.report)
    model.report.finish()


def i_unicity(model: Model, document: Document, root: Node) -> None:
    if model.tree is not None:
        keep_last(model.tree, ROOT, model.report)
        model.finish()


def j_schema(model: Model, document: Document, root: Node) -> None:
    if model.tree is None:
        return
    try:
        validate(model.tree, model.report, model.verdicts)
    except InvalidFile as invalid:
        if model.request.interpolate or not all(map(_names_a_variable, invalid.faults)):
            raise
    _warn_of_external_names(model, model.tree)
    version = model.tree.get("version")
    if version is not None:
        message = (
            f"{document.file.path}: the attribute `version` is obsolete, it will be ignored,"
            " please remove it to avoid potential confusion"
        )
        model.report.warn("W006", message, version.named_at)
        del model.tree.mapping["version"]


def _warn_of_external_names(model: Model, tree: Node) -> None:
    """`external: {name: N}`, before it becomes what it means."""
    for section in ("networks", "volumes", "secrets", "configs"):
        resources = tree.get(section)
        for name, node in resources.mapping.items() if resources is not None else ():
            external = node.get("external")
            inner = external.get("name") if external is not None else None
            if inner is not None:
                message = (
                    f"{section}.{name}: external.name is deprecated."
                    " Please set name and external: true"
                )
                model.report.warn("W008", message, inner.named_at)


def _names_a_variable(fault: Fault) -> bool:
    """`depends_on: ["${DATABASE}"]` becomes a key that is not interpolated yet."""
    return bool(fault.path) and "$" in str(fault.path[-1])


def k_canonical(model: Model, document: Document, root: Node) -> None:
    if model.tree is not None:
        model.tree = lengthen(model.tree, ROOT, model.report)
        model.finish()


DocumentStage = Callable[[Model, Document, Node], None]
PER_DOCUMENT: tuple[DocumentStage, ...] = (
    c_interpolate,
    e_include,
    f_reset,
    g_extend,
    h_merge,
    i_unicity,
    j_schema,
    k_canonical,
    i_unicity,
)
"""What happens to each YAML document, in order. Parsing (a, b, d) comes before: parse.py."""


# ---- stages of a model
# -----------------------------------------------------------------------------------


def n_defaults(model: Model, tree: Node) -> None:
    imply(tree, ROOT)


def o_checks(model: Model, tree: Node) -> None:
    checking.check(tree, ROOT, model.report)
    model.finish()


def p_paths(model: Model, tree: Node) -> None:
    if model.request.resolve_paths:
        join = absolute(model.working_dir, model.home)
        resolve(tree, ROOT, join, model.report, base=model.working_dir)


def q_values(model: Model, tree: Node) -> None:
    model.contents.update(normalising.resolve_values(tree, model.environment))


ModelStage = Callable[[Model, Node], None]
PER_MODEL: tuple[ModelStage, ...] = (n_defaults, o_checks, p_paths, q_values)
"""What happens once per model, after its last document."""


def fold(model: Model, documents: Iterable[Document]) -> Node | None:
    """Take documents into the model; None when none of them says anything."""
    for document in documents:
        if document.root is None:
            continue
        require_mapping(document.root)
        for stage in PER_DOCUMENT:
            stage(model, document, document.root)
    if model.tree is None:
        return None
    for finish in PER_MODEL:
        finish(model, model.tree)
    return model.tree


def require_mapping(root: Node) -> None:
    """The top of a file is a mapping. Raises InvalidFile."""
    if not isinstance(root.value, dict):
        kind = "a list" if isinstance(root.value, list) else "text"
        message = f"the top of a Compose file is a mapping, not {kind}"
        hint = "begin with `services:`"
        raise InvalidFile(Fault("E019", message, where=root.origin, hint=hint))


def read_documents(path: str, report: Report, where: Position | None = None) -> list[Document]:
    """The documents of a file. Raises InvalidFile."""
    report.files += 1
    if report.files > MOST_FILES:
        message = f"more than {MOST_FILES} files are read"
        hint = "do two files include each other more than once?"
        raise InvalidFile(Fault("E015", message, where=where, hint=hint))
    return parse(read_text(path, report, where), report)


def read_all(paths: Iterable[str], report: Report) -> list[Document]:
    """The documents of several files. Raises InvalidFile with what is wrong in any of them."""
    documents: list[Document] = []
    faults: list[Fault] = []
    for path in paths:
        try:
            documents += read_documents(path, report)
        except InvalidFile as invalid:
            faults += invalid.faults
    if faults:
        raise InvalidFile(*faults)
    return documents


def read_included(model: Model, inclusion: Inclusion) -> Node:
    """The whole model of an `include` item. Raises InvalidFile."""
    where = inclusion.node.origin
    inner = Model(
        model.request, model.report, inclusion.environment, inclusion.working_dir, model.chain
    )
    documents: list[Document] = []
    faults: list[Fault] = []
    for path, node in zip(inclusion.files, inclusion.named_by, strict=True):
        try:
            refuse_circle(path, model.chain, node.origin, model.report)
            with model.report.within("included from", node.origin):
                documents += read_documents(path, model.report, node.origin)
        except InvalidFile as invalid:
            faults += invalid.faults
    if faults:
        raise InvalidFile(*faults)
    with model.report.within("included from", where):
        inner.chain = (*model.chain, *inclusion.files)
        tree = fold(inner, documents)
    if tree is None:
        raise empty_files(inclusion.files, model.report)
    model.contents.update(inner.contents)
    return tree


def refuse_circle(path: str, chain: tuple[str, ...], where: Position, report: Report) -> None:
    """A file that includes itself, over others or not. Raises InvalidFile."""
    if "\0" in path:
        return  # no name: reading it says so
    real = [os.path.realpath(part) for part in chain]
    if os.path.realpath(path) not in real:
        return
    circle = [*chain[real.index(os.path.realpath(path)) :], path]
    names = " -> ".join(report.shown(part) for part in circle)
    message = f"files include each other in a circle: {names}"
    raise InvalidFile(Fault("E062", message, where=where, hint="take one `include` away"))


def read_base(
    model: Model, paths: tuple[str, ...], named_by: Node
) -> tuple[Node | None, list[Path]]:
    """The tree of what `extends` names (one file, or those of one artifact), as far as extends
    needs it, and the paths that it resets. Raises InvalidFile."""
    if paths[0] in model.bases:
        return model.bases[paths[0]]
    tree: Node | None = None
    replaced: list[Path] = []
    with model.report.within("extended from", named_by.origin):
        for document in [
            document
            for path in paths
            for document in read_documents(path, model.report, named_by.origin)
        ]:
            if document.root is None:
                continue
            require_mapping(document.root)
            c_interpolate(model, document, document.root)
            replaced += document.replaced
            if tree is None:
                tree = document.root
                continue
            for reset in document.replaced:
                remove(tree, reset)
            tree = merge(tree, document.root, ROOT, model.report)
    model.bases[paths[0]] = tree, replaced
    return model.bases[paths[0]]


def empty_files(files: Iterable[str], report: Report) -> InvalidFile:
    """Nothing is written in any of them."""
    names = ", ".join(report.shown(path) for path in files)
    first = File(next(iter(files), ""))
    first.name = report.remote.shown(first.path)
    where = Position(first, 1, 1)
    hint = "a Compose file begins with `services:`"
    return InvalidFile(Fault("E005", f"empty compose file: {names}", where=where, hint=hint))


# ---- stages of the project
# -------------------------------------------------------------------------------


class Loading:
    """The project while it is loaded."""

    def __init__(self, request: LoadRequest, report: Report, sources: Sources) -> None:
        self.request = request
        self.report = report
        self.sources = sources
        self.environment = sources.environment
        self.name = ""

    @property
    def profiles(self) -> tuple[str, ...]:
        """Those of the request, else of COMPOSE_PROFILES."""
        if self.request.profiles:
            return self.request.profiles
        words = self.environment.get("COMPOSE_PROFILES", "").split(",")
        return tuple(word.strip() for word in words if word.strip())


def v_profiles(loading: Loading, project: Project) -> Project:
    return apply_profiles(project, loading.profiles, loading.request.services)


def w_consistency(loading: Loading, project: Project) -> Project:
    if loading.request.consistency:
        check_consistency(project, loading.report)
    return project


def x_selection(loading: Loading, project: Project) -> Project:
    return select_services(project, loading.request.services)


def y_files(loading: Loading, project: Project) -> Project:
    if not loading.request.resolve_environment:
        return project
    return read_env_files(project, loading.environment, loading.report)


ProjectStage = Callable[[Loading, Project], Project]
PER_PROJECT: tuple[ProjectStage, ...] = (v_profiles, w_consistency, x_selection, y_files)
"""What happens to the bound project."""


def load(request: LoadRequest) -> Loaded:
    """Load a project. Raises InvalidFile (all faults of the stage that found them) and NotFound."""
    report = Report(remote=request.remote or Remote(request.shell))
    loading = Loading(request, report, discover(request, report))
    report.environment = loading.environment
    tree = load_tree(loading)
    values = bind(tree, report)
    values["name"] = loading.name
    project = Project(
        **values,
        working_dir=loading.sources.working_dir,
        files=loading.sources.files,
        environment=loading.environment,
        origins=Origins(tree),
    )
    for stage in PER_PROJECT:
        project = stage(loading, project)
    return Loaded(
        project=project,
        tree=tree,
        warnings=tuple(report.warnings.values()),
        environment=loading.environment,
    )


def load_model(request: LoadRequest) -> LoadedTree:
    """The stages before binding alone: the tree as it then is. Raises as `load`."""
    report = Report(remote=request.remote or Remote(request.shell))
    loading = Loading(request, report, discover(request, report))
    report.environment = loading.environment
    tree = load_tree(loading)
    return LoadedTree(
        name=loading.name,
        tree=tree,
        warnings=tuple(report.warnings.values()),
        environment=loading.environment,
    )


def load_tree(loading: Loading) -> Node:
    """The stages before binding; sets the project's name. Raises InvalidFile."""
    sources, report = loading.sources, loading.report
    documents = read_all(sources.files, report)
    for document in documents:
        if document.root is not None:
            require_mapping(document.root)
    loading.name = project_name(
        loading.request.project_name, loading.environment, documents, sources.naming_dir, report
    )
    loading.environment.put("COMPOSE_PROJECT_NAME", loading.name)
    model = Model(loading.request, report, loading.environment, sources.working_dir, sources.files)
    tree = fold(model, documents)
    if tree is None:
        raise empty_files(sources.files, report)
    normalising.put_contents(tree, model.contents)
    tree.mapping["name"] = _name_node(tree, loading.name)
    if loading.request.normalize:
        normalising.normalise(tree, loading.name, loading.environment)
    return tree


def _name_node(tree: Node, name: str) -> Node:
    given = tree.get("name")
    if given is not None and given.value == name:
        return given
    origin = given.origin if given is not None else tree.origin
    return Node(name, Origin(origin.file, origin.line, origin.column, (Step("default", "name"),)))
