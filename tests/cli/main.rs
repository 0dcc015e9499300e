//! The real binary, as a person and a script use it.

#[path = "../service/answers.rs"]
mod answers;
mod archive;
mod backup;
mod config;
mod demo;
mod errors;
mod export;
mod hangup;
mod harness;
mod later;
mod namespaces;
mod pictures;
mod private;
mod queries;
mod readme;
mod shell;
mod upgrade;
mod verify;
#[path = "../service/whole_world.rs"]
mod whole_world;
