"""The workloads for a terminal."""

from orchprof.contract.workloads import Workloads
from orchprof.report import text


def render(record: Workloads, _details: bool = False) -> str:
    """Return orchprof.workloads/1: each workload with its variants, settings and what it still needs."""
    lines: list[str] = []
    for entry in record.workloads:
        lines += text.labelled(entry.name, entry.summary)
        if entry.variants:
            lines += text.labelled("", f"variants: {', '.join(entry.variants)}")
        for key, setting in entry.settings.items():
            lines += text.labelled("", f"--set {key}={setting.default}  {setting.help}")
        if entry.missing:
            lines += text.labelled("", f"NOT INSTALLED: pip install {' '.join(map(repr, entry.missing))}")
        lines.append("")
    return "\n".join(lines[:-1] or ["no workloads are installed"]) + "\n"
