"""(Project, Observed) -> Plan. Pure, knows no engine. Read converge.py first."""
