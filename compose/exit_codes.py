"""Docker Compose's exit codes, in one table.

Source: chapters 9 and 11 of the command-line reference; D61 of the runtime reference for 125 to
128.
"""

SUCCESS = 0
FAILURE = 1
"""Any error of ours, also one of usage."""
WAIT_FAILED = 42
"""`wait` could not tell how a container ended."""
ENGINE_FAILED = 125
"""The engine failed before the command of a container ran."""
NOT_EXECUTABLE = 126
NOT_FOUND = 127
NOT_STARTED = 128
INTERRUPTED = 130
"""Ctrl-C or SIGTERM, whatever the verb."""
KILLED = 137
CLOSED_PIPE = 141
"""The reader of our output went away, as the shell counts SIGPIPE."""
TERMINATED = 143

MEANINGS = {
    ENGINE_FAILED: "the engine failed before the command ran",
    NOT_EXECUTABLE: "the command is there but cannot be executed",
    NOT_FOUND: "the command was not found",
    NOT_STARTED: "the command could not be started",
}

SIGNALS = {
    1: "SIGHUP, the terminal went away",
    2: "SIGINT, interrupted",
    3: "SIGQUIT",
    4: "SIGILL, an illegal instruction: perhaps a program for another processor",
    6: "SIGABRT, the program gave up by itself",
    7: "SIGBUS, a bad memory access: perhaps /dev/shm is full",
    8: "SIGFPE, an arithmetic error",
    9: "SIGKILL, killed by force",
    11: "SIGSEGV, a bad memory access",
    13: "SIGPIPE, the reader of its output went away",
    15: "SIGTERM, asked to stop",
    31: "SIGSYS, a system call that the seccomp profile forbids",
}


def describe_exit(code: int, *, oom_killed: bool = False) -> str:
    """What an exit code says beyond its number, or nothing."""
    if oom_killed:
        return "killed by the kernel: it used more memory than its limit"
    if code in MEANINGS:
        return MEANINGS[code]
    if code == -1 or code == 255:
        return "" if code == 255 else "how it ended is not known"
    return SIGNALS.get(code - 128, f"signal {code - 128}") if 128 < code < 193 else ""
