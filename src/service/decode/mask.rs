//! Which fields of a resource a write gives: the paths of its mask.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::limits::UPDATED_FIELDS_MAX;
use crate::domain::{EdgeFieldsKept, KindFieldsKept, Member, MemberPatch, Reason, Violation};
use crate::proto::v1 as pb;

/// Adds every path to what is named; `add` knows whether the resource has it.
fn each(paths: &[String], known: &str, mut add: impl FnMut(&str) -> bool) -> Result<(), Violation> {
    if paths.len() > UPDATED_FIELDS_MAX {
        return Err(Violation::new(
            "update_mask",
            Reason::TooMany,
            format!("must hold at most {UPDATED_FIELDS_MAX} paths"),
        ));
    }
    match paths.iter().all(|path| add(path)) {
        true => Ok(()),
        false => Err(Violation::new("update_mask", Reason::UnknownField, format!("must name {known}, or be *"))),
    }
}

/// What a mask names of a member.
#[derive(Debug, Default)]
pub struct MemberFields {
    display_name: bool,
    headline: bool,
    topics: bool,
    labels: bool,
    /// Single labels.
    label_keys: BTreeSet<String>,
    edges_visibility: bool,
    hidden_from_suggestions: bool,
    declines_introducing: bool,
}

impl MemberFields {
    pub fn of(paths: &[String]) -> Result<MemberFields, Violation> {
        let known = "display_name, headline, topics, labels, labels.KEY, privacy or one of its fields";
        let mut fields = MemberFields::default();
        each(paths, known, |path| fields.add(path))?;
        Ok(fields)
    }

    /// Adds what a path names; false if it names nothing.
    fn add(&mut self, path: &str) -> bool {
        let privacy = ["privacy.edges_visibility", "privacy.hidden_from_suggestions", "privacy.declines_introducing"];
        match path {
            "display_name" => self.display_name = true,
            "headline" => self.headline = true,
            "topics" => self.topics = true,
            "labels" => self.labels = true,
            "privacy.edges_visibility" => self.edges_visibility = true,
            "privacy.hidden_from_suggestions" => self.hidden_from_suggestions = true,
            "privacy.declines_introducing" => self.declines_introducing = true,
            "privacy" => return privacy.iter().all(|path| self.add(path)),
            "*" => {
                return ["display_name", "headline", "topics", "labels", "privacy"].iter().all(|path| self.add(path));
            }
            _ => return self.add_label(path),
        }
        true
    }

    fn add_label(&mut self, path: &str) -> bool {
        let Some(key) = path.strip_prefix("labels.") else { return false };
        let quoted = key.strip_prefix('`').and_then(|key| key.strip_suffix('`'));
        let key = quoted.unwrap_or(key);
        self.label_keys.insert(key.to_owned());
        !key.is_empty()
    }

    /// The message without what is not named: that is not looked at.
    pub fn masked(&self, mut message: pb::Member) -> pb::Member {
        if !self.display_name {
            message.display_name.clear();
        }
        if !self.headline {
            message.headline.clear();
        }
        if !self.topics {
            message.topics.clear();
        }
        if !self.labels {
            message.labels.retain(|key, _| self.label_keys.contains(key));
        }
        if !self.edges_visibility {
            message.privacy.iter_mut().for_each(|privacy| privacy.edges_visibility = 0);
        }
        message
    }

    /// What is named, as a member has it that was decoded from a masked message.
    pub fn patch(self, member: Member) -> MemberPatch {
        let keys = if self.labels { BTreeSet::new() } else { self.label_keys };
        let label_changes: BTreeMap<_, _> =
            keys.into_iter().map(|key| (key.clone(), member.labels.get(&key).cloned())).collect();
        MemberPatch {
            display_name: self.display_name.then_some(member.display_name),
            headline: self.headline.then_some(member.headline),
            topics: self.topics.then_some(member.topics),
            labels: self.labels.then_some(member.labels),
            label_changes,
            edges_visibility: self.edges_visibility.then_some(member.privacy.edges_visibility),
            hidden_from_suggestions: self.hidden_from_suggestions.then_some(member.privacy.hidden_from_suggestions),
            declines_introducing: self.declines_introducing.then_some(member.privacy.declines_introducing),
        }
    }
}

