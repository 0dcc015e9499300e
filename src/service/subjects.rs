//! What a call writes, and whom it asks about, for the audit log: ids and keys alone, never names, texts or topics.

use crate::domain::limits::ID_BYTES_MAX;
use crate::domain::{Change, EdgeKey, NamespaceName};

/// How many resources are named of one write; the others are only counted.
const WRITTEN_MAX: usize = 8;
/// How many ids are named of one read; the others are only counted.
const ASKED_MAX: usize = 64;

/// What a call wrote.
#[derive(Debug, Default, Clone)]
pub struct Subjects {
    /// The first few.
    pub named: Vec<Subject>,
    pub count: usize,
    /// How many members and namespaces the call asks to have erased, done or not.
    pub erasures: usize,
}

impl Subjects {
    pub(super) fn add_namespace(&mut self, what: &'static str, namespace: &NamespaceName, erasures: usize) {
        (self.count, self.erasures) = (self.count + 1, self.erasures + erasures);
        self.named.push(Subject { what, parts: vec![Part::Word(namespace.to_string())] });
    }

    pub(super) fn add(&mut self, changes: &[Change]) {
        self.count += changes.len();
        for change in changes {
            self.erasures += usize::from(matches!(change, Change::DeleteMember { .. }));
            if self.named.len() < WRITTEN_MAX {
                self.named.push(Subject::of(change));
            }
        }
    }
}

/// A change and what it is done to, as in `put_edge ana/friend/ben`.
#[derive(Debug, Clone)]
pub struct Subject {
    what: &'static str,
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    /// The id of a member or a status.
    Id(String),
    /// What says nothing of anybody, such as a kind.
    Word(String),
}

impl Subject {
    /// Returns the subject in words, with each id as `id` writes it.
    pub fn text(&self, id: impl Fn(&str) -> String) -> String {
        let written = |part: &Part| match part {
            Part::Id(of) => id(of),
            Part::Word(word) => word.clone(),
        };
        let parts: Vec<String> = self.parts.iter().map(written).collect();
        format!("{} {}", self.what, parts.join("/")).trim_end().to_owned()
    }

    fn of(change: &Change) -> Subject {
        let id = |id: &dyn ToString| Part::Id(id.to_string());
        let word = |word: &dyn ToString| Part::Word(word.to_string());
        let edge = |key: &EdgeKey| vec![id(&key.from), word(&key.kind), id(&key.to)];
        let (what, parts) = match change {
            Change::Restore { put, .. } => return Subject::of(put),
            Change::PutKind { kind, .. } => ("put_kind", vec![word(&kind.name)]),
            Change::DeleteKind { name, .. } => ("delete_kind", vec![word(name)]),
            Change::PutMember { member, .. } => ("put_member", vec![id(&member.id)]),
            Change::UpdateMember { id: of, .. } => ("update_member", vec![id(of)]),
            Change::MergeMember { id: of, .. } => ("merge_member", vec![id(of)]),
            Change::MergeKind { merge, .. } => ("merge_kind", vec![word(&merge.kind.name)]),
            Change::DeleteMember { id: of, .. } => ("delete_member", vec![id(of)]),
            Change::PutEdge { put, .. } => ("put_edge", edge(&put.key)),
            Change::DeleteEdge { key, .. } => ("delete_edge", edge(key)),
            Change::RecordInteractions { record } => ("record_interactions", edge(&record.key)),
            Change::PostStatus { status } => ("post_status", vec![id(&status.id)]),
            Change::DeleteStatus { id: of, .. } => ("delete_status", vec![id(of)]),
            Change::BlockMember { block } => ("block_member", vec![id(&block.by), id(&block.of)]),
            Change::UnblockMember { block, .. } => ("unblock_member", vec![id(&block.by), id(&block.of)]),
            Change::RecordIntroduction { introduction } => ("record_introduction", vec![id(&introduction.introducer)]),
            Change::PutIntroducerTally { introducer, .. } => ("put_introducer_tally", vec![id(introducer)]),
            Change::KeepErased { .. } => ("keep_erased", vec![]),
            Change::RememberErased { erased, .. } => ("remember_erased", vec![word(&erased.len())]),
            Change::EraseStatus { id: of } => ("erase_status", vec![id(of)]),
            Change::KeepSecret { .. } => ("keep_secret", vec![]),
            Change::CreateNamespace { .. } => ("create_namespace", vec![]),
            Change::DeleteNamespace {} => ("delete_namespace", vec![]),
            Change::Resume {} => ("resume", vec![]),
        };
        Subject { what, parts }
    }
}

/// Whom a read asks about, as its request names them, right or wrong.
#[derive(Debug, Default)]
pub struct Asked {
    /// On whose behalf; nobody's if it is empty.
    pub viewer: String,
    /// The first few.
    pub ids: Vec<String>,
    pub count: usize,
}

impl Asked {
    /// Notes on whose behalf the read is. Where a request says it twice, the two must be the same.
    pub(super) fn viewer(&mut self, id: &str) {
        if self.viewer.is_empty() {
            self.viewer = bounded(id).to_owned();
        }
    }

    /// Notes the id of a member or a status.
    pub(super) fn id(&mut self, id: &str) {
        if id.is_empty() {
            return;
        }
        self.count += 1;
        if self.ids.len() < ASKED_MAX {
            self.ids.push(bounded(id).to_owned());
        }
    }
}

/// Returns as much of a text as an id may have.
fn bounded(text: &str) -> &str {
    let end = (0..=text.len().min(ID_BYTES_MAX)).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_takes_no_more_room_than_ids_may() {
        let mut asked = Asked::default();
        let long = format!("x{}", "é".repeat(100));
        asked.viewer("");
        asked.viewer(&long);
        asked.viewer("another");
        (0..70).for_each(|_| asked.id(&long));
        asked.id("");
        let shown = format!("x{}", "é".repeat(63));
        assert_eq!((&asked.viewer, asked.count), (&shown, 70));
        assert_eq!(asked.ids, vec![shown; 64]);
        assert_eq!(bounded("ana"), "ana");
    }
}
