"""ContainerOptions + ImageConfig + SpecContext -> the OCI document that the init carries out. Pure.

Everything is checked here, before anything of the machine is touched (L01): an option that cannot
be honoured is a RuntimeFault, one that is discarded as Docker discards it a warning.
"""

from __future__ import annotations

from runtime.containers.spec.context import SpecContext, SpecResult
from runtime.containers.spec.mounts import build_mounts
from runtime.containers.spec.namespaces import build_namespaces, find_hostname, find_modes
from runtime.containers.spec.process import build_process
from runtime.containers.spec.resources import build_devices, build_resources
from runtime.containers.spec.security import (
    build_capabilities,
    build_sysctls,
    choose_seccomp,
    hidden_paths,
    parse_security_options,
)
from runtime.spec import Linux, Root, Spec
from runtime.values import ContainerOptions, ImageConfig

OCI_VERSION = "1.3.0"


def build_spec(options: ContainerOptions, image: ImageConfig, context: SpecContext) -> SpecResult:
    """The whole document. Raises RuntimeFault."""
    modes = find_modes(options, cgroup_version=context.host.cgroup_version)
    security = parse_security_options(options.security_opt)
    hostname = find_hostname(options, modes, context)
    process, warnings = build_process(options, image, context, hostname=hostname)
    process["capabilities"] = build_capabilities(options, context, warnings)
    process["noNewPrivileges"] = security.no_new_privileges
    mounts = build_mounts(options, security, modes, context)
    masked, read_only = hidden_paths(security, options, context)
    namespaces, joined = build_namespaces(modes, context)
    devices, rules = build_devices(options, context)
    resources = build_resources(options, context, warnings)
    resources["devices"] = rules
    linux = Linux(
        namespaces=namespaces,
        devices=[] if mounts.has_own_dev else devices,
        cgroupsPath=context.cgroups_path,
        resources=resources,
        maskedPaths=masked,
        readonlyPaths=read_only,
        sysctl=dict(build_sysctls(options, modes, context)),
    )
    if mounts.propagation:
        linux["rootfsPropagation"] = mounts.propagation
    spec = Spec(
        ociVersion=OCI_VERSION,
        process=process,
        root=Root(path=context.root_path, readonly=options.read_only),
        mounts=mounts.mounts,
        annotations=dict(options.annotations),
        linux=linux,
    )
    if modes.is_own("uts"):
        spec["hostname"] = hostname
        if options.domainname:
            spec["domainname"] = options.domainname
    return SpecResult(
        spec=spec,
        warnings=tuple(warnings),
        seccomp=choose_seccomp(security, options),
        joined_namespaces=joined,
    )
