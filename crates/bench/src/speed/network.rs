//! Generates seeded networks to measure on: degrees by a power law, clustered, in no order that would favor a cache.
//!
//! They grow by preferential attachment with triad formation (Holme, Kim 2002): every newcomer joins some members, each chosen by its
//! degree or, half of the time, among those that the one chosen before had joined. Each pair has one edge.

use fastrand::Rng;

/// The most edges that one newcomer brings, of at least 1, so that the mean is 10.
const JOINED_MAX: u32 = 19;
/// How often a newcomer joins a member whom the one before had joined.
const TRIADS_PERCENT: u32 = 50;
/// How often a newcomer that does not joins any member at all, and not by degree: so hubs stay below some ten thousand.
const STRANGERS_PERCENT: u32 = 80;
/// The time that strengths are evaluated at, in seconds since 1970.
pub const AS_OF_S: u32 = 1_750_000_000;
const DAY_S: u32 = 86_400;

/// The kinds of edges, by how many of 100 edges are of each; all built in, the last one directed.
pub const KINDS: [(&str, u32); 6] =
    [("friend", 35), ("colleague", 30), ("family", 10), ("neighbor", 10), ("client", 5), ("follows", 10)];

/// Members 0 to `members`, and edges between them.
pub struct Network {
    pub members: u32,
    pub edges: Vec<(u32, u32)>,
    seed: u64,
}

/// What an edge is beside its ends: a function of them and the seed, so that 100 million need no memory for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Traits {
    /// The index in `KINDS`.
    pub kind: usize,
    pub tie: NetworkTie,
}

/// Where an edge's strength comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NetworkTie {
    /// The edge has its kind's prior alone: three of four edges do.
    Plain,
    /// The edge has a strength set by its caller.
    Pinned(f32),
    /// The edge has so many interactions, at a time in seconds since 1970.
    Interactions { count: u32, last_s: u32 },
}

impl Network {
    /// Generates about 10 edges for each member.
    pub fn generate(members: u32, seed: u64) -> Network {
        let mut rng = Rng::with_seed(seed);
        let mut joined: Vec<u32> = Vec::with_capacity(members as usize * 10);
        // Where each newcomer's own edges begin in `joined`; newcomer 0 brings none.
        let mut begins: Vec<usize> = vec![0, 0];
        for newcomer in 1..members {
            let wanted = (1 + rng.u32(..JOINED_MAX)).min(newcomer) as usize;
            let begin = joined.len();
            let mut last = None;
            for _ in 0..wanted * 2 {
                let one = choose(&joined, &begins, newcomer, last, &mut rng);
                if !joined[begin..].contains(&one) {
                    joined.push(one);
                    last = Some(one);
                }
                if joined.len() == begin + wanted {
                    break;
                }
            }
            begins.push(joined.len());
        }
        let mut shuffled: Vec<u32> = (0..members).collect();
        rng.shuffle(&mut shuffled);
        let mut edges = Vec::with_capacity(joined.len());
        for newcomer in 0..members as usize {
            let theirs = &joined[begins[newcomer]..begins[newcomer + 1]];
            edges.extend(theirs.iter().map(|&other| (shuffled[newcomer], shuffled[other as usize])));
        }
        // An import does not come in the order of growth.
        rng.shuffle(&mut edges);
        Network { members, edges, seed }
    }

    /// Returns the id of a member. Neighboring numbers are as far apart in the order of ids as any.
    pub fn id(&self, member: u32) -> String {
        format!("member-{:08x}", member.wrapping_mul(0x9E37_79B1))
    }

    pub fn traits(&self, (from, to): (u32, u32)) -> Traits {
        let mut rng =
            Rng::with_seed(self.seed ^ (u64::from(from) << 32 | u64::from(to)).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut left = rng.u32(..100);
        let kind = KINDS.iter().position(|&(_, share)| {
            let here = left < share;
            left = left.wrapping_sub(share);
            here
        });
        let tie = match rng.u32(..8) {
            0 => NetworkTie::Pinned(1.0 - 0.95 * rng.f32()),
            1 => NetworkTie::Interactions { count: rng.u32(1..20), last_s: AS_OF_S - rng.u32(..180) * DAY_S },
            _ => NetworkTie::Plain,
        };
        Traits { kind: kind.unwrap_or(0), tie }
    }
}

/// Returns whom a newcomer joins next: by degree, or a neighbor of `last`.
fn choose(joined: &[u32], begins: &[usize], newcomer: u32, last: Option<u32>, rng: &mut Rng) -> u32 {
    if let Some(last) = last
        && rng.u32(..100) < TRIADS_PERCENT
    {
        let theirs = &joined[begins[last as usize]..begins[last as usize + 1]];
        if !theirs.is_empty() {
            return theirs[rng.usize(..theirs.len())];
        }
    }
    let edges = begins[newcomer as usize];
    if edges == 0 || rng.u32(..100) < STRANGERS_PERCENT {
        return rng.u32(..newcomer);
    }
    // An edge has two ends: the one joined, and the newcomer that brought it.
    let end = rng.usize(..2 * edges);
    if end < edges { joined[end] } else { (begins.partition_point(|&begin| begin <= end - edges) - 1) as u32 }
}
