"""What a program reports: lines of JSON on standard output, each outcome once."""

import json
import sys

_seen = set()


def begin(client, version):
    _line(client=client, version=version)


def outcome(operation, error=None):
    """Report that an operation did what it should, or which error it had."""
    if (operation, error) not in _seen:
        _seen.add((operation, error))
        _line(operation=operation, **({"error": error} if error else {}))


def end(way):
    _line(way=way)


def check(condition, *what):
    """End the program if something is not as it should be."""
    if not condition:
        raise SystemExit("not as expected: " + " ".join(str(w) for w in what))


def _line(**members):
    sys.stdout.write(json.dumps(members) + "\n")
    sys.stdout.flush()
