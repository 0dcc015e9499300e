//! Which edges a query walks.

use super::bounds::some_member_ids;
use super::violations::{Decoded, Violations, all_or_return, each, unknown_kind};
use crate::domain::limits::{EXCLUDED_MEMBERS_MAX, KINDS_MAX, SPHERES_MAX};
use crate::domain::{EdgeFilter, Error, KindName, MemberId, Reason, Sphere, Strength, TimeMs, Violation};
use crate::engine::State;
use crate::graph::View;
use crate::proto::v1 as pb;

/// A filter, with its kinds as the caller gave them.
#[derive(Debug, Clone, Default)]
pub struct AskedFilter {
    pub filter: EdgeFilter,
    kinds_as_given: Vec<KindName>,
}

impl AskedFilter {
    pub fn decode(message: Option<&pb::EdgeFilter>) -> Decoded<AskedFilter> {
        let none = pb::EdgeFilter::default();
        let message = message.unwrap_or(&none);
        let mut wrong = Violations::default();
        let kinds = wrong.check(kinds(&message.kinds));
        let spheres = wrong.check(spheres(&message.spheres));
        let least = message.min_strength.map(|value| Strength::parse("min_strength", value)).transpose();
        let least = wrong.check(least);
        let exclude =
            wrong.check(some_member_ids("exclude_member_ids", &message.exclude_member_ids, EXCLUDED_MEMBERS_MAX));
        all_or_return!(wrong; kinds, spheres, least, exclude);
        let filter = EdgeFilter::new(kinds.clone(), spheres, least, exclude)?;
        Ok(AskedFilter { filter, kinds_as_given: kinds })
    }

    /// The filter of a field `filter`; it must not leave out a member the request is about.
    pub fn decode_about(message: Option<&pb::EdgeFilter>, about: &[Option<&MemberId>]) -> Decoded<AskedFilter> {
        let decoded = AskedFilter::decode(message).map_err(|wrong| wrong.within("filter"))?;
        let mut wrong = Violations::default();
        about.iter().flatten().for_each(|member| {
            wrong.check(decoded.require_admitted(member));
        });
        if wrong.is_empty() { Ok(decoded) } else { Err(wrong) }
    }

    /// Refuses a filter that leaves out a member the request is about.
    pub fn require_admitted(&self, member: &MemberId) -> Result<(), Violation> {
        if self.filter.excludes(member) {
            let message = format!("must not hold {:?}, whom the request is about", member.as_str());
            return Err(Violation::new("filter.exclude_member_ids", Reason::ContradictoryFilter, message));
        }
        Ok(())
    }

    /// The graph under the filter at a time; its kinds must be registered.
    pub fn view<'s>(&self, state: &'s State, as_of: TimeMs) -> Result<View<'s>, Error> {
        let unknown = self.kinds_as_given.iter().enumerate();
        let unknown = unknown.filter_map(|(i, name)| unknown_kind(state, format!("filter.kinds[{i}]"), name.as_str()));
        let unknown: Vec<Violation> = unknown.collect();
        if !unknown.is_empty() {
            return Err(Error::Invalid(unknown));
        }
        Ok(View::new(state.graph(), &self.filter, as_of).map_err(|violation| violation.within("filter"))?)
    }
}

/// The kinds that a filter names, each with its field; no more than it may name.
pub fn named_kinds(parent: &str, filter: Option<&pb::EdgeFilter>) -> impl Iterator<Item = (String, String)> {
    let kinds = filter.into_iter().flat_map(|filter| filter.kinds.iter().take(KINDS_MAX)).enumerate();
    kinds.map(move |(i, kind)| (format!("{parent}.kinds[{i}]"), kind.clone()))
}

fn kinds(texts: &[String]) -> Decoded<Vec<KindName>> {
    if texts.len() > KINDS_MAX {
        return Err(Violation::too_many("kinds", KINDS_MAX, "kinds").into());
    }
    each(texts, |i, text| KindName::parse(&format!("kinds[{i}]"), text))
}

fn spheres(values: &[i32]) -> Decoded<Vec<Sphere>> {
    if values.len() > SPHERES_MAX {
        return Err(Violation::too_many("spheres", SPHERES_MAX, "spheres").into());
    }
    each(values, |i, value| sphere(&format!("spheres[{i}]"), *value))
}

pub(super) fn sphere(field: &str, value: i32) -> Result<Sphere, Violation> {
    match pb::Sphere::try_from(value) {
        Ok(pb::Sphere::Personal) => Ok(Sphere::Personal),
        Ok(pb::Sphere::Professional) => Ok(Sphere::Professional),
        Ok(pb::Sphere::Public) => Ok(Sphere::Public),
        Ok(pb::Sphere::Unspecified) => Err(Violation::required(field)),
        Err(_) => Err(Violation::new(field, Reason::OutOfRange, "is no sphere")),
    }
}
