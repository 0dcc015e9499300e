//! Calls over the loopback, to kith and to a server that does nothing.

mod empty;
mod load;
mod raw;

pub use empty::{PATH as EMPTY_PATH, request as empty_request, serve as serve_empty};
pub use load::{Calls, Load, Target};
