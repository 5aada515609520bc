"""The small records for a terminal: the machine, an explained model spec, the workloads."""

from typing import Any

from orchprof import units
from orchprof.report import text

Record = dict[str, Any]


def env(record: Record, _details: bool = False) -> str:
    """Return orchprof.env/1: the machine, then each capability with what follows from it."""
    machine = record["machine"]
    limits = f"{text.number(machine['cores'])} usable of {text.number(machine['cores_host'])}"
    memory = (
        f"{units.show_bytes(machine['memory_bytes'])} of {units.show_bytes(machine['memory_host_bytes'])}"
    )
    rows = [
        ("Processor", machine["cpu_model"] or machine["architecture"]),
        ("Cores", limits),
        ("Core speed", f"{text.number(record['core_speed'])} million spin steps per CPU second"),
        *_calibration(record),
        ("Memory", memory),
        (
            "System",
            f"{machine['system']} {machine['kernel']}, {machine['implementation']} {machine['python']}",
        ),
        ("Load", ", ".join(map(text.number, machine["load_average"])) + " (1, 5, 15 minutes)"),
        ("Packages", ", ".join(f"{name} {held}" for name, held in machine["packages"].items()) or "none"),
    ]
    lines = [line for label, said in rows for line in text.labelled(label, said)]
    able = (("yes" if each["available"] else "no", each) for each in record["can_measure"])
    measured = [(mark, each["name"], each["consequence"]) for mark, each in able]
    return (
        "\n".join([*lines, "", "What can be measured here", *text.columns(measured, "<<<", indent=2)]) + "\n"
    )


def _calibration(record: Record) -> list[tuple[str, str]]:
    found = record.get("calibration")
    if found is None:
        return []
    return [
        (
            "All at work",
            f"{text.number(found['all_core_speed'])} million spin steps per CPU second of each core",
        )
    ]


def explain(record: Record, _details: bool = False) -> str:
    """Return orchprof.explain/1: the times a call would take, how sure they are, and what they stand on."""
    modelled = " (MODELLED)" if record["provenance"] == "modelled" else ""
    rows = [
        ("Model", record["spec"]),
        ("First token", _milliseconds(record["ttft_ms"], modelled)),
        ("Each further", _milliseconds(record["tpot_ms"], modelled)),
        ("Band", _band(record["band"])),
        ("Provenance", record["provenance"] or "-"),
        ("Source", str(record["source"])),
    ]
    rows += [("Setup", _setup(record["setup"]))] if "setup" in record else []
    return "\n".join(line for label, said in rows for line in text.labelled(label, said)) + "\n"


def workloads(record: Record, _details: bool = False) -> str:
    """Return orchprof.workloads/1: each workload with its variants, settings and what it still needs."""
    lines: list[str] = []
    for entry in record["workloads"]:
        lines += text.labelled(entry["name"], entry["summary"])
        if entry["variants"]:
            lines += text.labelled("", f"variants: {', '.join(entry['variants'])}")
        for key, setting in entry["settings"].items():
            lines += text.labelled("", f"--set {key}={setting['default']}  {setting['help']}")
        if entry["missing"]:
            lines += text.labelled("", f"NOT INSTALLED: pip install {' '.join(map(repr, entry['missing']))}")
        lines.append("")
    return "\n".join(lines[:-1] or ["no workloads are installed"]) + "\n"


def _milliseconds(ms: float | None, mark: str) -> str:
    return "not known before it is asked" if ms is None else units.show_seconds(ms / 1e3) + mark


def _band(band: list[float] | None) -> str:
    if band is None:
        return "-"
    low, high = band
    return f"x{low:.2g}-{high:.2g}: what was published, as a multiple of what is modelled"


def _setup(setup: Record) -> str:
    left_out = ", ".join(setup["defaults"])
    said = ", ".join(f"{key} {value}" for key, value in setup.items() if key != "defaults")
    return f"{said} (by default: {left_out})" if left_out else said
