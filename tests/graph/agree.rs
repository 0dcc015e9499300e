//! Every query against its oracle, with all the budget it wants.

use kith::domain::{History, Sphere, TimeMs};
use kith::graph::*;

use crate::case::{Case, Names, Questions};
use crate::oracle::{Oracle, strength};
use crate::oracle_paths;
use crate::world::World;

/// A readiness that differs from member to member, and is equal for some.
pub fn readiness(member: usize) -> f64 {
    [0.5, 1.0, 0.5, 0.25][member % 4]
}

fn free() -> Budget<'static> {
    Budget::unlimited()
}

pub fn content_agrees(case: &Case) {
    let kinds = &case.world.kinds;
    for graph in &case.graphs {
        assert_eq!(graph.members(), case.world.members.len());
        assert_eq!(graph.edges(), case.world.edges.len() as u64);
        for (i, kind) in kinds.iter().enumerate() {
            let uses = case.world.edges.iter().filter(|edge| edge.kind == i).count() as u64;
            assert_eq!(graph.kind_uses(KindIx(kind.slot)), uses);
        }
        let by_id: Vec<&str> = graph.members_after(None).map(|ix| graph.id(ix).as_str()).collect();
        assert_eq!(by_id, case.oracle.ids);
        assert_eq!(graph.iter_members().count(), case.oracle.size());
        assert_eq!(graph.find("nobody"), None);
        crate::privacy::privacy_is(&case.world, graph);
    }
}

/// Histories add up to what is stored of them, in whatever order; a strength is that of the interactions themselves.
pub fn strengths_agree(world: &World, graph: &Graph, as_of: TimeMs) {
    for edge in &world.edges {
        let kind = &world.kinds[edge.kind];
        let known = graph.kind(KindIx(kind.slot));
        let add = |history, &(count, time_s): &(u32, u32)| add_interactions(history, known, u64::from(count), time_s);
        let history = edge.interactions.iter().fold(History::default(), add);
        let (faded, last_s) = edge.faded(kind);
        assert_eq!(history.last_s, last_s);
        assert!(close(f64::from(history.faded), f64::from(faded), 1e-5));
        let half_lives =
            |time_s: u32| (as_of.0 as f64 / 1_000.0 - f64::from(time_s)) * 1_000.0 / kind.half_life_ms as f64;
        if edge.pinned.is_none() && half_lives(last_s) >= 0.0 {
            let parts = edge.interactions.iter().map(|&(count, at)| f64::from(count) * 0.5f64.powf(half_lives(at)));
            let w = kind.prior + parts.sum::<f64>();
            let by_interactions = 0.1 + 0.9 * w / (1.0 + w);
            assert!(close(f64::from(strength(kind, edge, as_of)), by_interactions, 1e-5));
        }
    }
}

pub fn pairs_agree(view: &View<'_>, names: &Names<'_>) {
    let oracle = names.oracle;
    for a in 0..oracle.size() {
        for b in 0..oracle.size() {
            let (from, to) = (names.ix(a), names.ix(b));
            assert_eq!(view.pair(from, to), oracle.pair[a][b], "pair {:?}", (&oracle.ids[a], &oracle.ids[b]));
            let steps = step_edges(view, from, to);
            assert!(steps.iter().all(|step| (step.from, step.to) == (from, to)));
            let name = |kind| view.graph().kind(kind).name.as_str().to_owned();
            let steps: Vec<_> = steps.iter().map(|step| (name(step.kind), step.strength)).collect();
            assert_eq!(steps, oracle.step_edges(a, b));
        }
    }
}

