//! Why rows are passed over.

/// Why a row has no record, and should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skip {
    Header,
    Comment,
    Blank,
    /// By `--skip-rows`.
    Asked,
}
