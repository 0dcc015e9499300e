//! Resolves the ids in an answer: display names, and the spheres of kinds.

use std::collections::{BTreeMap, BTreeSet};

use tonic::Status;
use tonic_types::StatusExt;

use super::clean;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::proto::v1::{BatchGetMembersRequest, Edge, Kind, ListKindsRequest, Sphere};

/// The most ids that one call may ask for.
const IDS_MAX: usize = 1_000;
const NAME_CHARS_MAX: usize = 40;
const ID_CHARS_MAX: usize = 128;

#[derive(Default)]
pub struct Names {
    by_id: BTreeMap<String, String>,
}

impl Names {
    /// Asks the server, on behalf of a viewer if it is not empty. Ids without a member or a name have none.
    pub async fn of<'a>(
        client: &Client,
        viewer: &str,
        ids: impl IntoIterator<Item = &'a str>,
    ) -> Result<Names, Failure> {
        let ids: Vec<&str> = ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let mut names = Names::default();
        let mut left: Vec<&[&str]> = ids.chunks(IDS_MAX).collect();
        while let Some(ids) = left.pop() {
            match names.ask(client, viewer, ids).await {
                Ok(()) => {}
                // An answer holds fewer members with long profiles.
                Err(status) if ids.len() > 1 && is_too_large(&status) => left.extend(ids.chunks(ids.len().div_ceil(2))),
                Err(status) => return Err(status.into()),
            }
        }
        Ok(names)
    }

    async fn ask(&mut self, client: &Client, viewer: &str, ids: &[&str]) -> Result<(), Status> {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        let request = BatchGetMembersRequest { ids, viewer_id: viewer.to_owned(), ..BatchGetMembersRequest::default() };
        let members = client.members().batch_get_members(request).await?.into_inner().members;
        self.by_id.extend(members.into_iter().map(|member| (member.id, member.display_name)));
        Ok(())
    }

    /// Returns `officer (The officer)`; the id alone when the name says the same.
    pub fn label(&self, id: &str) -> String {
        let shown = clean(id, ID_CHARS_MAX);
        match self.by_id.get(id) {
            Some(name) if letters(name) != letters(id) && !letters(name).is_empty() => {
                format!("{shown} ({})", clean(name, NAME_CHARS_MAX))
            }
            _ => shown,
        }
    }

    /// Returns the name alone, or the id of a member without one: for pictures, where room is short.
    pub fn name(&self, id: &str) -> String {
        match self.by_id.get(id) {
            Some(name) if !letters(name).is_empty() => clean(name, NAME_CHARS_MAX),
            _ => clean(id, ID_CHARS_MAX),
        }
    }
}

fn is_too_large(status: &Status) -> bool {
    status.get_details_error_info().is_some_and(|info| info.reason == "ANSWER_TOO_LARGE")
}

/// Returns what is left of a name for comparing it with an id.
fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The names, and the kinds the server knows: all that a path needs to be read.
#[derive(Default)]
pub struct Directory {
    pub names: Names,
    kinds: BTreeMap<String, Kind>,
}

impl Directory {
    /// Asks the server, on behalf of a viewer if it is not empty.
    pub async fn of<'a>(
        client: &Client,
        viewer: &str,
        ids: impl IntoIterator<Item = &'a str>,
    ) -> Result<Directory, Failure> {
        let names = Names::of(client, viewer, ids).await?;
        let kinds = client.edges().list_kinds(ListKindsRequest::default()).await?.into_inner().kinds;
        Ok(Directory { names, kinds: kinds.into_iter().map(|kind| (kind.name.clone(), kind)).collect() })
    }

    /// Returns the sphere of an edge.
    pub fn sphere(&self, edge: &Edge) -> Sphere {
        self.kinds.get(&edge.kind).map_or(Sphere::Unspecified, Kind::sphere)
    }

    /// Returns whether an edge leads one way only.
    pub fn is_directed(&self, edge: &Edge) -> bool {
        self.kinds.get(&edge.kind).is_some_and(|kind| !kind.symmetric)
    }

    #[cfg(test)]
    pub fn for_tests(names: &[(&str, &str)], kinds: &[(&str, Sphere, bool)]) -> Directory {
        let by_id = names.iter().map(|(id, name)| ((*id).to_owned(), (*name).to_owned())).collect();
        let kind = |(name, sphere, symmetric): &(&str, Sphere, bool)| {
            let kind =
                Kind { name: (*name).into(), sphere: (*sphere).into(), symmetric: *symmetric, ..Kind::default() };
            (kind.name.clone(), kind)
        };
        Directory { names: Names { by_id }, kinds: kinds.iter().map(kind).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_beside_its_id_unless_it_says_the_same() {
        let names = [("officer", "The officer"), ("wife", "Wife"), ("neighbor-1", "Neighbor 1"), ("x", "")];
        let names = Directory::for_tests(&names, &[]).names;
        assert_eq!(names.label("officer"), "officer (The officer)");
        assert_eq!(names.label("wife"), "wife");
        assert_eq!(names.label("neighbor-1"), "neighbor-1");
        assert_eq!(names.label("x"), "x");
        assert_eq!(names.label("nobody"), "nobody");
    }
}
