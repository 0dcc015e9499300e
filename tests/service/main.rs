//! The API as a caller sees it: over TCP, against a server in this process or the real binary.

mod ask;
mod backup;
mod bad_input;
mod bad_queries;
mod bad_writes;
mod export;
mod export_and_watch;
mod frames;
mod harness;
mod health;
mod hostile;
mod imports;
mod kill;
mod limits;
mod metrics;
mod mirror;
mod overload;
mod raw;
mod reflection;
mod secured;
mod shutdown;
mod smoke;
mod suggestions;
mod verify;
mod watch;
mod whole_world;
