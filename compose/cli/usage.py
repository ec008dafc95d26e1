"""How a command is called, as text: the usage line, and what follows an error of usage. Pure; the
pages of `--help` are help_pages.py's."""

from compose.cli.flags import Signature

PROGRAM = "pycompose"


def usage_line(verb: str, signature: Signature) -> str:
    """`pycompose exec [OPTIONS] SERVICE COMMAND [ARGS...]`."""
    flags = ["[OPTIONS]"] if any(not one.flag.hidden for one in signature.flags) else []
    words = [parameter.argument.usage for parameter in signature.arguments]
    if not verb:
        return " ".join([PROGRAM, *flags, "COMMAND"])
    return " ".join([PROGRAM, verb, *flags, *words])


def error_text(verb: str, signature: Signature, message: str, hint: str = "") -> str:
    """An error of usage: Docker's words, then how the command is called."""
    path = f"{PROGRAM} {verb}".strip()
    parts = [message]
    if hint:
        parts.append(f"hint: {hint}")
    parts.append(f"\nUsage:  {usage_line(verb, signature)}\n")
    parts.append(f"Run '{path} --help' for more information")
    return "\n".join(parts)
