"""The mutual-friend attack: one viewer asks for everyone's mutuals, to rebuild the lists that half of ego-facebook's members hide.

Jin, Joshi, Anwar (2013), "Mutual-friend based attacks in social network systems": a service that hides a list, and shows intersections with
it all the same, gives most of it away. The same questions are asked in the service's own view, which is such a service: what they recover
there tells how much the attack is worth. An argument is how many pairs are asked for each member; 10 when not given.
"""

import random
import sys
from concurrent.futures import ThreadPoolExecutor

from client import NETWORKS, Server, edge_service_pb2, member_service_pb2, networks_or_skip, path_service_pb2
from client import query_pb2, reach_service_pb2, types_pb2

SEED = 1
PAIRS_PER_MEMBER = int(sys.argv[1]) if len(sys.argv) > 1 else 10
# In this network neighbors' numbers are near each other.
NEAR = 120


def friendships():
    import gzip

    with gzip.open(NETWORKS / "ego-facebook/facebook_combined.txt.gz", "rt") as file:
        return [tuple(line.split()) for line in file]


def edge(a, b):
    return (a, b) if a < b else (b, a)


def hide(server, hiding):
    for member in hiding:
        privacy = types_pb2.Privacy(edges_visibility=types_pb2.VISIBILITY_PARTIES)
        server.members.PutMember(
            member_service_pb2.PutMemberRequest(member=types_pb2.Member(id=member, privacy=privacy))
        )


def mutuals_told(server, viewer, pairs):
    """Every edge that the mutuals of these pairs give away."""
    read = query_pb2.ReadOptions(viewer_id=viewer)

    def ask(pair):
        a, b = pair
        request = path_service_pb2.ListMutualsRequest(a_id=a, b_id=b, page_size=1000, read=read)
        mutuals = [item.member_id for item in server.paths.ListMutuals(request).items]
        return {edge(end, mutual) for mutual in mutuals for end in pair}

    with ThreadPoolExecutor(4) as pool:
        return set().union(*pool.map(ask, pairs, chunksize=500))


def lists_told(server, viewer, members):
    """Every edge that lists, distances and reach give away: without a detour."""
    read = query_pb2.ReadOptions(viewer_id=viewer)
    told = set()
    for member in members:
        request = edge_service_pb2.ListEdgesRequest(member_id=member, page_size=1000, viewer_id=viewer)
        told |= {edge(found.from_id, found.to_id) for found in server.edges.ListEdges(request).edges}
        request = reach_service_pb2.ListReachRequest(member_id=member, max_hops=1, page_size=1000, read=read)
        told |= {edge(member, item.member_id) for item in server.reach.ListReach(request).items}
        near = [str(n) for n in range(max(0, int(member) - 400), int(member) + 400)]
        request = path_service_pb2.BatchGetDistancesRequest(from_id=member, to_ids=near, max_hops=1, read=read)
        told |= {edge(member, found.to_id) for found in server.paths.BatchGetDistances(request).distances if found.hops == 1}
    return told


def main():
    networks_or_skip("ego-facebook")
    rng = random.Random(SEED)
    edges = {edge(a, b) for a, b in friendships()}
    members = sorted({end for pair in edges for end in pair}, key=int)
    hiding = set(rng.sample(members, len(members) // 2))
    viewer = rng.choice(sorted(set(members) - hiding))
    hidden = {pair for pair in edges if viewer not in pair and not hiding.isdisjoint(pair)}
    pairs = set()
    for member in members:
        near = [m for m in range(int(member) - NEAR, int(member) + NEAR) if 0 <= m < len(members) and m != int(member)]
        pairs |= {edge(member, str(other)) for other in rng.sample(near, PAIRS_PER_MEMBER)}
    with Server() as server:
        server.load(NETWORKS / "ego-facebook/facebook_combined.txt.gz")
        hide(server, hiding)
        told = mutuals_told(server, viewer, sorted(pairs)) | lists_told(server, viewer, members)
        exempting = mutuals_told(server, "", sorted(pairs))
    recovered, shown = hidden & told, edges & told
    control = len(hidden & exempting) / len(hidden)
    print(
        f"ego-facebook, {len(hiding)} of {len(members)} members hide {len(hidden)} of {len(edges)} edges from member {viewer}: "
        f"{len(pairs)} pairs' mutuals and everybody's lists recover {len(recovered)}, and show {len(shown)} others; "
        f"where intersections are exempt, the mutuals alone recover {control:.1%}"
    )
    if recovered or told - edges or len(shown) != len(edges) - len(hidden) or control < 0.6:
        sys.exit("the attack should recover no hidden edge, show all others, and more than 60 % where intersections are exempt")


main()
