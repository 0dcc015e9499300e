#!/usr/bin/env python3
"""sbom.py [TARGET]: what the binary is made of, as CycloneDX 1.5, on the standard output: the packages of the lock file, and the C library
of this machine, which is linked in too. The same of both gives the same text."""

import json
import platform
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = sys.argv[1] if len(sys.argv) > 1 else "x86_64-unknown-linux-gnu"


def c_library():
    name, version = platform.libc_ver()
    purl = f"pkg:generic/{name}@{version}"
    licenses = [{"expression": "LGPL-2.1-or-later"}]
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl, "licenses": licenses}


def main():
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", TARGET]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    checksums = {(package["name"], package["version"]): package.get("checksum") for package in locked}

    def needs(identity):
        """What is linked in: neither the tools of the build nor those of the tests."""
        deps = nodes[identity]["deps"]
        return sorted(dep["pkg"] for dep in deps if any(kind["kind"] is None for kind in dep["dep_kinds"]))

    def reference(identity):
        package = packages[identity]
        return f"pkg:cargo/{package['name']}@{package['version']}"

    def component(identity, sort):
        package = packages[identity]
        described = {"type": sort, "bom-ref": reference(identity), "name": package["name"], "version": package["version"]}
        described["purl"] = reference(identity)
        if package.get("license"):
            # Old packages write `MIT/Apache-2.0` for what SPDX calls OR.
            described["licenses"] = [{"expression": " OR ".join(map(str.strip, package["license"].split("/")))}]
        checksum = checksums.get((package["name"], package["version"]))
        if checksum:
            described["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        return described

    root = metadata["resolve"]["root"]
    found, waiting = {root}, [root]
    while waiting:
        for other in needs(waiting.pop()):
            if other not in found:
                found.add(other)
                waiting.append(other)
    order = sorted(found, key=reference)
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(root, "application")},
        "components": [component(identity, "library") for identity in order if identity != root] + [c_library()],
        "dependencies": [{"ref": reference(i), "dependsOn": sorted(map(reference, needs(i)))} for i in order],
    }
    print(json.dumps(bom, indent=1))


main()
