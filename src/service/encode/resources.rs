//! Members, kinds, edges and statuses as callers get them.

use crate::domain::{
    Audience, Block, Edge, EdgeAttrs, EdgeFilter, ErasedId, ErasureKey, IntroducerTally, Kind, Member, MemberId,
    Origin, Privacy, Sphere, Status, TimeMs, TopicSet, Visibility,
};
use crate::engine::{Content, Record, State, Stored};
use crate::proto::v1 as pb;

pub fn timestamp(time: TimeMs) -> prost_types::Timestamp {
    let (seconds, nanos) = time.to_parts();
    prost_types::Timestamp { seconds, nanos }
}

/// A content digest as 32 hex digits.
pub fn digest(digest: u128) -> String {
    format!("{digest:032x}")
}

/// How much a namespace holds.
pub fn totals(state: &State) -> pb::ContentTotals {
    content(Content::of(state))
}

/// How much some namespaces hold together.
pub fn content(Content { rows, digest: content_digest }: Content) -> pb::ContentTotals {
    pb::ContentTotals {
        kinds: rows.kinds as i64,
        members: rows.members as i64,
        statuses: rows.statuses as i64,
        edges: (rows.edges + rows.pending) as i64,
        content_digest: digest(content_digest),
        blocks: rows.blocks as i64,
        introducer_tallies: rows.tallies as i64,
    }
}

/// How much an export of one member has.
pub fn totals_of(records: impl Iterator<Item = Record>) -> pb::ContentTotals {
    let mut totals = pb::ContentTotals::default();
    for record in records {
        match record {
            Record::Member(_) => totals.members += 1,
            Record::Status(_) => totals.statuses += 1,
            Record::Edge(_) => totals.edges += 1,
            Record::Block(_) => totals.blocks += 1,
            Record::IntroducerTally(..) => totals.introducer_tallies += 1,
            Record::AbsentKind(_) | Record::Kind(_) | Record::Erased(..) => {}
        }
    }
    totals
}

/// A resource as an import takes it: as it was put, with the times it has. Its etag would be a condition, and is left out.
///
/// A kind is put whole, whatever of its JSON is left out: a new store has kinds, in whose place it comes.
pub fn record(record: Record) -> pb::ImportRecord {
    use pb::import_record::Record as Put;
    let whole = || prost_types::FieldMask { paths: vec!["*".to_owned()] };
    let update_mask = matches!(record, Record::Kind(_)).then(whole);
    let put = match record {
        Record::AbsentKind(name) => Put::AbsentKind(name.to_string()),
        Record::Kind(kind) => Put::Kind(kind_put(kind)),
        Record::Member(member) => Put::Member(dated_member(member)),
        Record::Status(status) => Put::Status(dated_status(status)),
        Record::Edge(edge) => Put::Edge(dated_edge(edge)),
        Record::Block(block) => Put::Block(self::block(&block)),
        Record::IntroducerTally(introducer, tally) => Put::IntroducerTally(self::tally(&introducer, &tally)),
        Record::Erased(key, erased) => Put::Erased(erased_members(key, &erased)),
    };
    pb::ImportRecord { record: Some(put), update_mask, ..Default::default() }
}

fn erased_members(key: ErasureKey, erased: &[ErasedId]) -> pb::ErasedMembers {
    let member = |erased: &ErasedId| {
        let time = Some(timestamp(erased.time));
        pb::ErasedMember { hash: erased.hash.to_le_bytes().to_vec(), time }
    };
    pb::ErasedMembers { key: key.0.to_vec(), members: erased.iter().map(member).collect() }
}

pub fn member(stored: Stored<Member>) -> pb::Member {
    pb::Member { etag: stored.etag(), ..dated_member(stored) }
}

fn dated_member(stored: Stored<Member>) -> pb::Member {
    pb::Member {
        create_time: Some(timestamp(stored.create_time)),
        update_time: Some(timestamp(stored.update_time)),
        ..member_put(stored.value)
    }
}

fn member_put(member: Member) -> pb::Member {
    let shown = member.attrs.privacy();
    pb::Member {
        topics: topics(&member.attrs.topics),
        id: member.id.as_str().to_owned(),
        display_name: member.attrs.display_name,
        headline: member.attrs.headline,
        labels: member.attrs.labels,
        privacy: (shown != Privacy::default()).then(|| privacy(shown)),
        ..Default::default()
    }
}

fn privacy(privacy: Privacy) -> pb::Privacy {
    pb::Privacy {
        edges_visibility: visibility(privacy.edges_visibility).into(),
        hidden_from_suggestions: privacy.hidden_from_suggestions,
        declines_introducing: privacy.declines_introducing,
        processing_restricted: privacy.processing_restricted,
        objects_to_profiling: privacy.objects_to_profiling,
    }
}

/// What is for everyone is not said: so it was before there was anything else.
fn visibility(visibility: Visibility) -> pb::Visibility {
    match visibility {
        Visibility::Everyone => pb::Visibility::Unspecified,
        Visibility::Connections => pb::Visibility::Connections,
        Visibility::Parties => pb::Visibility::Parties,
    }
}

pub fn block(block: &Block) -> pb::Block {
    pb::Block { member_id: block.by.to_string(), blocked_id: block.of.to_string() }
}

