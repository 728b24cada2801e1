"""What kmlic and each of its extras take on disk, from the packages installed here.

Command: python -m tests.benchmarks.install_weight

An extra weighs what it adds to the packages of kmlic alone. Packages that are not
installed are named and not counted.
"""

import configparser
import importlib.metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def main():
    """Prints a line for kmlic alone and one for each extra."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    base = closure(read(config["options"]["install_requires"]))
    print(f"{'kmlic':14}{weigh(base):8.0f} MB, {len(base)} packages")
    extras = config["options.extras_require"]
    for extra in extras:
        added = closure(read(extras[extra], extras)) - base
        print(f"{extra:14}{weigh(added):8.0f} MB, {len(added)} packages{lack(added)}")


def read(lines, extras=()):
    """Reads requirements, one per line; those of kmlic itself are its extras."""
    found = []
    for line in lines.splitlines():
        text = line.partition("#")[0].strip()
        if not text:
            continue
        requirement = Requirement(text)
        if requirement.name == "kmlic":
            for extra in requirement.extras:
                found += read(extras[extra], extras)
        else:
            found.append(requirement)
    return found


def closure(requirements):
    """Returns the names of packages and of all that they require here."""
    names, seen, queue = set(), set(), list(requirements)
    while queue:
        requirement = queue.pop()
        key = requirement.name.lower().replace("_", "-"), tuple(requirement.extras)
        if key in seen:
            continue
        seen.add(key)
        names.add(key[0])
        try:
            found = importlib.metadata.requires(requirement.name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for each in map(Requirement, found):
            extras = requirement.extras or {""}
            if each.marker is None or any(
                each.marker.evaluate({"extra": extra}) for extra in extras
            ):
                queue.append(each)
    return names


def weigh(names):
    """Returns the megabytes of the files of packages."""
    total = 0
    for name in names:
        try:
            files = importlib.metadata.files(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        paths = (Path(file.locate()) for file in files)
        total += sum(path.stat().st_size for path in paths if path.is_file())
    return total / 1e6


def lack(names):
    """Names the packages that are not installed."""
    absent = []
    for name in sorted(names):
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            absent.append(name)
    return f", without {', '.join(absent)}" if absent else ""


if __name__ == "__main__":
    main()
