"""Print where a port of a container is published."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Argument, Flag
from compose.cli.options import Index, Service
from compose.cli.parsing import UsageError


def command(
    context: Context,
    service: Service,
    private_port: Annotated[str, Argument("PRIVATE_PORT", minimum=1)],
    protocol: Annotated[str, Flag("--protocol", help="tcp or udp", default="tcp")] = "tcp",
    index: Index = 0,
) -> None:
    number, _, suffix = private_port.partition("/")
    if not number.isdigit() or int(number) > 65535:
        raise UsageError(f'invalid port "{private_port}": a number up to 65535 is needed')
    with context.open_stack() as stack:
        found = stack.port(service, int(number), protocol=(suffix or protocol).lower(), index=index)
    host = f"[{found.host_ip}]" if ":" in found.host_ip else found.host_ip
    context.console.out.line(f"{host}:{found.host_port}")
