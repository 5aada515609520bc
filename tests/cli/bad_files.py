"""What lines of the tables of bad input may name, what is in it, and what a refusal looks like."""

HEADER = "provider,instance,vcpus,memory_gib,usd_per_hour\n"
DIGITS = "9" * 5000
PLAN = "plan RUN --slo p95=9s --rate 5"

# What a line below may name, and what is in it.
FILES = {
    "empty": b"",
    "utf16.csv": (HEADER + "a,b,1,1,1\n").encode("utf-16"),
    "nul.csv": HEADER.encode() + b"a,b\0,1,1,1\n",
    "latin.csv": HEADER.encode() + b"a,b\xff,1,1,1\n",
    "large.csv": HEADER.encode() + b"a,b,1,1,1\n" * 300_000,
    "nan.csv": HEADER.encode() + b"a,b,1,1,nan\n",
    "digits.csv": HEADER.encode() + f"a,b,{DIGITS},1,1\n".encode(),
    "arabic.csv": HEADER.encode() + "a,b,٣,1,1\n".encode(),
    "minus.csv": HEADER.encode() + b"a,b,1,-1,1\n",
    "tiny.csv": HEADER.encode() + b"a,b,1,1,1e-999\n",
    "short.csv": HEADER.encode() + b"a,b\n",
    "twice.csv": HEADER.encode() + b"a,b,1,1,1\na,b,1,1,2\n",
    "column.csv": b"provider,instance,vcpus,memory_gib,eur_per_hour\na,b,1,1,1\n",
    "escape.csv": HEADER.encode() + b"a,\x1b[31mb,1,1,oops\n",
    "cell.csv": HEADER.encode() + b"a," + b"b" * 200_000 + b",1,1,1\n",
    "none.json": b"{}",
    "list.json": b"[1, 2]",
    "text.json": b'{"calibration": {"core_speed": "9", "all_core_speed": 9, "cores": 2}}',
    "nan.json": b'{"calibration": {"core_speed": NaN, "all_core_speed": 9, "cores": 2}}',
    "inf.json": b'{"calibration": {"core_speed": 1e999, "all_core_speed": 9, "cores": 2}}',
    "minus.json": b'{"calibration": {"core_speed": -9, "all_core_speed": 9, "cores": 2}}',
    "deep.json": b'{"calibration": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "torn.json": b'{"calibration": {"core_speed": 9,',
    "back.txt": b"1\n0.5\n",
    "words.txt": b"1\ntwo\n",
    "never.txt": b"1\n1e999\n",
}


def refused(said, fragment):
    assert said.code not in (0, 1)
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert len(said.err.splitlines()) == 1
    assert len(said.err) < 1400
    assert fragment in said.err
    assert said.err.rstrip("\n").isprintable()