pub fn reach_agrees(view: &View<'_>, names: &Names<'_>, ask: &Questions) {
    let (oracle, of, max_hops) = (names.oracle, names.ix(ask.a), ask.max_hops);
    let expected = oracle.reach(ask.a, max_hops);
    let (list, extent) = reach_list(view, of, max_hops, &mut free());
    assert_eq!(extent, Extent::complete(max_hops));
    assert_eq!(list.iter().map(|&(hop, ix)| (hop, names.at(ix))).collect::<Vec<_>>(), expected);
    let answer = reach(view, of, max_hops, &mut free());
    assert_eq!(answer, Reach { hops: reach_hops(oracle, ask.a, max_hops), extent });
    crossing_agrees(view, names, ask);
    // Duality, with each of the ways to ask for a distance.
    let everyone: Vec<MemberIx> = (0..oracle.size()).map(|member| names.ix(member)).collect();
    for (member, &ix) in everyone.iter().enumerate() {
        let hop = expected.iter().find(|reached| reached.1 == member).map(|reached| reached.0);
        let hop = if member == ask.a { Some(0) } else { hop };
        assert_eq!(distance(view, ix, of, max_hops, &mut free()), Ok(hop));
        assert_eq!(distances(view, ix, &[of], max_hops, &mut free()), (vec![hop], extent));
        let query = PathQuery { k: 1, max_hops, ranking: Ranking::Hops };
        let paths = find_paths(view, ix, of, &query, &mut free()).paths;
        assert_eq!(paths.first().map(Path::hops), hop);
    }
    let all = distances(view, of, &everyone, max_hops, &mut free()).0;
    assert_eq!(all, (0..oracle.size()).map(|to| oracle.distance(ask.a, to, max_hops)).collect::<Vec<_>>());
    let (within, _) = members_within(view, of, Direction::Forward, max_hops, &mut free());
    let mut within: Vec<_> = within.iter().map(|(ix, hop)| (names.at(ix), hop)).collect();
    within.sort();
    let ahead = (0..oracle.size()).filter(|&to| to != ask.a);
    assert_eq!(within, ahead.filter_map(|to| Some((to, oracle.distance(ask.a, to, max_hops)?))).collect::<Vec<_>>());
}

/// Those are listed whom no sphere alone leads here, and their chains change sphere where they must.
fn crossing_agrees(view: &View<'_>, names: &Names<'_>, ask: &Questions) {
    let (of, max_hops) = (names.ix(ask.a), ask.max_hops);
    let alone = Sphere::ALL.map(|sphere| names.oracle.of_sphere(sphere));
    let mut expected = names.oracle.reach(ask.a, max_hops);
    expected.retain(|(_, member)| alone.iter().all(|alone| alone.distance(*member, ask.a, max_hops).is_none()));
    let (list, extent) = reach_crossing(view, of, max_hops, &mut free());
    assert_eq!(extent, Extent::complete(max_hops));
    assert_eq!(list.iter().map(|&(hop, ix)| (hop, names.at(ix))).collect::<Vec<_>>(), expected);
    for (hop, member) in list {
        let query = PathQuery { k: 1, max_hops: hop, ranking: Ranking::Hops };
        let chain = find_paths(view, member, of, &query, &mut free()).paths.remove(0);
        assert_eq!(chain.hops(), hop);
        let members = names.all(&chain.members);
        let leads = |sphere: Sphere, steps: usize| {
            let mut steps = members.windows(2).take(steps);
            steps.all(|step| names.oracle.edges[step[0]][step[1]].iter().any(|edge| edge.sphere == sphere))
        };
        let switch = sphere_switch(view, &chain).map(|switch| names.at(switch));
        let at = members.iter().position(|member| Some(*member) == switch).expect("a crossing chain changes sphere");
        assert!(at > 0 && Sphere::ALL.iter().any(|&sphere| leads(sphere, at)));
        assert!(!Sphere::ALL.iter().any(|&sphere| leads(sphere, at + 1)));
    }
}

/// Reach counted by definition.
pub fn reach_hops(oracle: &Oracle, of: usize, max_hops: u32) -> Vec<ReachHop> {
    let list = oracle.reach(of, max_hops);
    let alone = Sphere::ALL.map(|sphere| oracle.of_sphere(sphere));
    let by = |sphere: usize, member: usize| alone[sphere].distance(member, of, max_hops).is_some();
    (1..=list.last().map_or(0, |last| last.0))
        .map(|hop| {
            let here: Vec<usize> = list.iter().filter(|reached| reached.0 == hop).map(|reached| reached.1).collect();
            let count = |sphere| here.iter().filter(|&&member| by(sphere, member)).count() as u32;
            let crossing = here.iter().filter(|&&member| (0..3).all(|sphere| !by(sphere, member))).count() as u32;
            let split = SphereSplit { personal: count(0), professional: count(1), public: count(2), crossing };
            ReachHop { hop, members: here.len() as u32, spheres: Some(split) }
        })
        .collect()
}

