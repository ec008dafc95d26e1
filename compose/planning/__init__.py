"""(Project, Observed, wishes) -> Plan. Pure: knows no engine, no clock. Read converge.py first."""
