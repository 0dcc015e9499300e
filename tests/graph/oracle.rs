//! The answers by definition: full matrices, every simple path listed, sums written out.
//! It shares no code with `kith::graph`.
//!
//! Members are numbered in the order of their ids, so that an order by number is an order by id. Strengths and costs
//! are computed by the documented formulas, kinds in the order of their slots: they are compared bit for bit.

use kith::domain::{Privacy, Sphere, TimeMs};

use crate::world::{Filter, World, WorldEdge, WorldKind};

pub const FAR: u32 = 1_000;

/// An edge that passes, in the direction it is walked.
#[derive(Debug, Clone)]
pub struct OpenEdge {
    pub kind: String,
    pub sphere: Sphere,
    pub strength: f32,
}

#[derive(Debug, Clone)]
pub struct Oracle {
    /// In order.
    pub ids: Vec<String>,
    /// `edges[a][b]`: by which edges one can step from a to b.
    pub edges: Vec<Vec<Vec<OpenEdge>>>,
    /// `pair[a][b]`: pair strength.
    pub pair: Vec<Vec<Option<f64>>>,
    /// `hops[a][b]`: hops of a shortest path, `FAR` if there is none.
    pub hops: Vec<Vec<u32>>,
    pub privacy: Vec<Privacy>,
    /// `apart[a][b]`: whether one of the two blocks the other.
    pub apart: Vec<Vec<bool>>,
}

/// The strength of an edge: what is pinned, or `0.1 + 0.9·w/(1+w)`.
pub fn strength(kind: &WorldKind, edge: &WorldEdge, as_of: TimeMs) -> f32 {
    if let Some(pinned) = edge.pinned {
        return pinned;
    }
    let (faded, last_s) = edge.faded(kind);
    let age_ms = (i128::from(as_of.0) - i128::from(last_s) * 1_000).max(0);
    let left = libm::exp2(-(age_ms as f64 / kind.half_life_ms as f64));
    let w = kind.prior + f64::from(faded) * left;
    (0.1 + 0.9 * w / (1.0 + w)) as f32
}

impl Oracle {
    /// What passes all of the filters.
    pub fn new(world: &World, filters: &[Filter], as_of: TimeMs) -> Oracle {
        let mut ids = world.members.clone();
        ids.sort();
        let n = ids.len();
        let at = |id: &str| ids.iter().position(|known| known == id).unwrap();
        let mut edges = vec![vec![Vec::new(); n]; n];
        for (i, kind) in world.kinds.iter().enumerate() {
            for edge in world.edges.iter().filter(|edge| edge.kind == i) {
                let strength = strength(kind, edge, as_of);
                if filters.iter().all(|filter| passes(filter, kind, edge, strength)) {
                    let open = OpenEdge { kind: kind.name.clone(), sphere: kind.sphere, strength };
                    edges[at(&edge.from)][at(&edge.to)].push(open.clone());
                    if kind.symmetric {
                        edges[at(&edge.to)][at(&edge.from)].push(open);
                    }
                }
            }
        }
        let privacy = ids.iter().map(|id| world.privacy.get(id).copied().unwrap_or_default()).collect();
        let blocks = |a: &String, b: &String| world.blocks.contains(&(a.clone(), b.clone()));
        let apart = |a| ids.iter().map(|b| blocks(a, b) || blocks(b, a)).collect();
        let apart = ids.iter().map(apart).collect();
        Oracle { privacy, apart, ..Oracle::of(ids, edges) }
    }

    pub fn of(ids: Vec<String>, edges: Vec<Vec<Vec<OpenEdge>>>) -> Oracle {
        let fold = |open: &Vec<OpenEdge>| open.iter().fold(0.0, |sum, e| sum + f64::from(e.strength) * (1.0 - sum));
        let pair_of = |open: &Vec<OpenEdge>| (!open.is_empty()).then(|| fold(open));
        let pair: Vec<Vec<Option<f64>>> = edges.iter().map(|row| row.iter().map(pair_of).collect()).collect();
        let hops = floyd_warshall(&pair);
        let n = ids.len();
        Oracle { ids, edges, pair, hops, privacy: vec![Privacy::default(); n], apart: vec![vec![false; n]; n] }
    }

