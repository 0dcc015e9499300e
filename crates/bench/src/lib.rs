//! Measures how fast kith answers (`speed`), and how good its suggestions are (`eval`). Nothing of it is in the binary that is shipped.
#![forbid(unsafe_code)]

pub mod eval;
pub mod speed;
