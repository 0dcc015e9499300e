//! Every bound of the API, unit last in the name. `docs` in the protos repeat them for callers.

pub const ID_BYTES_MAX: usize = 128;
pub const KIND_NAME_BYTES_MAX: usize = 63;
pub const KINDS_MAX: usize = 64;
pub const NAMESPACE_NAME_BYTES_MAX: usize = 63;
/// The name of the namespace that is always there.
pub const NAMESPACE_DEFAULT: &str = "default";
pub const NAMESPACES_MAX: u64 = 100_000;
pub const KIND_PRIOR_MAX: f64 = 1_000.0;
pub const HALF_LIFE_DEFAULT_MS: u64 = 90 * 24 * 3_600 * 1_000;
pub const HALF_LIFE_MIN_MS: u64 = 60 * 1_000;
pub const HALF_LIFE_MAX_MS: u64 = 100 * 365 * 24 * 3_600 * 1_000;

pub const DISPLAY_NAME_CHARS_MAX: usize = 256;
pub const HEADLINE_CHARS_MAX: usize = 512;
pub const TOPIC_CHARS_MAX: usize = 64;
pub const TOPICS_MAX: usize = 64;
pub const LABELS_MAX: usize = 64;
pub const LABEL_KEY_BYTES_MAX: usize = 63;
pub const LABEL_VALUE_BYTES_MAX: usize = 256;
/// Clauses of a filter of members, and conditions of a clause.
pub const CLAUSES_MAX: usize = 16;
pub const CONDITIONS_MAX: usize = 16;
/// Values that a condition names of a label.
pub const LABEL_VALUES_MAX: usize = 100;
/// Spheres that a filter names: there are fewer, and one may be named again.
pub const SPHERES_MAX: usize = 16;
/// Types of resources that a watcher names: there are fewer, and one may be named again.
pub const RESOURCE_TYPES_MAX: usize = 16;
/// Fields that the mask of an update names: there are fewer, and one may be named again.
pub const UPDATED_FIELDS_MAX: usize = 128;
/// Members that one member blocks.
pub const BLOCKS_PER_MEMBER_MAX: usize = 10_000;

pub const NOTE_CHARS_MAX: usize = 1_000;
pub const INTRODUCERS_PER_ORIGIN_MAX: usize = 16;
/// Interactions counted by one record, and kept on one edge.
pub const INTERACTIONS_MAX: u64 = 1_000_000_000_000;
/// Interaction times are kept in whole seconds of 32 bits: 1970-01-01 to 2106-02-07.
pub const INTERACTION_TIME_MAX_MS: i64 = u32::MAX as i64 * 1_000;

/// Introductions that one member is counted to be asked for.
pub const INTRODUCTIONS_MAX: u64 = 1_000_000_000_000;
/// Days on which asks count towards a member's load, today among them.
pub const ASK_DAYS_MAX: u32 = 30;
/// How far ahead of the server's clock an introduction may be said to be.
pub const INTRODUCTION_AHEAD_MS: i64 = 24 * 3_600 * 1_000;

pub const STATUS_TEXT_CHARS_MAX: usize = 2_000;
pub const LINK_BYTES_MAX: usize = 2_048;

pub const HOPS_MAX: u32 = 6;
pub const REACH_HOPS_DEFAULT: u32 = 3;
pub const PATH_HOPS_DEFAULT: u32 = 6;
pub const INTRODUCER_HOPS_DEFAULT: u32 = 3;
pub const PATHS_MAX: u32 = 50;
pub const PATHS_DEFAULT: u32 = 1;
pub const LIMIT_MAX: u32 = 100;
pub const LIMIT_DEFAULT: u32 = 20;
pub const PAGE_SIZE_MAX: u32 = 1_000;
pub const PAGE_SIZE_DEFAULT: u32 = 100;
pub const PAGE_TOKEN_BYTES_MAX: usize = 1_024;
pub const BATCH_MAX: usize = 1_000;
pub const EXCLUDED_MEMBERS_MAX: usize = 1_000;
pub const MESSAGE_BYTES_MAX: usize = 4 * 1_024 * 1_024;
pub const ETAG_BYTES_MAX: usize = 64;
/// What one query may visit unless the server is told otherwise; a request may ask for less.
pub const EDGES_VISITED_MAX: u64 = 50_000_000;
/// How long a write's request id is remembered.
pub const REQUEST_ID_KEPT_MS: u64 = 24 * 3_600 * 1_000;
/// Errors an import names one by one; it counts them all.
pub const IMPORT_ERRORS_MAX: usize = 1_000;
