"""Flags -> one call of Stack -> print. Read app.py first; a command is a file of commands/."""