pub fn tally(introducer: &MemberId, tally: &IntroducerTally) -> pb::IntroducerTally {
    let recent = tally.recent().iter().map(|known| pb::DayOfAsks { day: known.day.0 as i32, asks: known.asks as i64 });
    pb::IntroducerTally {
        member_id: introducer.to_string(),
        asked: tally.asked() as i64,
        accepted: tally.accepted() as i64,
        declined: tally.declined() as i64,
        recent: recent.collect(),
    }
}

pub fn kind(stored: Stored<Kind>) -> pb::Kind {
    pb::Kind { etag: stored.etag(), ..kind_put(stored.value) }
}

fn kind_put(kind: Kind) -> pb::Kind {
    let half_life = prost_types::Duration {
        seconds: (kind.attrs.half_life_ms / 1_000) as i64,
        nanos: (kind.attrs.half_life_ms % 1_000 * 1_000_000) as i32,
    };
    pb::Kind {
        name: kind.name.to_string(),
        sphere: sphere(kind.attrs.sphere).into(),
        symmetric: kind.attrs.symmetric,
        prior: kind.attrs.prior,
        half_life: Some(half_life),
        carries_statuses: Some(kind.attrs.carries_statuses),
        ..Default::default()
    }
}

fn sphere(sphere: Sphere) -> pb::Sphere {
    match sphere {
        Sphere::Personal => pb::Sphere::Personal,
        Sphere::Professional => pb::Sphere::Professional,
        Sphere::Public => pb::Sphere::Public,
    }
}

/// An edge of the state, with its strength at `as_of`.
pub fn edge(state: &State, stored: Stored<Edge>, as_of: TimeMs) -> pb::Edge {
    let strength = state.edge_strength(&stored.value, as_of);
    edge_of_strength(stored, strength)
}

/// Encodes an edge whose strength was computed before.
pub fn edge_of_strength(stored: Stored<Edge>, strength: f32) -> pb::Edge {
    pb::Edge { strength, etag: stored.etag(), ..dated_edge(stored) }
}

fn dated_edge(stored: Stored<Edge>) -> pb::Edge {
    pb::Edge {
        create_time: Some(timestamp(stored.create_time)),
        update_time: Some(timestamp(stored.update_time)),
        ..edge_put(stored.value)
    }
}

fn edge_put(edge: Edge) -> pb::Edge {
    let Edge { key, attrs } = edge;
    let EdgeAttrs { pinned, history, since, visibility: shown, note, origin, asked_by, labels } = attrs;
    let last = TimeMs(i64::from(history.last_s) * 1_000);
    pb::Edge {
        from_id: key.from.as_str().to_owned(),
        kind: key.kind.as_str().to_owned(),
        to_id: key.to.as_str().to_owned(),
        pinned_strength: pinned.map(|pinned| pinned.get()),
        interactions: i64::try_from(history.count).unwrap_or(i64::MAX),
        last_interaction_time: (history.count > 0).then(|| timestamp(last)),
        interaction_weight: history.faded,
        since: since.map(timestamp),
        visibility: visibility(shown).into(),
        note,
        origin: origin.map(origin_put),
        asked_by_id: asked_by.map(|id| id.as_str().to_owned()).unwrap_or_default(),
        labels,
        ..Default::default()
    }
}

fn origin_put(origin: Origin) -> pb::Origin {
    pb::Origin {
        status_id: origin.status.map(|id| id.to_string()).unwrap_or_default(),
        introducer_ids: origin.introducers.iter().map(ToString::to_string).collect(),
        note: origin.note,
    }
}

pub fn status(stored: Stored<Status>) -> pb::Status {
    pb::Status { etag: stored.etag(), ..dated_status(stored) }
}

fn dated_status(stored: Stored<Status>) -> pb::Status {
    pb::Status {
        create_time: Some(timestamp(stored.create_time)),
        update_time: Some(timestamp(stored.update_time)),
        ..status_put(stored.value)
    }
}

fn status_put(status: Status) -> pb::Status {
    pb::Status {
        id: status.id.to_string(),
        author_id: status.author.to_string(),
        text: status.attrs.text,
        link: status.attrs.link,
        topics: topics(&status.attrs.topics),
        audience: Some(audience(&status.attrs.audience)),
        post_time: Some(timestamp(status.attrs.post_time)),
        expire_time: status.attrs.expire_time.map(timestamp),
        ..Default::default()
    }
}

fn audience(audience: &Audience) -> pb::Audience {
    let everything = EdgeFilter::default();
    let filter = (audience.filter != everything).then(|| filter(&audience.filter));
    pb::Audience { filter, max_hops: audience.max_hops as i32 }
}

fn filter(filter: &EdgeFilter) -> pb::EdgeFilter {
    pb::EdgeFilter {
        kinds: filter.kinds.iter().map(ToString::to_string).collect(),
        spheres: filter.spheres.iter().map(|s| sphere(*s).into()).collect(),
        min_strength: filter.min_strength.map(|least| least.get()),
        exclude_member_ids: filter.exclude.iter().map(ToString::to_string).collect(),
    }
}

fn topics(topics: &TopicSet) -> Vec<String> {
    topics.iter().map(ToString::to_string).collect()
}
