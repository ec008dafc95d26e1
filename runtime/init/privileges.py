"""Giving up power, in the order in which each step is still allowed. Source: L44, L47, L49, L51,
P14, P15.

With no_new_privs the seccomp filter comes last of all; without it, loading one needs CAP_SYS_ADMIN
and so comes before the capabilities go. After the filter only prepared calls follow.
"""

from __future__ import annotations

from runtime.errors import RuntimeFault
from runtime.init import console, program
from runtime.init.child import Child
from runtime.init.users import Identity, find_home, read_accounts, read_groups, resolve
from runtime.linux import capabilities, identity, rlimits, seccomp
from runtime.linux.capabilities import CapabilitySets
from runtime.linux.rlimits import Limit


def find_identity(child: Child) -> None:
    """D34, by the container's own files. HOME is looked up only if the environment lacks it."""
    user = child.process.get("user", {})
    if "username" in user:
        child.identity = resolve(
            user["username"],
            user.get("additionalGroups", ()),
            read_accounts(child.root),
            read_groups(child.root),
        )
        return
    uid = user.get("uid", 0)
    home = "" if _has_home(child) else find_home(uid, read_accounts(child.root))
    groups = tuple(user.get("additionalGids", ()))
    child.identity = Identity(uid, user.get("gid", 0), groups, home)


def _has_home(child: Child) -> bool:
    return any(entry.startswith("HOME=/") for entry in child.process.get("env", ()))


def drop(child: Child) -> None:
    """From root to what the document says; the order is L51's."""
    no_new_privileges = child.process.get("noNewPrivileges", False)
    wanted = capability_sets(child)
    if no_new_privileges:
        identity.forbid_new_privileges()
    in_place = program.enter_working_directory(child)
    if child.owns_stdio:
        console.give_streams(child.identity.uid)
    if child.seccomp_program and not no_new_privileges:
        seccomp.install(child.seccomp_program)
    capabilities.drop_bounding(wanted.bounding)
    identity.keep_capabilities(True)
    identity.become(child.identity.uid, child.identity.gid, child.identity.groups)
    if not in_place:
        program.insist_on_working_directory(child)
    identity.keep_capabilities(False)
    capabilities.apply(wanted)


def filter_last(child: Child) -> None:
    """L47: with no_new_privs nothing but execve comes after this."""
    if child.seccomp_program and child.process.get("noNewPrivileges", False):
        seccomp.install(child.seccomp_program)


def capability_sets(child: Child) -> CapabilitySets:
    """The document's names as masks. Raises RuntimeFault for an unknown one."""
    document = child.process.get("capabilities", {})
    try:
        return CapabilitySets(
            bounding=capabilities.mask(document.get("bounding", ())),
            effective=capabilities.mask(document.get("effective", ())),
            permitted=capabilities.mask(document.get("permitted", ())),
            inheritable=capabilities.mask(document.get("inheritable", ())),
            ambient=capabilities.mask(document.get("ambient", ())),
        )
    except KeyError as error:
        raise RuntimeFault(f"unknown capability {error.args[0]}") from error


def limits(child: Child) -> list[Limit]:
    """The document's, and the soft limit of open files from before the engine raised its own."""
    wanted = {
        entry["type"]: Limit(entry["type"], entry["soft"], entry["hard"])
        for entry in child.process.get("rlimits", ())
    }
    original = rlimits.original_open_files()
    if original is not None:
        wanted.setdefault("RLIMIT_NOFILE", original)
    return list(wanted.values())


def set_limits(child: Child) -> None:
    """L12: as late as can be, for a low limit would stop ourselves."""
    for limit in limits(child):
        rlimits.lower(limit)


def forbid_dump(child: Child) -> None:
    """L10: before anybody else's process can see us."""
    identity.forbid_dump()
