"""The JSON contract: what every other program may rely on."""
