"""`python -m tests.golden.renew`: records the golden sequences again, after a change meant to alter them."""

from __future__ import annotations

import json

from tests.golden.losses import EVERY, path, sequence


def main() -> None:
    for name, method in EVERY:
        lines = [f'  "{metric}": {json.dumps(values)}' for metric, values in sequence(name, method).items()]
        path(name, method).write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
