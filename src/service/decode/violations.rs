//! All that is wrong with a request, field by field.

use crate::domain::limits::BATCH_MAX;
use crate::domain::{Error, KindName, Reason, Violation};
use crate::engine::State;

/// What is wrong with a request, field by field.
#[derive(Debug, Default)]
pub struct Violations(Vec<Violation>);

/// More is not noted down: a request can break far more rules than a refusal can tell of. As many as a batch has elements, so that the
/// refusal of one that is wrong throughout says how many they are.
const VIOLATIONS_MAX: usize = BATCH_MAX;

/// A value, or all that is wrong with it.
pub type Decoded<T> = Result<T, Violations>;

impl Violations {
    /// The value, or none with what is wrong with it noted down.
    pub fn check<T, E: Into<Violations>>(&mut self, decoded: Result<T, E>) -> Option<T> {
        decoded.map_err(|wrong| self.extend(wrong.into().0)).ok()
    }

    /// The same of a value found `parent` deeper in the request.
    pub fn check_in<T, E: Into<Violations>>(&mut self, parent: &str, decoded: Result<T, E>) -> Option<T> {
        self.check(decoded.map_err(|wrong| wrong.into().within(parent)))
    }

    pub fn add(&mut self, violation: Violation) {
        self.extend(vec![violation]);
    }

    pub fn extend(&mut self, violations: Vec<Violation>) {
        let room = VIOLATIONS_MAX.saturating_sub(self.0.len());
        self.0.extend(violations.into_iter().take(room));
    }

    /// Notes down the kinds, each with its field, that are not registered: of a request that is refused anyway, so that its caller
    /// need not mend the rest first. Of any other the engine says so, at the revision it is carried out at.
    pub fn add_unknown_kinds(&mut self, state: &State, kinds: impl IntoIterator<Item = (String, String)>) {
        if !self.is_empty() {
            self.0.extend(kinds.into_iter().filter_map(|(field, kind)| unknown_kind(state, field, &kind)));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn within(self, parent: &str) -> Violations {
        Violations(self.0.into_iter().map(|violation| violation.within(parent)).collect())
    }

    pub fn into_inner(self) -> Vec<Violation> {
        self.0
    }
}

/// Decodes the items of a list, each with its index; or returns all that is wrong with any of them.
pub fn each<I, T, E: Into<Violations>>(
    items: impl IntoIterator<Item = I>,
    decode: impl Fn(usize, I) -> Result<T, E>,
) -> Decoded<Vec<T>> {
    let mut wrong = Violations::default();
    let items = items.into_iter().enumerate();
    let decoded = items.filter_map(|(i, item)| wrong.check(decode(i, item))).collect();
    if wrong.is_empty() { Ok(decoded) } else { Err(wrong) }
}

impl From<Violation> for Violations {
    fn from(violation: Violation) -> Violations {
        Violations(vec![violation])
    }
}

impl From<Vec<Violation>> for Violations {
    fn from(violations: Vec<Violation>) -> Violations {
        Violations(violations)
    }
}

impl From<Violations> for Error {
    fn from(wrong: Violations) -> Error {
        Error::Invalid(wrong.0)
    }
}

/// What is wrong with a kind's name that is well-formed, if no kind of this name is registered.
pub fn unknown_kind(state: &State, field: impl Into<String>, name: &str) -> Option<Violation> {
    let is_name = KindName::parse("", name).is_ok();
    let unknown = || Violation::new(field, Reason::UnknownKind, format!("no kind {name:?} is registered"));
    (is_name && state.graph().find_kind(name).is_none()).then(unknown)
}

/// Binds the values that were checked, or returns all that is wrong with them and with what else was checked.
macro_rules! all_or_return {
    ($wrong:ident; $($value:ident),+ $(,)?) => {
        let ($(Some($value),)+) = ($($value,)+) else { return Err($wrong.into()) };
        if !$wrong.is_empty() {
            return Err($wrong.into());
        }
    };
}
pub(crate) use all_or_return;
