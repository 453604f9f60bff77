"""Prints completion times of the kernel's TCP and of ours over the same paths.

    python -m benchmarks.congestion_kernel                                      about eight minutes
    python -m benchmarks.congestion_kernel --profile "1 % loss" --controller bbr --runs 9
    python -m benchmarks.congestion_kernel --quick                              one path, once

It needs Linux, and root or a user that may make namespaces; elsewhere it says in a line what is missing.
"""

from __future__ import annotations

import argparse
import json
import sys
from statistics import median

from benchmarks.congestion_kernel.compare import CONTROLLERS, Comparison, compare
from benchmarks.congestion_kernel.kernel import NoNamespacesError
from benchmarks.congestion_kernel.profiles import PROFILES, Profile
from transfer import available_congestion_controls


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    profiles = [profile for profile in PROFILES if not options.profile or profile.name in options.profile]
    known = [name for name in CONTROLLERS if name in available_congestion_controls()]
    controllers = list(options.controller or known or CONTROLLERS[:1])
    if options.quick:
        profiles, options.runs = profiles[:1], 1
    found: list[Comparison] = []
    try:
        for profile in profiles:
            for controller in controllers:
                one = compare(profile, controller, runs=options.runs if profile.is_random else min(options.runs, 3))
                if not options.json and not found:
                    print(HEADER)
                found.append(one)
                print(as_json(one) if options.json else as_row(one), flush=True)
    except (NoNamespacesError, TimeoutError) as error:
        print(f"congestion_kernel: {error}", file=sys.stderr)
        return 1
    if not options.json:
        worst = max(abs(one.difference) for one in found)
        print(
            f"\n{len(found)} comparisons; {sum(abs(one.difference) <= GOAL for one in found)} within {GOAL:.0%},"
            f" median {median(abs(one.difference) for one in found):.1%}, largest {worst:.1%}"
        )
    return 0


def as_row(one: Comparison) -> str:
    profile, kernel, ours = one.profile, one.kernel_s, one.ours_s
    return (
        f"| {profile.name} | {described(profile)} | {one.controller} | {median(kernel):.2f} ({min(kernel):.2f} to"
        f" {max(kernel):.2f}) | {median(ours):.2f} ({min(ours):.2f} to {max(ours):.2f}) | {one.difference:+.1%} |"
        f" {median(one.kernel_retransmitted):.0f} | {median(one.ours_retransmitted):.0f} |"
    )


def as_json(one: Comparison) -> str:
    return json.dumps(
        {
            "profile": one.profile.name,
            "controller": one.controller,
            "kernel_s": one.kernel_s,
            "ours_s": one.ours_s,
            "difference": one.difference,
            "kernel_retransmitted": one.kernel_retransmitted,
            "ours_retransmitted": one.ours_retransmitted,
            "latest_us": one.latest_us,
        }
    )


def described(profile: Profile) -> str:
    """`10 Mbit/s, 50 ms, 1 BDP, 1 % loss; 3 MB`."""
    parts = [f"{profile.mbit_s:g} Mbit/s", f"{profile.rtt_ms:g} ms", f"queue {profile.queue_bdp:g} BDP"]
    if profile.jitter_ms:
        parts.append(f"jitter {profile.jitter_ms:g} ms")
    return f"{', '.join(parts)}; {profile.megabytes:g} MB"


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="congestion_kernel", description=__doc__.partition("\n")[0])
    names = [profile.name for profile in PROFILES]
    parser.add_argument("--profile", action="append", choices=names, help="only this path; may be repeated")
    parser.add_argument(
        "--controller", action="append", choices=list(CONTROLLERS), help="only this one of the kernel's"
    )
    parser.add_argument("--runs", type=int, default=5, help="of each where chance plays a part (at most 3 elsewhere)")
    parser.add_argument("--quick", action="store_true", help="one path, once")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    options = parser.parse_args(arguments)
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    return options


GOAL = 0.15
HEADER = (
    "| path | numbers | controller | kernel, s | simulated, s | difference | sent again: kernel | simulated |\n"
    "|---|---|---|---|---|---|---|---|"
)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
