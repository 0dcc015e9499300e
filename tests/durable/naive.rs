//! What the engine must do, the plain way: maps by id, every question answered by looking at everything.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;

use kith::domain::limits::KINDS_MAX;
use kith::domain::{
    Block, Change, Day, DayOfAsks, Edge, EdgeAttrs, EdgeKey, EdgePut, History, InteractionRecord, IntroducerTally,
    Introduction, Kind, KindAttrs, KindMerge, KindName, Member, MemberAttrs, MemberId, MemberPatch, Origin,
    Precondition, Stage, Status, StatusId, TimeMs, builtin_kinds,
};

/// A resource, and when it was made and last changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Dated<T> {
    pub value: T,
    pub create: TimeMs,
    pub update: TimeMs,
}

/// All that a member was asked and said.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    asked: u64,
    accepted: u64,
    declined: u64,
    /// Of each ask, but for those of which a tally that was put tells no day.
    days: Vec<u32>,
}

impl Asked {
    fn of(tally: &IntroducerTally) -> Asked {
        let days = tally.recent().iter().flat_map(|known| (0..known.asks).map(|_| known.day.0));
        let (asked, accepted, declined) = (tally.asked(), tally.accepted(), tally.declined());
        Asked { asked, accepted, declined, days: days.collect() }
    }

    pub fn tally(&self) -> IntroducerTally {
        let last = self.days.iter().max().copied().unwrap_or(0);
        let mut by_day = BTreeMap::new();
        self.days.iter().filter(|day| **day + 30 > last).for_each(|day| *by_day.entry(*day).or_insert(0) += 1);
        let recent = by_day.into_iter().map(|(day, asks)| DayOfAsks { day: Day(day), asks }).collect();
        IntroducerTally::new(self.asked, self.accepted, self.declined, recent).unwrap()
    }
}

#[derive(Debug, Clone, Default)]
pub struct Naive {
    pub kinds: BTreeMap<KindName, Dated<Kind>>,
    pub members: BTreeMap<MemberId, Dated<Member>>,
    pub edges: BTreeMap<EdgeKey, Dated<Edge>>,
    pub statuses: BTreeMap<StatusId, Dated<Status>>,
    pub blocks: BTreeSet<Block>,
    pub asked: BTreeMap<MemberId, Asked>,
    /// Who was erased, and when.
    pub erased: BTreeMap<MemberId, TimeMs>,
    /// What every etag that was ever given stands for.
    pub etags: HashMap<String, String>,
}

