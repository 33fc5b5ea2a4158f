#!/usr/bin/env python3
"""Boots whole machines in QEMU and checks the result.

    tests/boot/run.py [--list] [--keep] [--quick] [SCENARIO...]
"""

import argparse
import pathlib
import shutil
import signal
import sys
import tempfile
import time
import traceback

# These register their scenarios in `lab`.
import scripts  # noqa: F401
import boots  # noqa: F401
import failing  # noqa: F401
import clouds  # noqa: F401
import languages  # noqa: F401
import logins  # noqa: F401
import services  # noqa: F401
import build
import extra
from lab import Lab, SCENARIOS

QUICK = ["generator", "flag-files", "layouts", "fw-cfg", "fails-wrong-hash"]


def main():
    """Runs the requested scenarios; the exit status reports whether all passed."""
    parser = argparse.ArgumentParser(description="boots whole machines in QEMU and checks the result")
    parser.add_argument("scenario", nargs="*", help="names of scenarios; all of them if none is given")
    parser.add_argument("--list", action="store_true", help="names the scenarios and ends")
    parser.add_argument("--quick", action="store_true", help="one boot that succeeds and one that fails")
    parser.add_argument("--keep", action="store_true", help="keeps disks and console logs, and says where")
    parser.add_argument("--args", default="", help="words for every kernel command line, e.g. to see more: "
                        "systemd.journald.forward_to_console=1")
    parser.add_argument("--binary", type=pathlib.Path, default=build.REPO / "target/release/kindling",
                        help="the binary of the initramfs")
    parser.add_argument("--peer", action="store_true", help="boots Debian's ignition in its own module instead")
    options = parser.parse_args()
    if options.list:
        for name, function in SCENARIOS.items():
            print(f"{name:20} {function.__doc__.splitlines()[0]}")
        return 0
    names = options.scenario or (QUICK if options.quick else list(SCENARIOS))
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        parser.error(f"no scenario called {', '.join(unknown)}; --list names them")

    began = time.monotonic()
    try:
        tree = build.installed(options.binary.resolve())
        binary = options.binary.resolve()
        more = extra.initramfs(peer=options.peer)
        initrd = (build.initramfs("ignition", tree, None, more) if options.peer
                  else build.initramfs("kindling", tree, binary, more))
        overlay = extra.root() if options.peer else None
        build.system_disk(tree, overlay)
        build.prune()
    except build.BuildError as error:
        print(f"FAILED in the preparation: {error}")
        return 1
    print(f"prepared in {time.monotonic() - began:.1f} s; initramfs {initrd.stat().st_size >> 20} MiB", flush=True)

    failed = []
    for name in names:
        work = pathlib.Path(tempfile.mkdtemp(prefix=f"kindling-boot-{name}-"))
        lab = Lab(work, tree, initrd, binary, options.peer, overlay, options.args)
        began = time.monotonic()
        print(f"{name}: {SCENARIOS[name].__doc__.splitlines()[0]}", flush=True)
        try:
            SCENARIOS[name](lab)
            print(f"   ok {name}, {time.monotonic() - began:.1f} s", flush=True)
        except (AssertionError, build.BuildError) as error:
            failed.append(name)
            print(f"   FAILED {name}, {time.monotonic() - began:.1f} s: {error}", flush=True)
        except Exception:  # a bug in the test itself is a failure, and the other scenarios still run
            failed.append(name)
            print(f"   FAILED {name}, {time.monotonic() - began:.1f} s, in the test itself:\n"
                  f"{traceback.format_exc()}", flush=True)
        finally:
            lab.close()
            if options.keep:
                print(f"   kept: {work}", flush=True)
            else:
                shutil.rmtree(work, ignore_errors=True)
    if failed:
        print(f"FAILED: {len(failed)} of {len(names)} scenarios: {' '.join(failed)}")
        return 1
    print(f"all {len(names)} scenarios hold")
    return 0


if __name__ == "__main__":
    # Ends the machine even if this is terminated.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