pub fn paths_agree(view: &View<'_>, names: &Names<'_>, ask: &Questions) {
    let oracle = names.oracle;
    let mut all = oracle.paths(ask.a, ask.b, ask.max_hops);
    let fewest = all.iter().map(|path| path.hops()).min();
    let shortest = all.iter().filter(|path| Some(path.hops()) == fewest).count() as u64;
    for ranking in [Ranking::Hops, Ranking::Strength] {
        oracle_paths::sort(&mut all, ranking);
        let query = PathQuery { k: ask.k, max_hops: ask.max_hops, ranking };
        let found = find_paths(view, names.ix(ask.a), names.ix(ask.b), &query, &mut free());
        assert_eq!(found.extent, Extent::complete(ask.max_hops));
        assert_eq!((found.optimal, found.strength_bound), (true, None));
        assert_eq!(found.shortest_path_count, shortest);
        let expected: Vec<_> = all.iter().take(ask.k).map(|path| (path.members.clone(), path.cost)).collect();
        let paths: Vec<_> = found.paths.iter().map(|path| names.path(path)).collect();
        assert_eq!(paths, expected, "{query:?} from {:?}", (&oracle.ids[ask.a], &oracle.ids[ask.b]));
        for (path, expected) in found.paths.iter().zip(&all).take(5) {
            assert_eq!(path.cost.strength(), expected.strength());
            assert_eq!(sphere_crossings(view, path), oracle.crossings(&expected.members));
        }
    }
}

pub fn mutuals_agree(view: &View<'_>, names: &Names<'_>, ask: &Questions) {
    let found = mutuals(view, names.ix(ask.a), names.ix(ask.b), &mut free()).unwrap();
    let found: Vec<_> = found.iter().map(|m| (names.at(m.member), m.strength_to_a, m.strength_to_b)).collect();
    assert_eq!(found, names.oracle.mutuals(ask.a, ask.b));
}

pub fn introducers_agree(view: &View<'_>, names: &Names<'_>, ask: &Questions) {
    if ask.a == ask.b {
        return;
    }
    let ready = |ix| readiness(names.at(ix));
    let (found, extent) = introducers(view, names.ix(ask.a), names.ix(ask.b), ask.max_hops, &ready, &mut free());
    assert_eq!(extent, Extent::complete(ask.max_hops));
    introducers_are(&found, names, ask, ask.max_hops);
}

pub fn introducers_are(found: &[Introducer], names: &Names<'_>, ask: &Questions, max_hops: u32) {
    introducers_begin_with(found, names, ask, max_hops, usize::MAX);
}

/// The best of all, so many at most.
pub fn introducers_begin_with(found: &[Introducer], names: &Names<'_>, ask: &Questions, max_hops: u32, most: usize) {
    let oracle = names.oracle.introducing(ask.a, ask.b);
    introducers_begin_with_those_of(&oracle, found, names, ask, max_hops, most);
}

/// The best of all that another oracle knows of, so many at most.
pub fn introducers_begin_with_those_of(
    oracle: &Oracle,
    found: &[Introducer],
    names: &Names<'_>,
    ask: &Questions,
    max_hops: u32,
    most: usize,
) {
    let mut expected = oracle.introducers(ask.a, ask.b, max_hops);
    let score = |i: &oracle_paths::OracleIntroducer| {
        comparable(i.strength_to_member * i.strength_to_target * readiness(i.member))
    };
    expected.sort_by(|x, y| score(y).total_cmp(&score(x)).then(x.member.cmp(&y.member)));
    expected.truncate(most);
    let members = |list: &[usize]| list.iter().map(|&m| names.oracle.ids[m].clone()).collect::<Vec<_>>();
    assert_eq!(
        members(&found.iter().map(|i| names.at(i.member)).collect::<Vec<_>>()),
        members(&expected.iter().map(|i| i.member).collect::<Vec<_>>())
    );
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(names.path(&found.path), (expected.path.members.clone(), expected.path.cost));
        assert_eq!(found.strength_to_member, expected.strength_to_member);
        assert_eq!(found.strength_to_target, expected.strength_to_target);
        assert_eq!(found.score, score(expected));
    }
}

/// Equal but for the last bits.
pub fn close(a: f64, b: f64, relative: f64) -> bool {
    (a - b).abs() <= relative * a.abs().max(b.abs())
}
