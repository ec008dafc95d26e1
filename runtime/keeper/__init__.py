"""The keeper: one process per project that forks its containers' inits and outlives everything
else.

It must not know policies, networks, cgroup limits or Compose: what it is told stands in the
messages. It imports the standard library, `runtime.init`, `runtime.linux` and `runtime.messages`
alone. Read main.py first: it is one loop.
"""
