//! The reasons to skip rows.

/// The reason why a row has no record, and should not have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skip {
    Header,
    Comment,
    Blank,
    /// The row is skipped by `--skip-rows`.
    Asked,
}