    /// What is left with edges of one sphere.
    pub fn of_sphere(&self, sphere: Sphere) -> Oracle {
        let mut edges = self.edges.clone();
        for open in edges.iter_mut().flatten() {
            open.retain(|edge| edge.sphere == sphere);
        }
        Oracle::of(self.ids.clone(), edges)
    }

    /// What is left for introductions of a member: without those whom a block parts from it, and without steps that a block parts.
    pub fn for_introductions(&self, of: usize) -> Oracle {
        self.left(|a, b| !self.apart[a][b] && !self.apart[a][of] && !self.apart[b][of])
    }

    fn left(&self, stays: impl Fn(usize, usize) -> bool) -> Oracle {
        let mut edges = self.edges.clone();
        for (a, row) in edges.iter_mut().enumerate() {
            row.iter_mut().enumerate().filter(|(b, _)| !stays(a, *b)).for_each(|(_, open)| open.clear());
        }
        let (privacy, apart) = (self.privacy.clone(), self.apart.clone());
        Oracle { privacy, apart, ..Oracle::of(self.ids.clone(), edges) }
    }

    /// What is left of introductions from one member to another: without those who introduce nobody, and those whom a block parts
    /// from whom they would introduce to.
    pub fn introducing(&self, from: usize, to: usize) -> Oracle {
        let declines = |privacy: &Privacy| privacy.declines_introducing || privacy.objects_to_profiling;
        let would = |member: usize| {
            member == from || member == to || !declines(&self.privacy[member]) && !self.apart[member][to]
        };
        self.for_introductions(from).left(|a, b| would(a) && would(b))
    }

    pub fn at(&self, id: &str) -> usize {
        self.ids.iter().position(|known| known == id).unwrap()
    }

    pub fn size(&self) -> usize {
        self.ids.len()
    }

    /// Hops of a shortest path, if there is one within the bound.
    pub fn distance(&self, from: usize, to: usize, max_hops: u32) -> Option<u32> {
        Some(self.hops[from][to]).filter(|&hops| hops <= max_hops)
    }

    /// Who can see `of`, with their hops: by hop, then id.
    pub fn reach(&self, of: usize, max_hops: u32) -> Vec<(u32, usize)> {
        let mut list: Vec<(u32, usize)> = (0..self.size())
            .filter(|&member| member != of)
            .filter_map(|member| Some((self.distance(member, of, max_hops)?, member)))
            .collect();
        list.sort();
        list
    }

    pub fn mutuals(&self, a: usize, b: usize) -> Vec<(usize, f64, f64)> {
        let others = (0..self.size()).filter(|&m| m != a && m != b);
        others.filter_map(|m| Some((m, self.pair[a][m]?, self.pair[b][m]?))).collect()
    }
}

fn passes(filter: &Filter, kind: &WorldKind, edge: &WorldEdge, strength: f32) -> bool {
    (filter.kinds.is_empty() || filter.kinds.contains(&kind.name))
        && (filter.spheres.is_empty() || filter.spheres.contains(&kind.sphere))
        && filter.min_strength.is_none_or(|least| strength >= least)
        && !filter.exclude.contains(&edge.from)
        && !filter.exclude.contains(&edge.to)
}

fn floyd_warshall(pair: &[Vec<Option<f64>>]) -> Vec<Vec<u32>> {
    let n = pair.len();
    let start = |a: usize, b: usize| if a == b { 0 } else { pair[a][b].map_or(FAR, |_| 1) };
    let mut hops: Vec<Vec<u32>> = (0..n).map(|a| (0..n).map(|b| start(a, b)).collect()).collect();
    for via in 0..n {
        for a in 0..n {
            for b in 0..n {
                hops[a][b] = hops[a][b].min(hops[a][via] + hops[via][b]);
            }
        }
    }
    hops
}
