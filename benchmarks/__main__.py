"""Every benchmark by its name.

    python -m benchmarks                        lists them
    python -m benchmarks NAME [OPTION…]         runs one; NAME --help shows its options
    python -m benchmarks --all [--quick]        runs one after the other; --quick: small sizes, to see that all work

They need a checkout and `pip install '.[app,speed,bench]'`; those beside aria2, mktorrent or opentracker need these
programs, too (`apt-get install`).
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
# Sizes that take seconds; what is not named here is small enough as it is.
QUICK = {
    "attack": ["--lookups", "20"],
    "bittorrent": ["--quick"],
    "congestion": ["--quick"],
    "congestion_kernel": ["--quick"],
    "create": ["--mib", "64", "--runs", "1"],
    "dht_churn": ["--nodes", "40", "--minutes", "2"],
    "dht_latency": ["--lookups", "50"],
    "dht_speed": ["--runs", "1", "--seconds", "0.2", "--members", "50", "--nodes", "20", "--lookups", "10"],
    "distribution": ["4", "--pieces", "40"],
    "idle_torrents": ["--torrents", "50", "--seconds", "2"],
    "limits": ["--quick"],
    "layers": ["--mib", "64", "--runs", "1"],
    "lookup_hops": ["--lookups", "100", "--largest-power", "10"],
    "lookup_patience": ["--lookups", "20"],
    "many_files": ["--files", "3000", "--making", "0.5"],
    "simulation": ["datagrams"],
    "utp": ["--quick"],
    "utp_profiles": ["--repeats", "1"],
    "yamux": ["--mib", "64", "--runs", "1"],
}


def summaries() -> dict[str, str]:
    """Each benchmark, with the first line of its docstring: the modules and packages here that can be run."""
    found = {}
    for path in sorted([*HERE.glob("*.py"), *HERE.glob("*/__main__.py")]):
        text = path.read_text(encoding="utf-8")
        if path.parent == HERE and ("__name__ ==" not in text or path.name == "__main__.py"):
            continue
        described = path if path.parent == HERE else path.with_name("__init__.py")
        name = path.stem if path.parent == HERE else path.parent.name
        docstring = ast.get_docstring(ast.parse(described.read_text(encoding="utf-8"))) or ""
        found[name] = docstring.partition("\n")[0]
    return found


def run(name: str, arguments: list[str]) -> int:
    """Runs one in a process of its own, so that memory and CPU time are its own."""
    return subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments], check=False).returncode


def main(arguments: list[str]) -> int:
    known = summaries()
    if not arguments:
        width = max(map(len, known))
        print("\n".join(f"{name:{width}}  {summary}" for name, summary in known.items()))
        print("\npython -m benchmarks NAME [OPTION…] runs one, NAME --help shows its options, --all [--quick] runs all")
        return 0
    if arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0
    if "--all" in arguments and set(arguments) <= {"--all", "--quick"}:
        failed = []
        for name in known:
            print(f"\n== {name}", flush=True)
            if run(name, QUICK.get(name, []) if "--quick" in arguments else []):
                failed.append(name)
        print(f"\n{len(known)} benchmarks ran, {len(failed)} failed{': ' if failed else ''}{', '.join(failed)}")
        return 1 if failed else 0
    if arguments[0] not in known:
        print(f"no benchmark {arguments[0]!r}; python -m benchmarks lists them", file=sys.stderr)
        return 2
    return run(arguments[0], arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
