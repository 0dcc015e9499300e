//! Graphs drawn by hand, with answers anyone can check.

use std::collections::{BTreeMap, BTreeSet};

use kith::domain::{Sphere, TimeMs};
use kith::graph::*;

use crate::agree;
use crate::agree_suggest::{ask_suggestions, suggestions_agree};
use crate::case::{Names, Questions};
use crate::oracle::Oracle;
use crate::world::{Filter, World, WorldKind};

const NOW: TimeMs = TimeMs(0);

fn kind(slot: u8, name: &str, sphere: Sphere, symmetric: bool, prior: f64) -> WorldKind {
    WorldKind { name: name.to_owned(), sphere, symmetric, prior, half_life_ms: 86_400_000, slot }
}

fn drawn(world: &World, filter: Filter, check: impl Fn(&View<'_>, &Names<'_>)) {
    let oracle = Oracle::new(world, std::slice::from_ref(&filter), NOW);
    for graph in [world.build_at_once(), world.build_step_by_step(&mut fastrand::Rng::with_seed(1))] {
        let view = View::new(&graph, &filter.to_domain(), NOW).unwrap();
        check(&view, &Names { graph: &graph, oracle: &oracle });
    }
}

fn questions(a: usize, b: usize) -> Questions {
    let (topics, exclude) = (None, BTreeSet::new());
    Questions { a, b, max_hops: 6, k: 50, ranking: Ranking::Hops, topics, exclude, limit: 100 }
}

#[test]
fn a_triangle() {
    // b -> c is followed; the others are friends.
    let kinds = vec![kind(0, "friend", Sphere::Personal, true, 1.0), kind(63, "follows", Sphere::Public, false, 0.0)];
    let world = World::of(kinds, &[("c", 0, "a"), ("a", 0, "b"), ("b", 1, "c")]);
    drawn(&world, Filter::default(), |view, names| {
        let [a, b, c] = [0, 1, 2].map(|member| names.ix(member));
        let list = |of, hops| reach_list(view, of, hops, &mut Budget::unlimited()).0;
        assert_eq!(list(c, 1), [(1, a), (1, b)], "b pays attention to c");
        assert_eq!(list(b, 2), [(1, a), (2, c)], "c reaches b through a alone");
        let query = PathQuery { k: 3, max_hops: 6, ranking: Ranking::Strength };
        let found = find_paths(view, b, c, &query, &mut Budget::unlimited());
        let members: Vec<_> = found.paths.iter().map(|path| path.members.clone()).collect();
        // 0.55² / 2 = 0.15 is more than 0.1.
        assert_eq!(members, [vec![b, a, c], vec![b, c]]);
        assert!((found.paths[0].cost.strength() - 0.15125).abs() < 1e-7);
        assert_eq!(found.shortest_path_count, 1);
        let both: Vec<_> = mutuals(view, a, b, &mut Budget::unlimited()).unwrap();
        assert_eq!(both.iter().map(|mutual| mutual.member).collect::<Vec<_>>(), [c]);
        assert_eq!(mutuals(view, a, c, &mut Budget::unlimited()).unwrap(), [], "b is not followed by c");
    });
}

fn story() -> World {
    use Sphere::{Personal, Professional, Public};
    let kinds = vec![
        kind(0, "spouse", Personal, true, 4.0),
        kind(1, "family", Personal, true, 2.0),
        kind(2, "friend", Personal, true, 1.0),
        kind(3, "neighbor", Personal, true, 0.5),
        kind(4, "colleague", Professional, true, 1.0),
        kind(5, "follows", Public, false, 0.3),
    ];
    let edges = [
        ("officer", 0, "wife"),
        ("wife", 1, "cousin"),
        ("cousin", 3, "jeremy"),
        ("jeremy", 2, "cousin"),
        ("officer", 4, "analyst"),
        ("analyst", 5, "jeremy"),
        ("jeremy", 4, "editor"),
    ];
    World::of(kinds, &edges)
}

