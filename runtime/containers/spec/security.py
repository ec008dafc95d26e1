"""What a container may do: capabilities, seccomp, new privileges, hidden paths, sysctls.

Weakening is done only where the options ask for it; what cannot be held to is an error, never
dropped. What the engine itself has not got cannot be given: then a warning. Source: D01-D03, D20,
D31, L53.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from runtime.containers.spec.context import SpecContext, refuse
from runtime.containers.spec.namespaces import Modes
from runtime.frozen import dataclass
from runtime.spec import Capabilities
from runtime.values import ContainerOptions

ALL = "CAP_ALL"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityOptions:
    """`security_opt`, understood."""

    no_new_privileges: bool = False
    seccomp: str = ""
    """`unconfined`, `default`, the path of a profile, or empty: nothing was said."""
    hides_system_paths: bool = True
    writable_cgroups: bool = False


def parse_security_options(entries: Iterable[str]) -> SecurityOptions:
    """`name=value`, the older `name:value`, or a name; later ones win. Raises RuntimeFault for what
    is not understood.
    """
    found: dict[str, Any] = {}
    for entry in entries:
        name, value = _split(entry)
        match name:
            case "no-new-privileges":
                found["no_new_privileges"] = _truth(entry, value or "true")
            case "seccomp":
                found["seccomp"] = _seccomp(entry, value)
            case "apparmor" if value == "unconfined":
                pass  # so it is
            case "systempaths" if value == "unconfined":
                found["hides_system_paths"] = False
            case "writable-cgroups":
                found["writable_cgroups"] = _truth(entry, value or "true")
            case "label" if value in ("disable", "nested"):
                pass  # there is no label that it could take away
            case _:
                raise _not_understood(entry, name)
    return SecurityOptions(**found)


def _split(entry: str) -> tuple[str, str]:
    """At the first `=` or `:`."""
    match = re.fullmatch(r"\s*([^=:\s]+)\s*(?:[=:]\s*(.*?))?\s*", entry, re.DOTALL)
    return (match[1], match[2] or "") if match else (entry, "")


def _truth(entry: str, value: str) -> bool:
    words = {"true": True, "1": True, "false": False, "0": False}
    if value.lower() not in words:
        raise refuse(f"`security_opt: {entry}` is neither true nor false", code="E307")
    return words[value.lower()]


def _seccomp(entry: str, value: str) -> str:
    if not value:
        raise refuse(
            f"`security_opt: {entry}` names no profile",
            code="E307",
            hint="`seccomp=FILE` or `seccomp=unconfined`",
        )
    return {"builtin": "default"}.get(value, value)


def _not_understood(entry: str, name: str) -> Exception:
    if name in ("label", "apparmor"):
        return refuse(
            f"`security_opt: {entry}` cannot be honoured",
            code="E307",
            answered="containers run without AppArmor profiles and SELinux labels",
            hint="leave it out, or write `apparmor=unconfined` and `label=disable` to say so",
        )
    return refuse(
        f"`security_opt: {entry}` is not understood",
        code="E307",
        hint="known: no-new-privileges, seccomp=FILE|unconfined, apparmor=unconfined,"
        " systempaths=unconfined, label=disable, writable-cgroups",
    )


def choose_seccomp(found: SecurityOptions, options: ContainerOptions) -> str:
    """D03: privileged goes without a profile, unless one is named."""
    return found.seccomp or ("unconfined" if options.privileged else "default")


def build_capabilities(
    options: ContainerOptions, context: SpecContext, warnings: list[str]
) -> Capabilities:
    """D01: bounding, effective and permitted are one set; inheritable and ambient stay
    empty (V12).
    """
    host = context.host
    wanted = host.known_capabilities if options.privileged else _wanted(options, context)
    missing = [name for name in wanted if name not in host.held_capabilities]
    if missing:
        warnings.append(
            f"the engine lacks {', '.join(missing)} itself, so the container goes without"
        )
    granted = [name for name in wanted if name in host.held_capabilities]
    return Capabilities(bounding=granted, effective=granted, permitted=granted)


def _wanted(options: ContainerOptions, context: SpecContext) -> list[str]:
    """D02: adding ALL means all but the dropped ones, dropping ALL means the added ones alone; an
    added name wins over the same one dropped.
    """
    known = context.host.known_capabilities
    add = _names(options.cap_add, "cap_add", known)
    drop = _names(options.cap_drop, "cap_drop", known)
    if ALL in add:
        wanted = set(known) - drop
    elif ALL in drop:
        wanted = add
    else:
        wanted = (set(context.defaults["capabilities"]) - drop) | add
    return [name for name in known if name in wanted]


def _names(given: Iterable[str], attribute: str, known: tuple[str, ...]) -> set[str]:
    found = set()
    for text in given:
        name = text.strip().upper()
        name = name if name.startswith("CAP_") else f"CAP_{name}"
        if name != ALL and name not in known:
            raise refuse(
                f"`{attribute}: {text}` is no capability of this kernel",
                code="E307",
                hint="see capabilities(7), or write ALL",
            )
        found.add(name)
    return found


def hidden_paths(
    found: SecurityOptions, options: ContainerOptions, context: SpecContext
) -> tuple[list[str], list[str]]:
    """(masked, read-only): D20; none for privileged and `systempaths=unconfined`."""
    if options.privileged or not found.hides_system_paths:
        return [], []
    pattern = context.defaults["masked_path_per_cpu"]
    per_cpu = [pattern.format(number=number) for number in context.host.throttled_cpus]
    return [*context.defaults["masked_paths"], *per_cpu], [*context.defaults["read_only_paths"]]


_IPC_SYSCTLS = frozenset(
    f"kernel.{name}"
    for name in (
        *("msgmax", "msgmnb", "msgmni", "sem"),
        *("shmall", "shmmax", "shmmni", "shm_rmid_forced"),
    )
)


def build_sysctls(
    options: ContainerOptions, modes: Modes, context: SpecContext
) -> Mapping[str, str]:
    """D31's defaults where the network namespace is the container's own, then the options'
    (L53).
    """
    sysctls: dict[str, str] = {}
    if modes.is_own("network"):
        defaults = context.defaults["sysctls_of_a_private_network"]
        sysctls.update(
            {name: value for name, value in defaults.items() if name in context.host.sysctls}
        )
    for name, value in options.sysctls.items():
        dotted = dotted_sysctl(name)
        _check_sysctl(name, dotted, modes)
        sysctls[dotted] = value
    return sysctls


def dotted_sysctl(name: str) -> str:
    """With dots between the parts. In `net/ipv4/conf/eth0.100/rp_filter` the dot belongs to the
    name: it becomes `/`, as sysctl(8) writes it.
    """
    slash, dot = name.find("/"), name.find(".")
    if slash == -1 or (dot != -1 and dot < slash):
        return name
    return name.translate(str.maketrans("/.", "./"))


def _check_sysctl(given: str, name: str, modes: Modes) -> None:
    if name.startswith("net."):
        if not modes.is_own("network"):
            raise _refuse_sysctl(given, "it would change the network that the container shares")
    elif name in _IPC_SYSCTLS or name.startswith("fs.mqueue."):
        if not modes.is_own("ipc"):
            raise _refuse_sysctl(
                given, "it would change the IPC namespace that the container shares"
            )
    elif name == "kernel.domainname":
        if not modes.is_own("uts"):
            raise _refuse_sysctl(given, "it would change the names that the container shares")
    elif name == "kernel.hostname":
        raise _refuse_sysctl(given, "`hostname` sets it")
    else:
        raise _refuse_sysctl(given, "it is not in a namespace: it would change the whole machine")


def _refuse_sysctl(name: str, why: str) -> Exception:
    return refuse(
        f"`sysctls.{name}` cannot be set for a container",
        code="E307",
        answered=why,
        hint="containers can set net.*, fs.mqueue.* and the IPC ones of kernel.*",
    )
