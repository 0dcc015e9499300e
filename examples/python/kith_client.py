"""How a service calls kith: with a deadline, with retries that cannot write twice, and seeing its own writes.

Nothing here is needed to speak to kith; it is what every caller ends up writing.
"""

import copy
import random
import sys
import tempfile
import time
import uuid
from pathlib import Path

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

PROTO = Path(__file__).resolve().parents[2] / "proto"


def generate():
    """The API's modules, from the protos, in a folder that goes with the process. A service would keep them in its repository."""
    from grpc_tools import protoc

    out = tempfile.TemporaryDirectory(prefix="kith-api-")
    well_known = Path(sys.modules["grpc_tools"].__file__).parent / "_proto"
    protos = sorted(str(path) for path in (PROTO / "kith/v1").glob("*.proto"))
    flags = [f"-I{PROTO}", f"-I{well_known}", f"--python_out={out.name}", f"--grpc_python_out={out.name}"]
    if protoc.main(["protoc", *flags, *protos]) != 0:
        sys.exit("the protos could not be compiled")
    sys.path.insert(0, out.name)
    return out


_api = generate()

from kith.v1 import (  # noqa: E402
    data_service_pb2_grpc,
    edge_service_pb2_grpc,
    introduction_service_pb2_grpc,
    member_service_pb2_grpc,
    namespace_service_pb2_grpc,
    path_service_pb2_grpc,
    query_pb2,
    reach_service_pb2_grpc,
    status_service_pb2_grpc,
)


class Kith:
    """A channel to kith. One for each process: it is safe to share, and calls travel over it side by side."""

    def __init__(self, address, deadline=2.0, patience=15.0, token=""):
        # A whole call may take `deadline` seconds, all its tries together `patience`.
        self.deadline, self.patience = deadline, patience
        # The newest revision this client has written or read.
        self.revision = ""
        # What goes with every call: the caller's token, and the namespace, which is `default` where none is named. Beyond loopback a token
        # needs an encrypted channel (`grpc.secure_channel`).
        self.metadata = [("authorization", f"Bearer {token}")] if token else []
        keepalive = [("grpc.keepalive_time_ms", 30_000), ("grpc.keepalive_timeout_ms", 10_000)]
        self.channel = grpc.insecure_channel(address, options=keepalive)
        self.data = data_service_pb2_grpc.DataServiceStub(self.channel)
        self.edges = edge_service_pb2_grpc.EdgeServiceStub(self.channel)
        self.introductions = introduction_service_pb2_grpc.IntroductionServiceStub(self.channel)
        self.members = member_service_pb2_grpc.MemberServiceStub(self.channel)
        self.namespaces = namespace_service_pb2_grpc.NamespaceServiceStub(self.channel)
        self.paths = path_service_pb2_grpc.PathServiceStub(self.channel)
        self.reach = reach_service_pb2_grpc.ReachServiceStub(self.channel)
        self.statuses = status_service_pb2_grpc.StatusServiceStub(self.channel)

    def within(self, namespace):
        """The same for a namespace: a social graph of its own in the server. The two share the channel."""
        inside = copy.copy(self)
        others = [(key, value) for key, value in self.metadata if key != "kith-namespace"]
        inside.revision, inside.metadata = "", [*others, ("kith-namespace", namespace)]
        return inside

    def write(self, method, request):
        """A write. All tries carry one request id, so the server carries it out once, however often the answer is lost."""
        if not request.request_id:
            request.request_id = str(uuid.uuid4())
        answer = self.call(method, request)
        self.revision = answer.revision
        return answer

    def query(self, method, request):
        """A question that sees all this client has written, whichever server answers it."""
        request.read.min_revision = self.revision
        answer = self.call(method, request)
        if answer.info.completeness == query_pb2.COMPLETENESS_PARTIAL:
            # Not an error: everything within this hop is there and right. Set `require_complete` to have it refused instead.
            print(f"(partial: exact through hop {answer.info.exact_through_hop})")
        return answer

    def call(self, method, request):
        """A call, again and again while it is worth another try. Only safe for reads, and for writes with a request id."""
        give_up = time.monotonic() + self.patience
        pause = 0.05
        while True:
            try:
                return method(request, timeout=self.deadline, metadata=self.metadata)
            except grpc.RpcError as error:
                wait = max(pause * random.uniform(0.5, 1.5), delay_asked_for(error) or 0.0)
                if not is_worth_another_try(error) or time.monotonic() + wait > give_up:
                    raise
                time.sleep(wait)
                pause = min(pause * 2, 2.0)


def is_worth_another_try(error):
    """Whether the same call may do better soon."""
    if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
        # Overloaded, or a quota used up: the server says when to come again. A full disk or a spent budget stays as it is.
        return delay_asked_for(error) is not None
    # DEADLINE_EXCEEDED is worth a try for a write too: it may have been carried out, and the request id makes the second try harmless.
    return error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def reason_of(error):
    """kith's own reason for a refusal (`ERROR_REASON_…` of errors.proto, without that), which code can be written against."""
    return next((info.reason for info in details(error, error_details_pb2.ErrorInfo)), "")


def delay_asked_for(error):
    """Seconds the server asks to wait before another try; None when it does not say."""
    return max((info.retry_delay.ToTimedelta().total_seconds() for info in details(error, error_details_pb2.RetryInfo)), default=None)


def details(error, kind):
    status = rpc_status.from_call(error)
    for packed in status.details if status else []:
        detail = kind()
        if packed.Unpack(detail):
            yield detail