#[test]
fn the_story() {
    drawn(&story(), Filter::default(), |view, names| {
        let at = |id: &str| names.oracle.at(id);
        let (officer, jeremy) = (at("officer"), at("jeremy"));
        let ask = questions(officer, jeremy);
        agree::reach_agrees(view, names, &ask);
        agree::paths_agree(view, names, &ask);
        agree::introducers_agree(view, names, &ask);
        suggestions_agree(view, names, &ask);
        let answer = reach(view, names.ix(jeremy), 3, &mut Budget::unlimited());
        let members: Vec<_> = answer.hops.iter().map(|hop| hop.members).collect();
        assert_eq!(members, [3, 2], "analyst, cousin, editor; officer, wife");
        let second = answer.hops[1].spheres.unwrap();
        // The officer gets there by PERSONAL edges too, in three hops.
        assert_eq!((second.personal, second.professional, second.crossing), (2, 0, 0));
    });
    let personal = Filter { spheres: vec![Sphere::Personal], ..Filter::default() };
    drawn(&story(), personal, |view, names| {
        let at = |id: &str| names.oracle.at(id);
        let (officer, jeremy) = (names.ix(at("officer")), names.ix(at("jeremy")));
        let query = PathQuery { k: 1, max_hops: 6, ranking: Ranking::Hops };
        let found = find_paths(view, officer, jeremy, &query, &mut Budget::unlimited());
        let chain = ["officer", "wife", "cousin", "jeremy"].map(at);
        assert_eq!(names.all(&found.paths[0].members), chain);
        assert_eq!(sphere_crossings(view, &found.paths[0]), 0);
        let last = step_edges(view, names.ix(chain[2]), jeremy);
        let last: Vec<_> = last.iter().map(|edge| view.graph().kind(edge.kind).name.as_str()).collect();
        assert_eq!(last, ["friend", "neighbor"]);
        let (introducers, _) = introducers(view, officer, jeremy, 3, &|_| 0.5, &mut Budget::unlimited());
        assert_eq!(introducers.iter().map(|i| names.at(i.member)).collect::<Vec<_>>(), [at("wife")]);
        let mut ask = questions(at("officer"), at("jeremy"));
        ask.topics = Some(BTreeMap::from([(at("jeremy"), 1.0), (at("analyst"), 1.0)]));
        let suggested = ask_suggestions(view, names, &ask, (10, 3), &mut Budget::unlimited()).suggestions;
        assert_eq!(suggested.len(), 1);
        let (jeremy, reasons) = (&suggested[0], &suggested[0].because);
        assert_eq!((names.at(jeremy.member), jeremy.hops, jeremy.mutuals), (at("jeremy"), 3, 0));
        assert_eq!(names.all(&reasons[0].through), chain[1..3]);
        assert_eq!(reasons[0].share, 1.0);
    });
    let apart = Filter { spheres: vec![Sphere::Professional], ..Filter::default() };
    drawn(&story(), apart, |view, names| {
        let jeremy = names.ix(names.oracle.at("jeremy"));
        let kept_apart = reach_list(view, jeremy, 6, &mut Budget::unlimited()).0;
        assert_eq!(kept_apart, [(1, names.ix(names.oracle.at("editor")))], "the officer never hears of it");
    });
}

#[test]
fn an_excluded_member_is_neither_reached_nor_walked_through() {
    let filter = Filter { exclude: vec!["cousin".to_owned(), "analyst".to_owned()], ..Filter::default() };
    drawn(&story(), filter, |view, names| {
        let [officer, cousin, jeremy] = ["officer", "cousin", "jeremy"].map(|id| names.ix(names.oracle.at(id)));
        let free = Budget::unlimited;
        let query = PathQuery { k: 1, max_hops: 6, ranking: Ranking::Hops };
        assert_eq!(find_paths(view, officer, jeremy, &query, &mut free()).paths, []);
        assert_eq!(reach(view, cousin, 6, &mut free()).hops, []);
        let itself = find_paths(view, cousin, cousin, &query, &mut free());
        assert_eq!((itself.paths[0].members.clone(), itself.paths[0].hops()), (vec![cousin], 0));
    });
}
