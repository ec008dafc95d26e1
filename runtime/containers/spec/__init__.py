"""A container's options -> its OCI runtime-spec document. Pure: what it must know of the machine
comes in.

Touches neither kernel nor disk (containers/host_facts.py and the caller gather the context), knows
no Compose file. Read build.py first: it lists the parts; context.py says what goes in and what
comes out.
"""
