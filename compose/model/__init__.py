"""What a Compose file may say, by topic: type, short form, merge rule, identity, check.

Pure; knows neither files nor the machine. Read attribute.py first, then service.py.
"""
