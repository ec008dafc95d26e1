"""Events and values -> text. Nothing else prints. Read console.py first."""
