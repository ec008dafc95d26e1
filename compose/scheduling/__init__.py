"""The async part: a Plan is carried out here. Read run_plan.py first."""
