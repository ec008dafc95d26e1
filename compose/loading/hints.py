"""What to do about a fault whose finder knows nothing better. Code -> hint."""

from __future__ import annotations

HINTS = {
    "E003": "mind the spelling; the path counts from the folder of the file that names it",
    "E011": "take the tag away, or quote the value",
    "E014": "a value cannot hold itself",
    "E018": "write `<<: *name`, where `&name` marks a mapping",
    "E037": "keep one of the two",
    "E052": "give that service a `build`, or name an image with `docker-image://`",
    "E070": "a line is NAME=value, or a comment that begins with #",
    "E081": "add `source: ./folder`",
    "E083": "write NAME=VALUE",
    "E085": "write a number",
    "E086": "remove the blank before `=`",
    "E087": "write NAME=ADDRESS, as in db=10.0.0.5",
    "E088": "close the quote; a sign that means itself stands in quotes",
    "E090": "write `!override` before the new value to replace the old one",
    "E093": "keep one of the two",
    "E095": "keep one of the two",
    "E098": "choose another target for one of the two",
    "E099": "keep one of the two, or make them equal",
    "E100": "write the name as text",
}
