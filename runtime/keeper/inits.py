"""The forking half of runtime.init, loaded when the first container is about to be born."""

from __future__ import annotations

from runtime.init import join, launch
from runtime.keeper.births import Birth, Stdio
from runtime.messages import ExecRequest, LaunchRequest


class Inits:
    """Births for real."""

    def fork_init(self, request: LaunchRequest, stdio: Stdio | None) -> Birth:
        return launch.fork_init(request, stdio)

    def fork_exec(self, request: ExecRequest, stdio: Stdio | None) -> Birth:
        return join.fork_exec(request, stdio)
