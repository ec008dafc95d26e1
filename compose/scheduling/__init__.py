"""Where a Plan is carried out: the async part of compose/. Decides nothing. Read run_plan.py
first."""
