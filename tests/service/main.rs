//! The API as a caller sees it: over TCP, against a server in this process or the real binary.

mod harness;
mod health;
mod limits;
mod raw;
mod reflection;
mod shutdown;
mod smoke;
