"""story.py ADDRESS STORY: imports the story into a kith server, asks what kith is for, and records what came of it."""

import sys
import uuid

import grpc
from google.protobuf import json_format
from kith_client import Kith, reason_of
from kith.v1 import (
    data_service_pb2,
    edge_service_pb2,
    introduction_service_pb2,
    path_service_pb2,
    reach_service_pb2,
    status_service_pb2,
    types_pb2,
)

TOPIC = "consumer-privacy"
STATUS = "who-owns-your-data"


def requests(file):
    """The file's records, 100 to a message; each message is on disk as a whole."""
    records = []
    for position, line in enumerate(open(file, encoding="utf-8"), start=1):
        record = json_format.Parse(line, data_service_pb2.ImportRecord())
        record.position = position
        records.append(record)
        if len(records) == 100:
            yield data_service_pb2.ImportRequest(records=records)
            records = []
    if records:
        yield data_service_pb2.ImportRequest(records=records)


def main(address, file):
    kith = Kith(address)

    # An import may be sent again from its start: what is there already changes nothing. `wait_for_ready` bridges a restart.
    imported = kith.data.Import(requests(file), timeout=60, wait_for_ready=True)
    assert imported.refused == 0, imported.errors
    kith.revision = imported.revision
    print(f"imported {imported.received} records, {imported.created} of them new")

    reach = kith.query(kith.reach.GetReach, reach_service_pb2.GetReachRequest(member_id="jeremy"))
    assert reach.members == 38
    print(f"{reach.members} members can see what jeremy posts: {', '.join(f'{hop.members} at hop {hop.hop}' for hop in reach.hops)}")

    found = kith.query(kith.paths.FindPaths, path_service_pb2.FindPathsRequest(from_id="officer", to_id="jeremy"))
    chain = [step.from_id for step in found.paths[0].steps] + ["jeremy"]
    assert chain == ["officer", "wife", "cousin", "jeremy"], chain
    print(f"the officer could have found it through {' -> '.join(chain)}")

    asked = introduction_service_pb2.SuggestIntroductionsRequest(member_id="officer", topics=[TOPIC], limit=1)
    best = kith.query(kith.introductions.SuggestIntroductions, asked).suggestions[0]
    introducer = best.introducers[0]
    assert (best.member_id, introducer.member_id) == ("jeremy", "wife")
    print(f"about {TOPIC} the officer should meet {best.member_id}; {introducer.member_id} can introduce them")

    # They met. The write names what it came of, and carries a request id of its own: sent twice, it is carried out once.
    edge = types_pb2.Edge(from_id="officer", kind="colleague", to_id="jeremy")
    edge.origin.status_id = STATUS
    edge.origin.introducer_ids.extend(chain[1:-1])
    put = edge_service_pb2.PutEdgeRequest(edge=edge, request_id=str(uuid.uuid4()))
    first, again = kith.write(kith.edges.PutEdge, put), kith.write(kith.edges.PutEdge, put)
    assert first.revision == again.revision
    print("they are colleagues now; sent twice, written once")

    # A get takes `min_revision` by itself; a query takes it among its read options.
    outcomes = status_service_pb2.ListOutcomesRequest(status_id=STATUS, min_revision=kith.revision)
    came_of_it = kith.call(kith.statuses.ListOutcomes, outcomes).edges
    assert [{edge.from_id, edge.to_id} for edge in came_of_it] == [{"officer", "jeremy"}], came_of_it
    print(f"{len(came_of_it)} edge came of {STATUS}")

    try:
        kith.query(kith.paths.FindPaths, path_service_pb2.FindPathsRequest(from_id="officer", to_id="nobody"))
        sys.exit("a member that does not exist was found")
    except grpc.RpcError as error:
        assert (error.code(), reason_of(error)) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
        print(f"refused, and not worth another try: {error.details()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
