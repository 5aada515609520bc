"""Labels: what time is booked under. A label is role x state; its code is its index in LABELS."""

from typing import Final

from orchprof.run.schema import ROLES, STATES

LABELS: Final = tuple((role, state) for role in ROLES for state in STATES)
CODES: Final = {label: code for code, label in enumerate(LABELS)}
ROLE: Final = {role: index for index, role in enumerate(ROLES)}
STATE: Final = {state: index for index, state in enumerate(STATES)}
N_STATES: Final = len(STATES)
# States in which a core is at work; `startup` is what `cpu_state` may say instead of `cpu`.
BUSY: Final = ("cpu", "gc", "serialise", "startup")
