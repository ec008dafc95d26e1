"""Control groups: our folders in every hierarchy, limits, device filter, freezing, killing, OOM,
counters.

Knows no container and no Compose attribute: it takes the `resources` of an OCI document and gives a
`CgroupPlan`. Nothing waits without a deadline. Read groups.py first; hierarchy.py says where the
folders lie, limits.py (pure) which file gets which value.
"""
