"""Average distance and diameter of real networks, through the service, beside the published figures.

kith answers up to 6 hops. Where everybody is within 6 hops of a source, GetReach's counts are the answer. Elsewhere what is within
6 hops comes from ListReach, and longer distances are put together by continuing, from the members it found at hop 6, along the neighbors that kith answered for them (their hop 1).
All sources where a network has at most 10,000 members; a seeded sample, with its standard error, for the rest.
"""

import argparse
import random
import re
import sys

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from client import NETWORKS, Server, networks_or_skip

# set: (file, import arguments, members, edges, average distance, diameter) of the largest component, undirected.
FACTS = {
    "ego-facebook": ("facebook_combined.txt.gz", [], 4039, 88234, 3.693, 8),
    "ca-hepth": ("ca-HepTh.txt", [], 8638, 24806, 5.945, 18),
    "wiki-vote": ("wiki-Vote.txt", [], 7066, 100736, 3.248, 7),
    "lastfm-asia": ("lastfm_asia_edges.csv", ["--format", "edges", "--skip-rows", "1"], 7624, 27806, 5.232, 15),
    "facebook100": ("MIT8.net", None, 6402, 251230, 2.720, 8),
    "com-dblp": ("dblp.csv.gz", ["--format", "edges"], 317080, 1049866, 6.69, 23),
}
ALL_SOURCES_MAX = 10_000


def load(kith, name):
    file, arguments, *_ = FACTS[name]
    path = NETWORKS / name / file
    if arguments is None:
        # A Pajek file: the edges follow the line `*edges`.
        text = re.split(r"\*edges\s*\n", path.read_text(), maxsplit=1)[1]
        return kith.load("-", "--format", "edges", "--columns", "from,to,-", text=text, allow_refused=True)
    return kith.load(path, *arguments, allow_refused=True)


def neighbors(kith, members):
    """Everybody's hop 1, as a matrix."""
    index = {member: i for i, member in enumerate(members)}
    pairs = [(index[m], index[n]) for m in members for n in kith.reached(m, 1)]
    rows, columns = np.array(pairs).T
    return csr_matrix((np.ones(len(pairs), dtype=np.int8), (rows, columns)), shape=(len(members),) * 2)


def distances(kith, adjacency, index, source):
    """Hops from one source to everybody: up to 6 by kith, then along kith's neighbors. -1: not joined."""
    hops = np.full(adjacency.shape[0], -1, dtype=np.int16)
    hops[index[source]] = 0
    for member, hop in kith.reached(source, 6).items():
        hops[index[member]] = hop
    frontier, hop = np.flatnonzero(hops == 6), 6
    while frontier.size:
        hop += 1
        near = np.unique(np.concatenate([adjacency.indices[adjacency.indptr[i]:adjacency.indptr[i + 1]] for i in frontier]))
        frontier = near[hops[near] < 0]
        hops[frontier] = hop
    return hops


def check(name, sample):
    *_, members_want, edges_want, average_want, diameter_want = FACTS[name]
    with Server() as kith:
        print(load(kith, name).strip().splitlines()[-1])
        every = sorted(all_members(kith))
        adjacency = neighbors(kith, every)
        index = {member: i for i, member in enumerate(every)}
        _count, labels = connected_components(adjacency, directed=False)
        largest = np.argmax(np.bincount(labels))
        inside = labels == largest
        edges = int(adjacency[inside][:, inside].nnz // 2)
        sources = [member for member in every if inside[index[member]]]
        sampled = sample and len(sources) > ALL_SOURCES_MAX
        if sampled:
            sources = random.Random(1).sample(sources, sample)
        others = int(inside.sum()) - 1
        averages, farthest = [], 0
        for source in sources:
            counts = kith.counted(source, 6)
            if sum(counts.values()) == others:
                averages.append(sum(hop * members for hop, members in counts.items()) / others)
                farthest = max(farthest, max(counts))
                continue
            hops = distances(kith, adjacency, index, source)[inside]
            averages.append(hops.sum() / others)
            farthest = max(farthest, int(hops.max()))
    average, error = float(np.mean(averages)), float(np.std(averages) / len(averages) ** 0.5)
    if sampled:
        # The published figure is itself of a sample, given to two places.
        ok = abs(average - average_want) <= 4 * error + 0.01 and farthest <= diameter_want + 2
    else:
        ok = abs(average - average_want) < 0.0006 and farthest == diameter_want
    ok = ok and (int(inside.sum()), edges) == (members_want, edges_want)
    note = f" ({len(sources)} sources sampled, standard error {error:.3f})" if sampled else " (all sources)"
    print(f"{'ok   ' if ok else 'WRONG'} {name}: members {inside.sum()} ({members_want}), edges {edges} ({edges_want}), "
          f"average distance {average:.4f} ({average_want}), farthest {farthest} ({diameter_want}){note}", flush=True)
    return ok


def all_members(kith):
    from kith.v1 import member_service_pb2, member_service_pb2_grpc
    import grpc

    stub = member_service_pb2_grpc.MemberServiceStub(grpc.insecure_channel(kith.address))
    token = ""
    while True:
        page = stub.ListMembers(member_service_pb2.ListMembersRequest(page_size=1000, page_token=token))
        yield from (member.id for member in page.members)
        token = page.next_page_token
        if not token:
            return


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(FACTS))
    parser.add_argument("--sample", type=int, default=200, help="sources of networks above 10,000 members")
    arguments = parser.parse_args()
    networks_or_skip(*arguments.sets)
    sys.exit(0 if all([check(name, arguments.sample) for name in arguments.sets]) else 1)
