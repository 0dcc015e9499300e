//! Sets and maps of member indices with a hash of one multiplication.
//!
//! Indices are dense and chosen by the graph, so nobody can make them collide, and the standard library's keyed hash would be paid for
//! nothing.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher};

pub type SmallSet<T> = HashSet<T, SmallHasher>;
pub type SmallMap<K, V> = HashMap<K, V, SmallHasher>;

/// Multiplicative hashing (Knuth, TAOCP 6.4) by 2⁶⁴ over the golden ratio, with the high half folded into the low one.
#[derive(Debug, Clone, Copy, Default)]
pub struct SmallHasher;

#[derive(Debug, Default)]
pub struct Multiply(u64);

impl BuildHasher for SmallHasher {
    type Hasher = Multiply;

    fn build_hasher(&self) -> Multiply {
        Multiply(0)
    }
}

impl Hasher for Multiply {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(u64::from(byte)));
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}
