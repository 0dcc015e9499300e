//! The real binary, as a person and a script use it.

mod bench;
mod demo;
mod harness;
mod queries;
