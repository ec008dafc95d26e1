"""Log in to a registry."""

from __future__ import annotations

import os
import sys
from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Argument, Flag
from compose.cli.parsing import UsageError


def command(
    context: Context,
    server: Annotated[str, Argument("[SERVER]")] = "",
    username: Annotated[str, Flag("-u", "--username", help="name of the user")] = "",
    password: Annotated[str, Flag("-p", "--password", help="password, or access token")] = "",
    password_stdin: Annotated[
        bool, Flag("--password-stdin", help="read the password from stdin")
    ] = False,
) -> None:
    from runtime.values import Login

    if password and password_stdin:
        raise UsageError("--password and --password-stdin are mutually exclusive")
    if password_stdin and not username:
        raise UsageError("Must provide --username with --password-stdin")
    say = context.console.say
    if password:
        say("WARNING! Using --password via the CLI is insecure. Use --password-stdin.")
    with context.open_machine(needs_root=False) as machine:
        known = None if username or password else machine.known_login(server)
        if known is not None:
            say("Authenticating with existing credentials...")
            login = known
        else:
            username = username or _ask_name()
            if password_stdin:
                password = sys.stdin.read().rstrip("\r\n")
            login = Login(username=username, password=password or _ask_password())
        file = machine.login(server, login)
    if file:
        say(
            f"WARNING! Your password will be stored unencrypted in {file}.\n"
            "Configure a credential helper to remove this warning."
        )
    if not context.flags.dry_run:
        context.console.out.line("Login Succeeded")


def _ask_name() -> str:
    _need_terminal()
    sys.stderr.write("Username: ")
    sys.stderr.flush()
    name = sys.stdin.readline().strip()
    if not name:
        raise UsageError("username is empty")
    return name


def _ask_password() -> str:
    import getpass

    _need_terminal()
    password = getpass.getpass("Password: ")
    if not password:
        raise UsageError("password is empty")
    return password


def _need_terminal() -> None:
    if not os.isatty(0):
        raise UsageError("Cannot perform an interactive login from a non TTY device")
