//! Leaders of a topic: the members whose sharing on it is followed by those whom it concerns.
//!
//! The score is PageRank (Brin, Page 1998) among the members on the topic alone. Each of them, as a reader, goes on to those it pays
//! attention to, in proportion to the attention and to how much they share on the topic, as in TwitterRank (Weng et al. 2010). Now and
//! then, or with nobody to go to, it goes on to any member on the topic.
//!
//! Members are numbered by their ids and sums run in that order, so that the same content gives the same bits after a restart.

use super::budget::{Budget, Limit};
use super::half_edge::{Direction, MemberIx};
use super::small_hash::SmallMap;
use super::strength::{comparable, pair_strength};
use super::view::View;

/// How often a reader goes on to one it pays attention to.
const ATTENTION: f64 = 0.85;
/// What an edge of a symmetric kind counts as attention: either end may be the one who pays it.
const SYMMETRIC: f32 = 0.5;
/// The scores stand when all of them together change by no more than this.
const STANDS: f64 = 1e-12;
/// The scores stand after so many rounds at most, because 0.85²⁰⁰ is below 1e-14.
const ROUNDS_MAX: usize = 200;

/// A member on a topic, and how much it shares there; 0 for one that only reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sharer {
    pub member: MemberIx,
    pub sharing: f64,
}

/// A member whose sharing on a topic is followed.
#[derive(Debug, Clone, PartialEq)]
pub struct Leader {
    pub member: MemberIx,
    /// The part of all readers that is at this member at any time, 0–1.
    pub score: f64,
    /// The members on the topic that pay attention to this one: those who bring most readers first, then by id.
    pub readers: Vec<MemberIx>,
}

/// A member on the topic, and whom it goes on to.
struct Reader {
    member: MemberIx,
    sharing: f64,
    /// Whom the reader goes on to, by number, and with what odds.
    onwards: Vec<(usize, f64)>,
}

/// Returns all who share on the topic and do not object to it, the greatest score first, then by id. `sharers` are the members on the topic, each once.
pub fn leaders(view: &View<'_>, sharers: &[Sharer], budget: &mut Budget<'_>) -> Result<Vec<Leader>, Limit> {
    let readers = readers(view, sharers, budget)?;
    let scores = scores(&readers, budget)?;
    let mut arriving: Vec<Vec<(f64, usize)>> = readers.iter().map(|_| Vec::new()).collect();
    for (from, reader) in readers.iter().enumerate() {
        reader.onwards.iter().for_each(|&(to, odds)| arriving[to].push((scores[from] * odds, from)));
    }
    let mut found = Vec::new();
    // Whoever objects counts as a reader, and is no leader.
    let leads = |reader: &Reader| reader.sharing > 0.0 && !view.graph().privacy(reader.member).objects_to_profiling;
    for (at, mut arriving) in arriving.into_iter().enumerate().filter(|(at, _)| leads(&readers[*at])) {
        arriving.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let from = arriving.into_iter().map(|(_, from)| readers[from].member);
        found.push(Leader { member: readers[at].member, score: comparable(scores[at]), readers: from.collect() });
    }
    // The sort is stable, so those with equal scores stay in the order of their ids.
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    Ok(found)
}

/// Returns the members on the topic by id, without those that are excluded.
fn readers(view: &View<'_>, sharers: &[Sharer], budget: &mut Budget<'_>) -> Result<Vec<Reader>, Limit> {
    view.prepare(budget)?;
    let admitted = sharers.iter().filter(|sharer| !view.excludes(sharer.member));
    let mut readers: Vec<Reader> =
        admitted.map(|sharer| Reader { member: sharer.member, sharing: sharer.sharing, onwards: Vec::new() }).collect();
    readers.sort_by_cached_key(|reader| view.graph().id(reader.member));
    let ranks: SmallMap<MemberIx, usize> = readers.iter().zip(0..).map(|(reader, at)| (reader.member, at)).collect();
    let members: Vec<MemberIx> = readers.iter().map(|reader| reader.member).collect();
    let sharing: Vec<f64> = readers.iter().map(|reader| reader.sharing).collect();
    for reader in &mut readers {
        let mut to: Vec<usize> = Vec::new();
        view.for_each_step(reader.member, Direction::Forward, budget, |neighbor, _| {
            to.extend(ranks.get(&neighbor).filter(|&&at| sharing[at] > 0.0));
        })?;
        to.sort_unstable();
        to.dedup();
        budget.visit(to.len() as u64)?;
        let part = |&at: &usize| (at, attention(view, reader.member, members[at]) * sharing[at]);
        // A part that is too small to be a number is 0, and is left out.
        let parts: Vec<(usize, f64)> = to.iter().map(part).filter(|part| part.1 > 0.0).collect();
        let all: f64 = parts.iter().map(|part| part.1).sum();
        reader.onwards = parts.into_iter().map(|(at, part)| (at, part / all)).collect();
    }
    Ok(readers)
}

/// Returns how much one member pays attention to another, 0–1.
fn attention(view: &View<'_>, from: MemberIx, to: MemberIx) -> f64 {
    let graph = view.graph();
    let edges = view.edges_between(from, to).into_iter();
    pair_strength(
        edges.map(|(kind, strength)| if graph.kind(kind).attrs.symmetric { strength * SYMMETRIC } else { strength }),
    )
}

/// Returns the part of all readers at each member, by number.
fn scores(readers: &[Reader], budget: &mut Budget<'_>) -> Result<Vec<f64>, Limit> {
    let count = readers.len() as f64;
    let mut scores = vec![1.0 / count; readers.len()];
    let steps: usize = readers.iter().map(|reader| reader.onwards.len()).sum();
    for _ in 0..ROUNDS_MAX {
        budget.visit((steps + readers.len()) as u64)?;
        let stay: f64 =
            readers.iter().zip(&scores).filter(|(reader, _)| !reader.onwards.is_empty()).map(|(_, score)| score).sum();
        // What goes anywhere comes from readers with nobody to go to, and now and then from the others.
        let anywhere = (1.0 - ATTENTION * stay) / count;
        let mut next = vec![anywhere; readers.len()];
        for (reader, score) in readers.iter().zip(&scores) {
            reader.onwards.iter().for_each(|&(to, odds)| next[to] += ATTENTION * score * odds);
        }
        let change: f64 = next.iter().zip(&scores).map(|(next, score)| (next - score).abs()).sum();
        scores = next;
        if change <= STANDS {
            break;
        }
    }
    Ok(scores)
}
