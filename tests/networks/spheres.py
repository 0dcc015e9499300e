"""Reach by sphere and crossing, for every member of two workplaces, against networkx."""

import csv
import sys

import networkx as nx

from client import NETWORKS, Server, networks_or_skip, reach_service_pb2, types_pb2

PERSONAL, PROFESSIONAL = types_pb2.SPHERE_PERSONAL, types_pb2.SPHERE_PROFESSIONAL


def aarhus():
    """61 employees; five symmetric kinds."""
    spheres = {
        "lunch": PERSONAL, "facebook": PERSONAL, "leisure": PERSONAL, "coauthor": PROFESSIONAL, "work": PROFESSIONAL,
    }
    folder = NETWORKS / "cs-aarhus"
    layers = dict(line.split() for line in (folder / "CS-Aarhus_layers.txt").read_text().splitlines()[1:])
    edges = []
    for line in (folder / "CS-Aarhus_multiplex.edges").read_text().splitlines():
        layer, a, b, _weight = line.split()
        edges.append((a, layers[layer], b))
    return "cs-aarhus", spheres, True, edges


def lazega():
    """71 lawyers; three directed kinds."""
    spheres = {"advice": PROFESSIONAL, "cowork": PROFESSIONAL, "friends": PERSONAL}
    edges = []
    for kind in spheres:
        with open(NETWORKS / "lazega-lawyers" / f"law_{kind}.derived.csv") as file:
            edges += [(row["from"], kind, row["to"]) for row in csv.DictReader(file)]
    return "lazega-lawyers", spheres, False, edges


def hops_to(edges, symmetric, member, max_hops):
    """{ X: distance(X → member) }, by networkx."""
    graph = nx.DiGraph()
    graph.add_node(member)
    for a, _kind, b in edges:
        graph.add_edge(b, a)
        if symmetric:
            graph.add_edge(a, b)
    found = nx.single_source_shortest_path_length(graph, member, cutoff=max_hops)
    return {x: hop for x, hop in found.items() if x != member}


def expected(edges, spheres, symmetric, member, max_hops):
    """Per hop: members, personal, professional, public, crossing."""
    def of(sphere):
        return [edge for edge in edges if spheres[edge[1]] == sphere]
    whole = hops_to(edges, symmetric, member, max_hops)
    personal = hops_to(of(PERSONAL), symmetric, member, max_hops)
    professional = hops_to(of(PROFESSIONAL), symmetric, member, max_hops)
    rows = {}
    for x, hop in whole.items():
        row = rows.setdefault(hop, [0, 0, 0, 0, 0])
        row[0] += 1
        row[1] += x in personal
        row[2] += x in professional
        row[4] += x not in personal and x not in professional
    return rows, whole, personal, professional


def check(name, spheres, symmetric, edges):
    wrong = asked = crossing = 0
    with Server() as kith:
        for kind, sphere in spheres.items():
            kith.put_kind(kind, sphere, symmetric)
        rows = "".join(f"{a},{kind},{b}\n" for a, kind, b in edges)
        kith.load("-", "--format", "edges", "--columns", "from,kind,to", text=rows)
        for member in sorted({m for a, _, b in edges for m in (a, b)}):
            for max_hops in (2, 3):
                want, whole, personal, professional = expected(edges, spheres, symmetric, member, max_hops)
                got = kith.reach.GetReach(reach_service_pb2.GetReachRequest(member_id=member, max_hops=max_hops))
                counts = {h.hop: [h.members, h.personal, h.professional, h.public, h.crossing] for h in got.hops}
                wrong += counts != want
                wrong += kith.reached(member, max_hops) != whole
                wrong += kith.reached(member, max_hops, [PERSONAL]) != personal
                wrong += kith.reached(member, max_hops, [PROFESSIONAL]) != professional
                asked += 4
                crossing += sum(row[4] for row in want.values())
    print(f"{name}: {asked} answers, {wrong} wrong ({len(edges)} rows, {crossing} crossing members counted)")
    return wrong


if __name__ == "__main__":
    networks_or_skip("cs-aarhus", "lazega-lawyers")
    sys.exit(1 if sum(check(*network()) for network in (aarhus, lazega)) else 0)
