//! The graph in compressed sparse rows, both ways.

/// One direction of walking: each member's neighbors in order, in one array.
pub struct Side {
    starts: Vec<u32>,
    neighbors: Vec<u32>,
    /// The pair strength beside each neighbor, and the cost of a step: 1 − log₂ of it.
    strengths: Vec<f32>,
    costs: Vec<f32>,
    /// A bit beside each neighbor for each sphere that the two are joined by.
    spheres: Vec<u8>,
}

/// One direction of an edge: a symmetric edge makes two.
#[derive(Debug, Clone, Copy)]
pub struct DirectedEdge {
    pub from: u32,
    pub to: u32,
    pub strength: f32,
    /// The bit of its sphere.
    pub sphere: u8,
}

/// A graph that never changes.
pub struct Csr {
    pub out: Side,
    pub into: Side,
}

impl Csr {
    /// Builds the graph of directed edges that can be gone through several times; each pair comes once.
    pub fn new<I: Iterator<Item = DirectedEdge>>(members: u32, edges: impl Fn() -> I) -> Csr {
        Csr {
            out: Side::new(members, &edges, |arc| (arc.from, arc.to)),
            into: Side::new(members, &edges, |arc| (arc.to, arc.from)),
        }
    }

    pub fn members(&self) -> usize {
        self.out.starts.len() - 1
    }
}

impl Side {
    fn new<I: Iterator<Item = DirectedEdge>>(
        members: u32,
        edges: &impl Fn() -> I,
        ends: impl Fn(&DirectedEdge) -> (u32, u32),
    ) -> Side {
        let mut starts = vec![0u32; members as usize + 1];
        for arc in edges() {
            starts[ends(&arc).0 as usize + 1] += 1;
        }
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        let links = starts[members as usize] as usize;
        let mut next = starts.clone();
        let mut rows = vec![(0u32, 0f32, 0u8); links];
        for arc in edges() {
            let (own, other) = ends(&arc);
            rows[next[own as usize] as usize] = (other, arc.strength, arc.sphere);
            next[own as usize] += 1;
        }
        for own in 0..members as usize {
            rows[starts[own] as usize..starts[own + 1] as usize].sort_unstable_by_key(|row| row.0);
        }
        Side {
            starts,
            neighbors: rows.iter().map(|row| row.0).collect(),
            strengths: rows.iter().map(|row| row.1).collect(),
            costs: rows.iter().map(|row| (1.0 - f64::from(row.1).log2()) as f32).collect(),
            spheres: rows.iter().map(|row| row.2).collect(),
        }
    }

    fn range(&self, member: u32) -> std::ops::Range<usize> {
        self.starts[member as usize] as usize..self.starts[member as usize + 1] as usize
    }

    pub fn degree(&self, member: u32) -> usize {
        self.range(member).len()
    }

    pub fn neighbors(&self, member: u32) -> &[u32] {
        &self.neighbors[self.range(member)]
    }

    pub fn pairs(&self, member: u32) -> impl Iterator<Item = (u32, f32)> {
        let range = self.range(member);
        self.neighbors[range.clone()].iter().copied().zip(self.strengths[range].iter().copied())
    }

    pub fn steps(&self, member: u32) -> impl Iterator<Item = (u32, f32)> {
        let range = self.range(member);
        self.neighbors[range.clone()].iter().copied().zip(self.costs[range].iter().copied())
    }

    pub fn by_sphere(&self, member: u32) -> impl Iterator<Item = (u32, u8)> {
        let range = self.range(member);
        self.neighbors[range.clone()].iter().copied().zip(self.spheres[range].iter().copied())
    }
}
