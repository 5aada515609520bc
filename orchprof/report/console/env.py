"""The machine for a terminal, and what can be measured on it."""

from orchprof import units
from orchprof.contract.env import Env
from orchprof.report import text


def render(record: Env, _details: bool = False) -> str:
    """Return orchprof.env/1: the machine, then each capability with what follows from it."""
    machine = record.machine
    limits = f"{text.number(machine.cores)} usable of {text.number(machine.cores_host)}"
    memory = f"{units.show_bytes(machine.memory_bytes)} of {units.show_bytes(machine.memory_host_bytes)}"
    rows = [
        ("Processor", machine.cpu_model or machine.architecture),
        ("Cores", limits),
        ("Core speed", f"{text.number(record.core_speed)} million spin steps per CPU second"),
        *_calibration(record),
        ("Memory", memory),
        (
            "System",
            f"{machine.system} {machine.kernel}, {machine.implementation} {machine.python}",
        ),
        ("Load", ", ".join(map(text.number, machine.load_average)) + " (1, 5, 15 minutes)"),
        ("Packages", ", ".join(f"{name} {held}" for name, held in machine.packages.items()) or "none"),
    ]
    lines = [line for label, said in rows for line in text.labelled(label, said)]
    able = (("yes" if ability.available else "no", ability) for ability in record.can_measure)
    measured = [(mark, ability.name, ability.consequence) for mark, ability in able]
    return (
        "\n".join([*lines, "", "What can be measured here", *text.columns(measured, "<<<", indent=2)]) + "\n"
    )


def _calibration(record: Env) -> list[tuple[str, str]]:
    calibration = record.calibration
    if calibration is None:
        return []
    return [
        (
            "All at work",
            f"{text.number(calibration.all_core_speed)} million spin steps per CPU second of each core",
        )
    ]
