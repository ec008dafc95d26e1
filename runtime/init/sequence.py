"""What the container's first process does between fork and execve: SEQUENCE, in this order.

Each step has the letter and number of the reference, a name that messages quote, and a function.
Every place in the order has a reason; the reasons that are not in the functions stand beside the
steps.
"""

from __future__ import annotations

import os
import sys

from runtime.init import console, devices, namespaces, network, privileges, program, reaper, rootfs
from runtime.init.child import Child, InitChild, Step, receive_one
from runtime.linux import processes
from runtime.messages import Ready, Run, send

DEFAULT_UMASK = 0o022


RESOLVER_NAMES = ("resolver-udp", "resolver-tcp", "resolver-ask")


def forget_the_host(child: InitChild) -> None:
    """P09: from here on a file that Python would import is the container's."""
    sys.path.clear()
    sys.meta_path.clear()


def report_ready(child: InitChild) -> None:
    """L46, L12: all but the last steps are done; the keeper writes us down, then says run."""
    named = {
        name: opened.fileno() for name, opened in zip(RESOLVER_NAMES, child.resolver, strict=False)
    }
    if child.master >= 0:
        named["pty"] = child.master
    send(child.channel, Ready(descriptors=tuple(named)), descriptors=tuple(named.values()))
    for opened in child.resolver:
        opened.close()
    if child.master >= 0:
        os.close(child.master)
    receive_one(child, Run)


def seal_descriptors(child: Child) -> None:
    """L48, V01: whatever is open beside stdio ends at execve, the channel too: its end says that it
    succeeded."""
    processes.close_on_exec_from(3)


def restore_signals(child: Child) -> None:
    """L55: an ignored or blocked signal would stay so in the user's program."""
    processes.reset_signals()
    processes.set_signal_mask(processes.NO_SIGNAL)


def execute(child: Child) -> None:
    """L50, L52, L54: find the program as the user who runs it, then become it."""
    document = child.process
    environment = program.final_environment(document.get("env", ()), child.identity.home)
    arguments = list(document.get("args", ()))
    path = program.find_program(
        arguments[0] if arguments else "", environment.get("PATH", program.DEFAULT_PATH)
    )
    os.umask(document.get("user", {}).get("umask", DEFAULT_UMASK))
    privileges.filter_last(child)
    if document.get("reaper"):
        reaper.stay_behind(arguments, tty=child.tty)
    program.execute(path, arguments, environment)


LAST_STEPS = (
    Step("L12", "set resource limits", privileges.set_limits),
    Step("L48", "close descriptors", seal_descriptors),
    Step("L55", "restore signals", restore_signals),
    Step("L47", "drop privileges", privileges.drop),
    Step("L54", "execute the program", execute),
)
"""Of an init and of an exec alike."""

SEQUENCE = (
    Step("L10", "become undumpable", privileges.forbid_dump),
    # before the cgroup namespace, whose root is the group that we are in at that moment
    Step("L11", "join its cgroups", namespaces.join_cgroups),
    Step("L20", "join a session keyring", namespaces.join_keyring),
    Step("L05", "join the namespaces of others", namespaces.join_others),
    Step("L06", "make a cgroup namespace", namespaces.make_cgroup_namespace),
    Step("L21", "stop mount propagation", rootfs.stop_propagation),
    Step("L45", "open a trusted /proc", namespaces.open_proc),
    Step("L22", "mount the root file system", rootfs.mount_root),
    Step("V09", "clean mount points", rootfs.clean_mountpoints),
    Step("L23", "mount file systems", rootfs.mount_all),
    Step("L31", "make devices", devices.make_devices),
    Step("L38", "open the console", console.open_console),
    Step("L34", "enter the root", rootfs.enter),
    Step("P09", "forget the host's files", forget_the_host),
    Step("L35", "set propagation of the root", rootfs.propagate_root),
    Step("L36", "reopen /dev/null", devices.reopen_null),
    Step("L37", "make the working directory", program.make_working_directory),
    Step("D34", "find the user", privileges.find_identity),
    Step("L40", "set host names", namespaces.set_names),
    # before the wait: the kernel takes 10 ms over the first rule in a network namespace
    Step("D43", "open the resolver's sockets", network.open_resolver),
    # as late as possible: the supervisor makes the links while the steps above run
    Step("L11", "wait for the network", network.wait_for_configure),
    Step("L11", "configure the network", network.configure),
    # sysctls come before /proc/sys becomes read-only
    Step("L41", "write sysctls", namespaces.write_sysctls),
    Step("L42", "protect paths", rootfs.protect),
    Step("L43", "mask paths", rootfs.mask),
    Step("L39", "finish the root file system", rootfs.finish),
    Step("L46", "report ready", report_ready),
    *LAST_STEPS,
)
