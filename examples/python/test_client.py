"""What kith_client.py promises, against a server that fails as it is told to."""

import sys
import time
from concurrent import futures

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from kith_client import Kith, delay_asked_for, reason_of
from kith.v1 import edge_service_pb2, edge_service_pb2_grpc, path_service_pb2, path_service_pb2_grpc, types_pb2


UNAVAILABLE, EXHAUSTED = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED
WORTH_ANOTHER_TRY = [
    (UNAVAILABLE, "NOT_READY"),
    (UNAVAILABLE, "REVISION_NOT_REACHED"),
    (EXHAUSTED, "OVERLOADED"),
    (EXHAUSTED, "QUOTA_EXCEEDED"),
]
NOT_WORTH_IT = [
    (grpc.StatusCode.NOT_FOUND, "NOT_FOUND", None),
    (EXHAUSTED, "STORAGE_FULL", None),
    (EXHAUSTED, "BUDGET_EXHAUSTED", None),
    (UNAVAILABLE, "NOT_READY", 60),
    (EXHAUSTED, "OVERLOADED", 60),
]


def refusal(code, reason, retry_seconds=None):
    details = [error_details_pb2.ErrorInfo(reason=reason, domain="kith")]
    if retry_seconds is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(int(retry_seconds * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=code.value[0], message=reason)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return rpc_status.to_status(status)


class Unreliable(edge_service_pb2_grpc.EdgeServiceServicer, path_service_pb2_grpc.PathServiceServicer):
    def __init__(self):
        self.refusals, self.asked = [], []

    def answer(self, request, context, response):
        self.asked.append(request)
        if self.refusals:
            context.abort_with_status(self.refusals.pop(0))
        return response

    def PutEdge(self, request, context):
        return self.answer(request, context, edge_service_pb2.PutEdgeResponse(revision="r7"))

    def FindPaths(self, request, context):
        return self.answer(request, context, path_service_pb2.FindPathsResponse())


def main():
    fake = Unreliable()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    edge_service_pb2_grpc.add_EdgeServiceServicer_to_server(fake, server)
    path_service_pb2_grpc.add_PathServiceServicer_to_server(fake, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    kith = Kith(f"127.0.0.1:{port}", patience=5.0)
    put = edge_service_pb2.PutEdgeRequest(edge=types_pb2.Edge(from_id="a", kind="friend", to_id="b"))

    # Tried again under the same request id, after the wait that was asked for: each code with the reasons that kith gives with it.
    for code, reason in WORTH_ANOTHER_TRY:
        fake.refusals, fake.asked = [refusal(code, reason, 0.05)] * 2, []
        began, request = time.monotonic(), edge_service_pb2.PutEdgeRequest(edge=put.edge)
        assert kith.write(kith.edges.PutEdge, request).revision == "r7", reason
        assert len(fake.asked) == 3 and len({request.request_id for request in fake.asked}) == 1 and fake.asked[0].request_id
        assert time.monotonic() - began >= 0.1, reason

    # Reads see the write.
    kith.query(kith.paths.FindPaths, path_service_pb2.FindPathsRequest(from_id="a", to_id="b"))
    assert fake.asked[-1].read.min_revision == "r7"

    # Not tried again: a refusal that stays one, and a wait that is longer than the patience.
    for code, reason, wait in NOT_WORTH_IT:
        fake.refusals, fake.asked = [refusal(code, reason, wait)], []
        try:
            kith.call(kith.edges.PutEdge, put)
            sys.exit(f"{reason} did not come through")
        except grpc.RpcError as error:
            assert (reason_of(error), delay_asked_for(error)) == (reason, wait) and len(fake.asked) == 1
    server.stop(None)
    print("the client tries again what is worth it, under one request id")


if __name__ == "__main__":
    main()
