//! Leaders against their definition: every reader's odds written out in full, gone through until nothing changes.

use kith::graph::*;

use crate::agree::close;
use crate::case::{Names, Questions};

/// Rounds of the oracle: 0.85²⁵⁰ is nothing.
const ROUNDS: usize = 250;
const SAME: f64 = 1e-9;

/// Scores and readers of all who share, by number.
type Expected = Vec<(usize, f64, Vec<usize>)>;

/// Those asked about share, those excluded from suggestions read; gives the scores, so that another graph's can be compared.
pub fn leaders_agree(view: &View<'_>, names: &Names<'_>, ask: &Questions) -> Vec<(usize, f64)> {
    let mut sharing: Vec<(usize, f64)> = ask.exclude.iter().map(|member| (*member, 0.0)).collect();
    for (member, share) in ask.topics.iter().flatten() {
        sharing.retain(|(reader, _)| reader != member);
        sharing.push((*member, *share));
    }
    let sharers: Vec<Sharer> =
        sharing.iter().map(|&(member, sharing)| Sharer { member: names.ix(member), sharing }).collect();
    let found = leaders(view, &sharers, &mut Budget::unlimited()).unwrap();
    sharing.retain(|(member, _)| !view.excludes(names.ix(*member)));
    sharing.sort_by_key(|(member, _)| *member);
    let expected = by_definition(view, names, &sharing);
    let mut members: Vec<usize> = found.iter().map(|leader| names.at(leader.member)).collect();
    members.sort();
    assert_eq!(members, expected.iter().map(|leader| leader.0).collect::<Vec<_>>());
    for leader in &found {
        let expected = expected.iter().find(|other| other.0 == names.at(leader.member)).unwrap();
        assert!(close(leader.score, expected.1, SAME), "{leader:?} {expected:?}");
        let mut readers = names.all(&leader.readers);
        readers.sort();
        assert_eq!(readers, expected.2);
    }
    let rank = |leader: &Leader| (-leader.score, names.at(leader.member));
    assert!(found.windows(2).all(|two| rank(&two[0]) < rank(&two[1])));
    // On a limit nothing is said.
    assert_eq!(leaders(view, &sharers, &mut Budget::new(0, &NeverStop)).is_err(), !sharing.is_empty());
    found.iter().map(|leader| (names.at(leader.member), leader.score)).collect()
}

fn by_definition(view: &View<'_>, names: &Names<'_>, sharing: &[(usize, f64)]) -> Expected {
    let n = sharing.len();
    let attention = |from: usize, to: usize| {
        let edges = names.oracle.edges[from][to].iter();
        edges.fold(0.0, |sum, edge| {
            let kind = view.graph().find_kind(&edge.kind).unwrap();
            let half = if view.graph().kind(kind).attrs.symmetric { 0.5 } else { 1.0 };
            sum + f64::from(edge.strength * half) * (1.0 - sum)
        })
    };
    let parts: Vec<Vec<f64>> =
        sharing.iter().map(|a| sharing.iter().map(|b| attention(a.0, b.0) * b.1).collect()).collect();
    let mut scores = vec![1.0 / n as f64; n];
    for _ in 0..ROUNDS {
        let mut next = vec![0.0; n];
        for (from, score) in scores.iter().enumerate() {
            let all: f64 = parts[from].iter().sum();
            for (to, next) in next.iter_mut().enumerate() {
                let onwards = if all > 0.0 { 0.85 * parts[from][to] / all } else { 0.0 };
                let anywhere = if all > 0.0 { 0.15 } else { 1.0 };
                *next += score * (onwards + anywhere / n as f64);
            }
        }
        scores = next;
    }
    let readers = |to: usize| (0..n).filter(|&from| parts[from][to] > 0.0).map(|from| sharing[from].0).collect();
    let objects = |at: usize| names.oracle.privacy[sharing[at].0].objects_to_profiling;
    let leads = (0..n).filter(|&at| sharing[at].1 > 0.0 && !objects(at));
    leads.map(|at| (sharing[at].0, scores[at], readers(at))).collect()
}
