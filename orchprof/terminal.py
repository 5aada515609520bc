"""Text made safe for a terminal: what would steer it, turn its line round or break it stands there as an escape."""

import dataclasses
from typing import Any


def visible(text: str) -> str:
    r"""Return a text in one line in which every character can be seen.

    Controls, line breaks, bidirectional and zero-width formats and halves of a character stand there as Python
    escapes them: `\x1b`, `\n`, `\u202e`.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def visible_record(value: Any) -> Any:
    """Return a record with all of its texts made `visible`, its keys too; the record stays as it is."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {visible_record(key): visible_record(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(visible_record, value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = (field.name for field in dataclasses.fields(value))
        return dataclasses.replace(value, **{name: visible_record(getattr(value, name)) for name in names})
    if keys := getattr(value, "__struct_fields__", None):
        from msgspec import structs  # who shows a record has it already

        return structs.replace(value, **{key: visible_record(getattr(value, key)) for key in keys})
    return value
