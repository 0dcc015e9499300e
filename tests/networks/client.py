"""A kith server on an empty store, and a client of it, for the checks in this folder."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import grpc

ROOT = Path(__file__).resolve().parents[2]
NETWORKS = Path(os.environ.get("KITH_NETWORKS", ""))
HOPS_MAX = 6
BINARY = os.environ.get("KITH", str(ROOT / "target/release/kith"))


def _stubs():
    """The API's modules, generated from the protos into a folder that goes with the process."""
    from grpc_tools import protoc
    import grpc_tools

    out = tempfile.TemporaryDirectory(prefix="kith-protos-")
    protos = sorted(str(p) for p in (ROOT / "proto/kith/v1").glob("*.proto"))
    well_known = str(Path(grpc_tools.__file__).parent / "_proto")
    arguments = ["protoc", f"-I{ROOT / 'proto'}", f"-I{well_known}", f"--python_out={out.name}"]
    if protoc.main([*arguments, f"--grpc_python_out={out.name}", *protos]) != 0:
        sys.exit("the protos could not be compiled")
    sys.path.insert(0, out.name)
    return out


_generated = _stubs()

from kith.v1 import (  # noqa: E402
    admin_service_pb2,
    admin_service_pb2_grpc,
    edge_service_pb2,
    edge_service_pb2_grpc,
    member_service_pb2,
    member_service_pb2_grpc,
    path_service_pb2,
    path_service_pb2_grpc,
    query_pb2,
    reach_service_pb2,
    reach_service_pb2_grpc,
    types_pb2,
)


class Server:
    """`kith serve` on a store of its own and a port of its own; both are gone when it is left."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="kith-networks-")
        command = [BINARY, "serve", "--data", f"{self.folder.name}/store", "--listen", "127.0.0.1:0"]
        self.log = open(f"{self.folder.name}/log", "w+")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        found = re.search(r"(127\.0\.0\.1:\d+)", line)
        if not found:
            self.log.seek(0)
            sys.exit(f"kith did not say where it serves: {line!r} {self.log.read()}")
        self.address = found.group(1)
        channel = grpc.insecure_channel(self.address, options=[("grpc.max_receive_message_length", -1)])
        self.admin = admin_service_pb2_grpc.AdminServiceStub(channel)
        self.edges = edge_service_pb2_grpc.EdgeServiceStub(channel)
        self.members = member_service_pb2_grpc.MemberServiceStub(channel)
        self.paths = path_service_pb2_grpc.PathServiceStub(channel)
        self.reach = reach_service_pb2_grpc.ReachServiceStub(channel)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=60)
        self.process.stdout.close()
        self.log.close()
        self.folder.cleanup()

    def load(self, *arguments, text=None, allow_refused=False):
        """Runs `kith import`; gives what it printed."""
        command = [BINARY, "import", "--server", f"http://{self.address}", *map(str, arguments)]
        done = subprocess.run(command, input=text, capture_output=True, text=True)
        if done.returncode != 0 and not (allow_refused and done.returncode == 1):
            sys.exit(f"import failed: {done.stdout}{done.stderr}")
        return done.stdout

    def put_kind(self, name, sphere, symmetric, prior=1.0):
        kind = types_pb2.Kind(name=name, sphere=sphere, symmetric=symmetric, prior=prior)
        self.edges.PutKind(edge_service_pb2.PutKindRequest(kind=kind))

    def info(self):
        return self.admin.GetServerInfo(admin_service_pb2.GetServerInfoRequest())

    def all_members(self):
        """Everybody's id."""
        token = ""
        while True:
            request = member_service_pb2.ListMembersRequest(page_size=1000, page_token=token)
            page = self.members.ListMembers(request)
            yield from (member.id for member in page.members)
            token = page.next_page_token
            if not token:
                return

    def hops_to(self, source, targets, max_hops):
        """The hops from one member to each of at most 1,000 that are within max_hops."""
        request = path_service_pb2.BatchGetDistancesRequest(from_id=source, to_ids=targets, max_hops=max_hops)
        found = self.paths.BatchGetDistances(request).distances
        return {target.to_id: target.hops for target in found if target.HasField("hops")}

    def counted(self, member, max_hops):
        """How many members are in reach at each hop."""
        request = reach_service_pb2.GetReachRequest(member_id=member, max_hops=max_hops)
        return {hop.hop: hop.members for hop in self.reach.GetReach(request).hops}

    def reached(self, member, max_hops, spheres=()):
        """All members in reach, with their hops."""
        found, token = {}, ""
        edge_filter = types_pb2.EdgeFilter(spheres=spheres)
        while True:
            request = reach_service_pb2.ListReachRequest(
                member_id=member, max_hops=max_hops, filter=edge_filter, page_size=1000, page_token=token
            )
            page = self.reach.ListReach(request)
            found.update((item.member_id, item.hop) for item in page.items)
            token = page.next_page_token
            if not token:
                return found


def networks_or_skip(*sets):
    """Ends the program, by name, where the data is not at hand."""
    missing = [name for name in sets if not (NETWORKS / name).is_dir()]
    if not str(NETWORKS) or missing:
        print(f"SKIPPED {Path(sys.argv[0]).name}: KITH_NETWORKS does not hold {', '.join(missing or sets)}")
        sys.exit(0)
