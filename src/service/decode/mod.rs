//! Requests into domain types. Every bound is checked here; a request's violations are collected, so that its caller learns
//! of them all at once.

mod bounds;
mod change;
mod filter;
mod import;
mod introductions;
mod mask;
mod member_filter;
mod resources;
mod violations;

pub use bounds::{batch, member_ids, optional_time, page_size, some_member_ids, within_bounds};
pub use change::{ChangePath, change, member_update};
pub use filter::AskedFilter;
pub use filter::named_kinds;
pub use import::{import_change, restored};
pub use introductions::introduction;
pub use mask::Mask;
pub use member_filter::{member_filter, name_prefix};
pub use resources::{block_within, edge_key, edge_put, etag_precondition, interaction, kind, member, status};
pub(crate) use violations::all_or_return;
pub use violations::{Decoded, Violations, each};
