//! Computes reach: breadth-first, back along attention.

use super::Limits;

/// The bit of the search by all spheres, beside one for each sphere.
const ANY: u8 = 8;

impl Limits {
    /// Returns how many members have their shortest path to `of` at each hop.
    pub fn members_within(&mut self, of: u32, hops_max: u32) -> Vec<u32> {
        let Limits { csr, seen, .. } = self;
        seen.clear();
        seen.set(of, ());
        let mut counts = Vec::new();
        let (mut frontier, mut next) = (vec![of], Vec::new());
        for _ in 0..hops_max {
            for &member in &frontier {
                for &neighbor in csr.into.neighbors(member) {
                    if seen.set_new(neighbor, ()) {
                        next.push(neighbor);
                    }
                }
            }
            if next.is_empty() {
                break;
            }
            counts.push(next.len() as u32);
            std::mem::swap(&mut frontier, &mut next);
            next.clear();
        }
        counts
    }

    /// Returns, for each hop, how many members are within by all spheres, by the personal, the professional and the public sphere alone,
    /// and by none alone. Four searches run at once, a bit for each (Then et al. 2014).
    pub fn reach(&mut self, of: u32, hops_max: u32) -> Vec<[u32; 5]> {
        let Limits { csr, masks, .. } = self;
        masks.clear();
        masks.set(of, (ANY | 7, 0));
        let (mut frontier, mut next) = (vec![(of, ANY | 7)], Vec::new());
        let mut found: Vec<(u32, usize)> = Vec::new();
        let mut hops = 0;
        while hops < hops_max as usize && !frontier.is_empty() {
            for &(member, mask) in &frontier {
                for (neighbor, spheres) in csr.into.by_sphere(member) {
                    let (known, new) = masks.entry(neighbor);
                    let arriving = mask & (spheres | ANY) & !known.0;
                    if arriving == 0 {
                        continue;
                    }
                    if new {
                        found.push((neighbor, hops));
                    }
                    if known.1 == 0 {
                        next.push(neighbor);
                    }
                    known.0 |= arriving;
                    known.1 |= arriving;
                }
            }
            frontier.clear();
            for member in next.drain(..) {
                let known = masks.entry(member).0;
                frontier.push((member, known.1));
                known.1 = 0;
            }
            hops += 1;
        }
        let mut counts: Vec<[u32; 5]> = Vec::new();
        for (member, hop) in found {
            counts.resize(counts.len().max(hop + 1), [0; 5]);
            let mask = masks.entry(member).0.0;
            counts[hop][0] += 1;
            for sphere in 0..3 {
                counts[hop][sphere + 1] += u32::from(mask >> sphere & 1);
            }
            counts[hop][4] += u32::from(mask & 7 == 0);
        }
        counts
    }
}