/// What a change did: its effect's name, edges and statuses deleted, members created.
pub type Done = (&'static str, u64, u64, u64);
/// Why a change was refused: code, reason and part, as one text.
pub type Refused = String;

/// What an etag stands for.
pub fn version<T: Debug>(value: &T, update: TimeMs) -> String {
    format!("{value:?} at {update:?}")
}

pub const UNCHANGED: Done = ("Unchanged", 0, 0, 0);
const CREATED: Done = ("Created", 0, 0, 0);
const UPDATED: Done = ("Updated", 0, 0, 0);
const DELETED: Done = ("Deleted", 0, 0, 0);

pub fn refused<T>(text: &str) -> Result<T, Refused> {
    Err(text.to_owned())
}

fn new<T>(value: T) -> Dated<T> {
    Dated { value, create: TimeMs(0), update: TimeMs(0) }
}

impl Naive {
    pub fn new() -> Naive {
        let epoch = TimeMs(0);
        let dated = |kind: Kind| (kind.name.clone(), Dated { value: kind, create: epoch, update: epoch });
        Naive { kinds: builtin_kinds().into_iter().map(dated).collect(), ..Naive::default() }
    }

    pub fn apply(&mut self, now: TimeMs, change: &Change) -> Result<Done, Refused> {
        match change {
            Change::PutKind { kind, precondition } => self.put_kind(kind, precondition),
            Change::DeleteKind { name, precondition, allow_missing } => {
                self.check(precondition, self.kinds.get(name))?;
                if !self.kinds.contains_key(name) {
                    return missing("Kind", *allow_missing);
                }
                let in_audience = |status: &Dated<Status>| status.value.attrs.audience.filter.kinds.contains(name);
                if self.edges.keys().any(|key| key.kind == *name) || self.statuses.values().any(in_audience) {
                    return refused("Precondition KindInUse KindName");
                }
                self.kinds.remove(name);
                Ok(DELETED)
            }
            Change::PutMember { member, precondition } => {
                self.check(precondition, self.members.get(&member.id))?;
                self.erased.remove(&member.id);
                Ok(put(&mut self.members, member.id.clone(), member.clone(), now))
            }
            Change::UpdateMember { id, patch, precondition } => self.update_member(now, id, patch, precondition),
            Change::MergeMember { id, patch, precondition } => {
                if self.members.contains_key(id) {
                    return self.update_member(now, id, patch, precondition);
                }
                self.check(precondition, self.members.get(id))?;
                let mut other = Naive { members: [(id.clone(), new(Member::bare(id.clone())))].into(), ..Naive::new() };
                other.update_member(now, id, patch, &Precondition::None)?;
                self.erased.remove(id);
                Ok(put(&mut self.members, id.clone(), other.members[id].value.clone(), now))
            }
            Change::MergeKind { merge: KindMerge { kind, kept }, precondition } => {
                let before = self.kinds.get(&kind.name).map(|before| before.value.clone());
                if kept.has(KindAttrs::SPHERE) && before.is_none() {
                    return refused("Invalid Required Sphere");
                }
                let was = before.unwrap_or_else(|| kind.clone());
                let (was, put) = (was.attrs, &kind.attrs);
                let is_kept = |field| kept.has(field);
                let attrs = KindAttrs {
                    sphere: if is_kept(KindAttrs::SPHERE) { was.sphere } else { put.sphere },
                    symmetric: if is_kept(KindAttrs::SYMMETRIC) { was.symmetric } else { put.symmetric },
                    prior: if is_kept(KindAttrs::PRIOR) { was.prior } else { put.prior },
                    half_life_ms: if is_kept(KindAttrs::HALF_LIFE) { was.half_life_ms } else { put.half_life_ms },
                    carries_statuses: match is_kept(KindAttrs::CARRIES_STATUSES) {
                        true => was.carries_statuses,
                        false => put.carries_statuses,
                    },
                };
                let merged = Kind { name: kind.name.clone(), attrs };
                self.put_kind(&merged, precondition)
            }
            Change::DeleteMember { id, precondition, allow_missing } => {
                self.check(precondition, self.members.get(id))?;
                if !self.members.contains_key(id) {
                    return missing("Member", *allow_missing);
                }
                Ok(self.erase_member(now, id))
            }
            Change::PutEdge { put, precondition, allow_missing_members } => {
                self.put_edge(now, put, precondition, *allow_missing_members)
            }
            Change::DeleteEdge { key, precondition, allow_missing } => {
                let key = self.stored_key(key).unwrap_or_else(|| key.clone());
                self.check(precondition, self.edges.get(&key))?;
                match self.edges.remove(&key) {
                    Some(_) => Ok(DELETED),
                    None => missing("Edge", *allow_missing),
                }
            }
            Change::RecordInteractions { record } => self.record(now, record),
            Change::PostStatus { status } => self.post(now, status),
            Change::DeleteStatus { id, precondition, allow_missing } => {
                self.check(precondition, self.statuses.get(id))?;
                if !self.statuses.contains_key(id) {
                    return missing("Status", *allow_missing);
                }
                self.erase_status(now, id);
                Ok(DELETED)
            }
            Change::BlockMember { block } => {
                for (id, part) in [(&block.by, "BlockingId"), (&block.of, "BlockedId")] {
                    if !self.members.contains_key(id) {
                        return Err(format!("Precondition MemberMissing {part}"));
                    }
                }
                Ok(if self.blocks.insert(block.clone()) { CREATED } else { UNCHANGED })
            }
            Change::UnblockMember { block, allow_missing } => match self.blocks.remove(block) {
                true => Ok(DELETED),
                false => missing("Block", *allow_missing),
            },
            Change::RecordIntroduction { introduction } => self.introduce(introduction),
            Change::KeepErased { .. } | Change::RememberErased { .. } => Ok(CREATED),
            Change::Restore { times, put } => self.restore(now, *times, put),
            // No caller asks for these.
            Change::EraseStatus { .. }
            | Change::KeepSecret { .. }
            | Change::CreateNamespace { .. }
            | Change::DeleteNamespace {}
            | Change::Resume {} => Ok(CREATED),
            Change::PutIntroducerTally { introducer, tally } => {
                if !self.members.contains_key(introducer) {
                    return refused("Precondition MemberMissing TallyMemberId");
                }
                let before = self.asked.remove(introducer).map(|asked| asked.tally()).unwrap_or_default();
                if *tally != IntroducerTally::default() {
                    self.asked.insert(introducer.clone(), Asked::of(tally));
                }
                Ok(if before == *tally {
                    UNCHANGED
                } else if before == IntroducerTally::default() {
                    CREATED
                } else if *tally == IntroducerTally::default() {
                    DELETED
                } else {
                    UPDATED
                })
            }
        }
    }

    fn introduce(&mut self, introduction: &Introduction) -> Result<Done, Refused> {
        let Introduction { introducer, stage, day } = introduction;
        if !self.members.contains_key(introducer) {
            return refused("Precondition MemberMissing IntroducerId");
        }
        let known = self.asked.get(introducer).cloned();
        let mut asked = known.clone().unwrap_or_default();
        match stage {
            Stage::Asked => {
                asked.asked += 1;
                asked.days.push(day.0);
            }
            _ if asked.accepted + asked.declined == asked.asked => return refused("Precondition NotAsked Stage"),
            Stage::Accepted => asked.accepted += 1,
            Stage::Declined => asked.declined += 1,
        }
        self.asked.insert(introducer.clone(), asked);
        Ok(if known.is_none() { CREATED } else { UPDATED })
    }

    pub fn check<T: Debug>(&self, precondition: &Precondition, there: Option<&Dated<T>>) -> Result<(), Refused> {
        let holds = match precondition {
            Precondition::None => true,
            Precondition::Absent => there.is_none(),
            Precondition::Present => there.is_some(),
            Precondition::Etag(etag) => {
                let now = there.map(|there| version(&there.value, there.update));
                if now.is_none() || self.etags.get(etag) != now.as_ref() {
                    return refused("EtagMismatch");
                }
                true
            }
        };
        if holds { Ok(()) } else { refused("Precondition PreconditionFailed Precondition") }
    }

    fn put_kind(&mut self, kind: &Kind, precondition: &Precondition) -> Result<Done, Refused> {
        self.check(precondition, self.kinds.get(&kind.name))?;
        match self.kinds.get(&kind.name) {
            None if self.kinds.len() == KINDS_MAX => return refused("Precondition KindLimit KindName"),
            Some(before)
                if before.value.attrs.symmetric != kind.attrs.symmetric
                    && self.edges.keys().any(|key| key.kind == kind.name) =>
            {
                return refused("Precondition KindInUse Symmetric");
            }
            _ => {}
        }
        // Kinds keep no times.
        Ok(put(&mut self.kinds, kind.name.clone(), kind.clone(), TimeMs(0)))
    }

    fn update_member(
        &mut self,
        now: TimeMs,
        id: &MemberId,
        patch: &MemberPatch,
        precondition: &Precondition,
    ) -> Result<Done, Refused> {
        self.check(precondition, self.members.get(id))?;
        let Some(before) = self.members.get(id) else { return refused("NotFound Member") };
        let mut attrs = before.value.attrs.clone();
        let MemberPatch { set, attrs: patched, label_changes } = patch.clone();
        let is_set = |field| set.has(field);
        if is_set(MemberAttrs::DISPLAY_NAME) {
            attrs.display_name = patched.display_name;
        }
        if is_set(MemberAttrs::HEADLINE) {
            attrs.headline = patched.headline;
        }
        if is_set(MemberAttrs::TOPICS) {
            attrs.topics = patched.topics;
        }
        if is_set(MemberAttrs::LABELS) {
            attrs.labels = patched.labels;
        }
        if is_set(MemberAttrs::EDGES_VISIBILITY) {
            attrs.edges_visibility = patched.edges_visibility;
        }
        if is_set(MemberAttrs::HIDDEN_FROM_SUGGESTIONS) {
            attrs.hidden_from_suggestions = patched.hidden_from_suggestions;
        }
        if is_set(MemberAttrs::DECLINES_INTRODUCING) {
            attrs.declines_introducing = patched.declines_introducing;
        }
        if is_set(MemberAttrs::PROCESSING_RESTRICTED) {
            attrs.processing_restricted = patched.processing_restricted;
        }
        if is_set(MemberAttrs::OBJECTS_TO_PROFILING) {
            attrs.objects_to_profiling = patched.objects_to_profiling;
        }
        attrs.labels.retain(|key, _| !matches!(label_changes.get(key), Some(None)));
        attrs.labels.extend(label_changes.into_iter().filter_map(|(key, value)| Some((key, value?))));
        let after = Member { id: id.clone(), attrs };
        Ok(put(&mut self.members, id.clone(), after, now))
    }

    /// The key an edge of a kind that exists is kept under.
    pub fn stored_key(&self, key: &EdgeKey) -> Option<EdgeKey> {
        let swapped = self.kinds.get(&key.kind)?.value.attrs.symmetric && key.from.as_str() > key.to.as_str();
        let (from, to) = if swapped { (&key.to, &key.from) } else { (&key.from, &key.to) };
        Some(EdgeKey { from: from.clone(), kind: key.kind.clone(), to: to.clone() })
    }

    fn put_edge(
        &mut self,
        now: TimeMs,
        edge: &EdgePut,
        precondition: &Precondition,
        allow_missing_members: bool,
    ) -> Result<Done, Refused> {
        let Some(key) = self.stored_key(&edge.key) else { return refused("Invalid UnknownKind EdgeKind") };
        self.check(precondition, self.edges.get(&key))?;
        let origin = edge.attrs.origin.clone().filter(|origin| *origin != Origin::default());
        if let Some(status) = origin.as_ref().and_then(|origin| origin.status.as_ref())
            && !self.statuses.contains_key(status)
        {
            return refused("Precondition StatusMissing OriginStatus");
        }
        let ends = [(&edge.key.from, "FromId"), (&edge.key.to, "ToId")];
        let absent: Vec<_> = ends.into_iter().filter(|&(id, _)| !self.members.contains_key(id)).collect();
        for (id, end) in &absent {
            if self.erased.contains_key(*id) {
                return Err(format!("Precondition MemberErased {end}"));
            }
            if !allow_missing_members {
                return Err(format!("Precondition MemberMissing {end}"));
            }
        }
        let created = absent.len() as u64;
        for (id, _) in absent {
            put(&mut self.members, id.clone(), Member::bare(id.clone()), now);
        }
        let was = self.edges.get(&key).map(|before| before.value.attrs.clone());
        let asked_by = match (was.as_ref().map(|was| was.asked_by.clone()), edge.attrs.asked_by.clone()) {
            (None, asking) => asking,
            (Some(Some(asked)), Some(asking)) if asked == asking => Some(asked),
            // It stands, or does so now.
            (Some(_), _) => None,
        };
        let mut attrs = EdgeAttrs { origin, asked_by, ..edge.attrs.clone() };
        if let Some(was) = was {
            let is_kept = |field| edge.kept.has(field);
            attrs.history = if is_kept(EdgeAttrs::HISTORY) { was.history } else { attrs.history };
            attrs.pinned = if is_kept(EdgeAttrs::PINNED) { was.pinned } else { attrs.pinned };
            attrs.since = if is_kept(EdgeAttrs::SINCE) { was.since } else { attrs.since };
            attrs.visibility = if is_kept(EdgeAttrs::VISIBILITY) { was.visibility } else { attrs.visibility };
            attrs.note = if is_kept(EdgeAttrs::NOTE) { was.note } else { attrs.note };
            attrs.origin = if is_kept(EdgeAttrs::ORIGIN) { was.origin } else { attrs.origin };
            attrs.labels = if is_kept(EdgeAttrs::LABELS) { was.labels } else { attrs.labels };
            attrs.asked_by = if is_kept(EdgeAttrs::ASKED_BY) { was.asked_by } else { attrs.asked_by };
        }
        let after = Edge { key: key.clone(), attrs };
        let (effect, ..) = put(&mut self.edges, key, after, now);
        Ok((effect, 0, 0, created))
    }

    fn record(&mut self, now: TimeMs, record: &InteractionRecord) -> Result<Done, Refused> {
        let Some(key) = self.stored_key(&record.key) else { return refused("Invalid UnknownKind EdgeKind") };
        let half_life_s = self.kinds[&key.kind].value.attrs.half_life_ms as f64 / 1_000.0;
        let Some(edge) = self.edges.get_mut(&key) else { return refused("NotFound Edge") };
        if edge.value.attrs.asked_by.is_some() {
            return refused("Precondition EdgePending EdgeKind");
        }
        let before = edge.value.attrs.history;
        let last_s = before.last_s.max(record.time_s);
        let left = |from_s: u32| libm::exp2(-(f64::from(last_s - from_s) / half_life_s));
        let faded = f64::from(before.faded) * left(before.last_s) + record.count as f64 * left(record.time_s);
        edge.value.attrs.history = History { count: before.count + record.count, faded: faded as f32, last_s };
        edge.update = now.max(edge.update);
        Ok(UPDATED)
    }

    fn post(&mut self, now: TimeMs, status: &Status) -> Result<Done, Refused> {
        if self.statuses.contains_key(&status.id) {
            return refused("AlreadyExists Status");
        }
        if !self.members.contains_key(&status.author) {
            return refused("Precondition MemberMissing AuthorId");
        }
        let kinds = &status.attrs.audience.filter.kinds;
        if let Some(i) = kinds.iter().position(|kind| !self.kinds.contains_key(kind)) {
            return Err(format!("Invalid UnknownKind AudienceKind({i})"));
        }
        Ok(put(&mut self.statuses, status.id.clone(), status.clone(), now))
    }

    fn erase_status(&mut self, now: TimeMs, id: &StatusId) {
        self.statuses.remove(id);
        self.edit_origins(now, |origin| {
            if origin.status.as_ref() == Some(id) {
                origin.status = None;
            }
        });
    }

    fn erase_member(&mut self, now: TimeMs, id: &MemberId) -> Done {
        self.members.remove(id);
        self.erased.insert(id.clone(), now);
        self.blocks.retain(|block| block.by != *id && block.of != *id);
        self.asked.remove(id);
        let edges = self.edges.len();
        self.edges.retain(|key, _| key.from != *id && key.to != *id);
        let own: Vec<_> =
            self.statuses.values().filter(|s| s.value.author == *id).map(|s| s.value.id.clone()).collect();
        own.iter().for_each(|status| self.erase_status(now, status));
        self.edit_origins(now, |origin| origin.introducers.retain(|introducer| introducer != id));
        for status in self.statuses.values_mut() {
            if status.value.attrs.audience.filter.exclude.contains(id) {
                status.value.attrs.audience.filter.exclude.retain(|excluded| excluded != id);
                status.update = now.max(status.update);
            }
        }
        ("Deleted", (edges - self.edges.len()) as u64, own.len() as u64, 0)
    }

    fn edit_origins(&mut self, now: TimeMs, edit: impl Fn(&mut Origin)) {
        for edge in self.edges.values_mut() {
            let Some(before) = &edge.value.attrs.origin else { continue };
            let mut after = before.clone();
            edit(&mut after);
            if after != *before {
                edge.value.attrs.origin = Some(after).filter(|origin| *origin != Origin::default());
                edge.update = now.max(edge.update);
            }
        }
    }
}

fn put<K: Ord, T: PartialEq>(map: &mut BTreeMap<K, Dated<T>>, key: K, value: T, now: TimeMs) -> Done {
    match map.get_mut(&key) {
        None => {
            map.insert(key, Dated { value, create: now, update: now });
            CREATED
        }
        Some(before) if before.value == value => UNCHANGED,
        Some(before) => {
            *before = Dated { value, create: before.create, update: now.max(before.update) };
            UPDATED
        }
    }
}

fn missing(resource: &str, allowed: bool) -> Result<Done, Refused> {
    if allowed { Ok(UNCHANGED) } else { Err(format!("NotFound {resource}")) }
}
