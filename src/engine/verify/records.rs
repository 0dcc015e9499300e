//! Members, edges and statuses against the graph. What the indexes must hold of them is noted on the way.

use std::cmp::Reverse;

use super::super::digest::Hashed;
use super::super::records::{EdgeRecord, strength_inputs};
use super::super::state::{Mention, State};
use super::{Expected, edge_name};
use crate::domain::{Edge, EdgeKey, Error, Inspector};
use crate::graph::MemberIx;

impl State {
    pub(super) fn verify_members(&self, expected: &mut Expected, check: &mut dyn Inspector) -> Result<(), Error> {
        for ix in self.graph.iter_members() {
            check.checked()?;
            let id = self.graph.id(ix);
            let Some(record) = self.members.get(ix.0 as usize) else {
                check.find("members", id.as_str(), "the member of the graph has no record")?;
                continue;
            };
            let member = record.member(id.clone(), self.graph.privacy(ix));
            expected.digest.add(member.content_hash());
            expected.topics.add_interests(ix, &member.attrs.topics);
        }
        Ok(())
    }

    pub(super) fn verify_edges(&self, expected: &mut Expected, check: &mut dyn Inspector) -> Result<(), Error> {
        for ix in self.graph.iter_members() {
            let Some(list) = self.edges.get(ix.0 as usize) else {
                check.find("edges", self.graph.id(ix).as_str(), "the member of the graph has no list of edges")?;
                continue;
            };
            let mut before = None;
            for record in list.iter() {
                check.checked()?;
                let place = (record.to, record.kind);
                if before.is_some_and(|before| before >= place) {
                    check.find("edges", self.graph.id(ix).as_str(), "the member's edges are out of order")?;
                }
                before = Some(place);
                if let Some(edge) = self.verify_edge(ix, &record, check)? {
                    expected.digest.add(edge.content_hash());
                    expected.origin(&edge);
                }
            }
            self.verify_halves(ix, check)?;
        }
        Ok(())
    }

    /// The edge of a record, if its kind and other end exist.
    fn verify_edge(
        &self,
        from: MemberIx,
        record: &EdgeRecord,
        check: &mut dyn Inspector,
    ) -> Result<Option<Edge>, Error> {
        let from_id = self.graph.id(from);
        let (Some(kind), Some(to_id)) = (self.graph.get_kind(record.kind), self.graph.get_id(record.to)) else {
            check.find("edges", from_id.as_str(), "an edge of the member has no kind, or no other end")?;
            return Ok(None);
        };
        let key = EdgeKey { from: from_id.clone(), kind: kind.name.clone(), to: to_id.clone() };
        let attrs = &record.attrs;
        let mut find = |message| check.find("edges", edge_name(&key), message);
        if kind.attrs.symmetric && from_id > to_id {
            find("the symmetric edge is kept under its greater id")?;
        }
        let mut tie = strength_inputs(attrs);
        if tie.pinned.is_some() {
            // How its interactions faded is of no use to the graph.
            tie.faded = 0.0;
        }
        match self.graph.strength_inputs(from, record.kind, record.to) {
            None => find("the edge is not in the graph")?,
            Some(kept) if kept != tie => find("the graph has another strength of the edge")?,
            Some(_) => {}
        }
        if attrs.visibility != self.graph.edge_visibility(from, record.kind, record.to) {
            find("the graph has another visibility of the edge")?;
        }
        if let Some(status) = attrs.origin.as_ref().and_then(|origin| origin.status.as_ref())
            && !self.statuses.contains_key(status)
        {
            find("the status it came of is not there")?;
        }
        Ok(Some(Edge { key, attrs: attrs.clone() }))
    }

    /// Whether every edge that the graph has of a member, and that is kept with it, has a record.
    fn verify_halves(&self, from: MemberIx, check: &mut dyn Inspector) -> Result<(), Error> {
        let from_id = self.graph.id(from);
        for half in self.graph.half_edges(from).iter().filter(|half| half.leads_out()) {
            let (Some(kind), Some(to_id)) = (self.graph.get_kind(half.kind()), self.graph.get_id(half.neighbor()))
            else {
                continue;
            };
            let kept_here = !kind.attrs.symmetric || from_id < to_id;
            if kept_here && self.edge_record(from, half.kind(), half.neighbor()).is_none() {
                let key = EdgeKey { from: from_id.clone(), kind: kind.name.clone(), to: to_id.clone() };
                check.find("edges", edge_name(&key), "the edge of the graph has no record")?;
            }
        }
        Ok(())
    }

    pub(super) fn verify_statuses(&self, expected: &mut Expected, check: &mut dyn Inspector) -> Result<(), Error> {
        for (id, record) in &self.statuses {
            check.checked()?;
            let status = &record.status;
            if status.id != *id {
                check.find("statuses", id.as_str(), format!("the status under this id is {}", status.id))?;
            }
            expected.digest.add(status.content_hash());
            let filter = &status.attrs.audience.filter;
            if filter.kinds.iter().any(|kind| self.graph.find_kind(kind.as_str()).is_none()) {
                check.find("statuses", id.as_str(), "its audience names a kind that is not registered")?;
            }
            let excluded = filter.exclude.iter().map(|excluded| (excluded.clone(), Mention::Excluded(id.clone())));
            expected.mentions.extend(excluded);
            expected.expiring.extend(status.attrs.expire_time.map(|time| (time, id.clone())));
            let Some(author) = self.graph.find(status.author.as_str()) else {
                check.find("statuses", id.as_str(), "its author is not there")?;
                continue;
            };
            expected.topics.add_subjects(author, &status.attrs.topics);
            expected.by_author.insert((author, Reverse(status.attrs.post_time), id.clone()));
        }
        Ok(())
    }
}