/// An edge's message with what a mask names alone, and what it does not name.
pub fn masked_edge(mut edge: pb::Edge, paths: &[String]) -> Result<(pb::Edge, EdgeFieldsKept), Violation> {
    let known =
        "pinned_strength, interactions, last_interaction_time, interaction_weight, since, visibility, note, origin";
    let mut kept = EdgeFieldsKept { pinned: true, since: true, visibility: true, note: true, origin: true };
    let mut history = false;
    each(paths, known, |path| {
        match path {
            "pinned_strength" => kept.pinned = false,
            "interactions" | "last_interaction_time" | "interaction_weight" => history = true,
            "since" => kept.since = false,
            "visibility" => kept.visibility = false,
            "note" => kept.note = false,
            "origin" => kept.origin = false,
            "*" => (kept, history) = (EdgeFieldsKept::default(), true),
            _ => return false,
        }
        true
    })?;
    edge.pinned_strength = edge.pinned_strength.filter(|_| !kept.pinned);
    edge.since = edge.since.filter(|_| !kept.since);
    edge.origin = edge.origin.filter(|_| !kept.origin);
    if kept.visibility {
        edge.visibility = 0;
    }
    if kept.note {
        edge.note.clear();
    }
    if !history {
        (edge.interactions, edge.last_interaction_time, edge.interaction_weight) = (0, None, 0.0);
    }
    Ok((edge, kept))
}

/// A kind's message with what a mask names alone, and what it does not name.
pub fn masked_kind(mut kind: pb::Kind, paths: &[String]) -> Result<(pb::Kind, KindFieldsKept), Violation> {
    let mut kept =
        KindFieldsKept { sphere: true, symmetric: true, prior: true, half_life: true, carries_statuses: true };
    each(paths, "sphere, symmetric, prior, half_life, carries_statuses", |path| {
        match path {
            "sphere" => kept.sphere = false,
            "symmetric" => kept.symmetric = false,
            "prior" => kept.prior = false,
            "half_life" => kept.half_life = false,
            "carries_statuses" => kept.carries_statuses = false,
            "*" => kept = KindFieldsKept::default(),
            _ => return false,
        }
        true
    })?;
    if kept.sphere {
        // What stands in for the one that is stored; where none is, the merge is refused.
        kind.sphere = pb::Sphere::Personal.into();
    }
    if kept.symmetric {
        kind.symmetric = false;
    }
    if kept.prior {
        kind.prior = 0.0;
    }
    if kept.half_life {
        kind.half_life = None;
    }
    if kept.carries_statuses {
        kind.carries_statuses = None;
    }
    Ok((kind, kept))
}

/// What of a status is compared with the stored one; its author always is.
#[derive(Debug, Clone, Copy)]
pub struct StatusFields {
    pub text: bool,
    pub link: bool,
    pub topics: bool,
    pub audience: bool,
    pub post_time: bool,
    pub expire_time: bool,
}

impl StatusFields {
    pub const ALL: StatusFields =
        StatusFields { text: true, link: true, topics: true, audience: true, post_time: true, expire_time: true };
    const NONE: StatusFields =
        StatusFields { text: false, link: false, topics: false, audience: false, post_time: false, expire_time: false };

    pub fn of(paths: &[String]) -> Result<StatusFields, Violation> {
        let mut fields = StatusFields::NONE;
        each(paths, "text, link, topics, audience, post_time, expire_time", |path| {
            match path {
                "text" => fields.text = true,
                "link" => fields.link = true,
                "topics" => fields.topics = true,
                "audience" => fields.audience = true,
                "post_time" => fields.post_time = true,
                "expire_time" => fields.expire_time = true,
                // A status's author is part of every record of it.
                "author_id" => {}
                "*" => fields = StatusFields::ALL,
                _ => return false,
            }
            true
        })?;
        Ok(fields)
    }
}
