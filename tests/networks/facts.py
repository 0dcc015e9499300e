"""Average distance and diameter of real networks, through the service, beside the published figures.

kith answers up to 6 hops: GetReach's counts are taken for what they are. Where not everybody is within 6 hops of a source, the
distances beyond are continued, by SciPy, along the neighbors that kith answered for each member (its hop 1). SciPy's distances
from 1 to 6 hops must then be kith's: by number as GetReach counts them, and one by one as BatchGetDistances gives them to 1,000
members chosen by chance.
All sources where a network has at most 10,000 members. For the rest a seeded sample, with its standard error, and a lower bound of
the diameter, by sweeps from one end to the other.
"""

import argparse
import random
import re
import sys

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components, dijkstra

from client import HOPS_MAX, NETWORKS, Server, networks_or_skip

# set: (file, import arguments, members, edges, average distance, diameter) of the largest component, undirected.
FACTS = {
    "ego-facebook": ("facebook_combined.txt.gz", [], 4039, 88234, 3.693, 8),
    "email-eu-core": ("email-Eu-core.txt.gz", [], 986, 16064, 2.587, 7),
    "ca-hepth": ("ca-HepTh.txt", [], 8638, 24806, 5.945, 18),
    "ca-grqc": ("edges.csv", ["--format", "edges"], 4158, 13422, 6.049, 17),
    "wiki-vote": ("wiki-Vote.txt", [], 7066, 100736, 3.248, 7),
    "lastfm-asia": ("lastfm_asia_edges.csv", ["--format", "edges", "--skip-rows", "1"], 7624, 27806, 5.232, 15),
    "facebook100": ("MIT8.net", None, 6402, 251230, 2.720, 8),
    "com-dblp": ("dblp.csv.gz", ["--format", "edges"], 317080, 1049866, 6.69, 23),
}
ALL_SOURCES_MAX = 10_000
SWEEPS = 5


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
    return csr_matrix((np.ones(len(pairs)), (rows, columns)), shape=(len(members),) * 2)


class Component:
    """The largest component: its members and who is joined to whom, as kith tells."""

    def __init__(self, kith):
        self.kith, self.chance = kith, random.Random(1)
        every = sorted(kith.all_members())
        adjacency = neighbors(kith, every)
        _count, labels = connected_components(adjacency, directed=False)
        inside = np.flatnonzero(labels == np.argmax(np.bincount(labels)))
        self.members, self.adjacency = [every[i] for i in inside], adjacency[inside][:, inside]

    def counts(self, source):
        """How many members are at each hop from a source (a place in the list of members)."""
        counts = self.kith.counted(self.members[source], HOPS_MAX)
        if sum(counts.values()) == len(self.members) - 1:
            return counts
        hops = self.walked(source)
        walked = {hop: int(n) for hop, n in enumerate(np.bincount(hops)) if hop > 0}
        if counts != {hop: n for hop, n in walked.items() if hop <= HOPS_MAX}:
            sys.exit(f"WRONG {self.members[source]}: GetReach counts {counts}, along the neighbors it is {walked}")
        some = self.chance.sample(range(len(hops)), min(len(hops), 1000))
        within = {self.members[i]: int(hops[i]) for i in some if hops[i] <= HOPS_MAX}
        if self.kith.hops_to(self.members[source], [self.members[i] for i in some], HOPS_MAX) != within:
            sys.exit(f"WRONG {self.members[source]}: BatchGetDistances is not what it is along the neighbors")
        return walked

    def walked(self, source):
        return dijkstra(self.adjacency, unweighted=True, indices=source).astype(int)

    def farthest_by_sweeps(self, source):
        """From whoever is farthest to whoever is farthest from there, as long as that gains hops: at most the diameter."""
        farthest = 0
        while max(counts := self.counts(source)) > farthest:
            farthest = max(counts)
            source = int(np.argmax(self.walked(source)))
        return farthest


def check(name, sample):
    *_, members_want, edges_want, average_want, diameter_want = FACTS[name]
    with Server() as kith:
        print(load(kith, name).strip().splitlines()[-1])
        component = Component(kith)
        members, edges = len(component.members), component.adjacency.nnz // 2
        sampled = members > ALL_SOURCES_MAX
        sources = component.chance.sample(range(members), sample) if sampled else range(members)
        all_counts = [component.counts(source) for source in sources]
        farthest = max(max(counts) for counts in all_counts)
        if sampled:
            farthest = max(farthest, *(component.farthest_by_sweeps(source) for source in sources[:SWEEPS]))
    averages = [sum(hop * n for hop, n in counts.items()) / (members - 1) for counts in all_counts]
    average, error = float(np.mean(averages)), float(np.std(averages) / len(averages) ** 0.5)
    # Of a network that is sampled, the published average is of a sample itself, and the diameter a lower bound.
    right_average = abs(average - average_want) < (4 * error + 0.01 if sampled else 0.0006)
    right_diameter = farthest >= diameter_want if sampled else farthest == diameter_want
    ok = right_average and right_diameter and (members, edges) == (members_want, edges_want)
    note = f"{len(sources)} sources and {SWEEPS} sweeps, standard error {error:.3f}" if sampled else "all sources"
    print(f"{'ok   ' if ok else 'WRONG'} {name}: members {members} ({members_want}), edges {edges} ({edges_want}), "
          f"average distance {average:.4f} ({average_want}), farthest {farthest} ({diameter_want}) ({note})", flush=True)
    return ok


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(FACTS))
    parser.add_argument("--sample", type=int, default=200, help="sources of networks above 10,000 members")
    arguments = parser.parse_args()
    networks_or_skip(*arguments.sets)
    sys.exit(0 if all([check(name, arguments.sample) for name in arguments.sets]) else 1)
