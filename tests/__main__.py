"""``python -m tests [trial arguments]``: trial over everything, closing with one line that programs can read."""

import re
import subprocess
import sys
import time


def main(arguments: list[str]) -> int:
    """Run trial, pass its output through, and end with ``N passed, N failed, N skipped``."""
    wanted = arguments or ["tests.unit", "tests.wire", "tests.dist"]
    command = [sys.executable, "-m", "twisted.trial", *wanted]
    started = time.monotonic()
    # S603: the command is ours, its arguments those of whoever runs the tests.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    ran, closing = 0, ""
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        if match := re.match(r"Ran (\d+) tests? in", line):
            ran = int(match[1])
        elif re.match(r"(PASSED|FAILED)\b", line):
            closing = line
    status = process.wait()
    counts = {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", closing)}
    skipped = counts.get("skips", 0)
    failed = counts.get("failures", 0) + counts.get("errors", 0)
    if status and not failed:
        failed = 1
    passed = max(0, ran - skipped - failed)
    print(f"{time.monotonic() - started:.0f} s")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not ran else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
