"""`orchprof env`: what this machine is, what can be measured here, how fast a core is."""

from orchprof.cli.words import FormatOption, show


def env(form: FormatOption = "console") -> None:
    """Show this machine and what can be measured on it."""
    from orchprof.run import machine

    show(
        {
            "schema": "orchprof.env/1",
            "machine": machine.fingerprint(),
            "core_speed": machine.spin(),
            "can_measure": machine.can_measure(),
        },
        form,
    )
