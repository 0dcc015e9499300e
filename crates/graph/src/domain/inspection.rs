//! What is looked for when everything is checked against everything else.

use std::fmt;

use super::Error;

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The part of the state: `graph`, `edges`, `outcomes` …
    pub part: &'static str,
    /// The resource or entry it is about, as in `officer spouse wife`.
    pub subject: String,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.part, self.subject, self.message)
    }
}

/// Is told what a check finds and how far it is; an error it gives ends the check.
pub trait Inspector {
    fn found(&mut self, finding: Finding) -> Result<(), Error>;

    /// One more resource, or half of an edge, is checked.
    fn checked(&mut self) -> Result<(), Error>;
}

impl dyn Inspector + '_ {
    pub fn find(
        &mut self,
        part: &'static str,
        subject: impl Into<String>,
        message: impl Into<String>,
    ) -> Result<(), Error> {
        self.found(Finding { part, subject: subject.into(), message: message.into() })
    }
}
