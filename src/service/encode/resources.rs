//! Members, kinds, edges and statuses as callers get them.

use crate::domain::{Audience, Edge, EdgeFilter, Kind, Member, Origin, Sphere, Status, TimeMs, TopicSet};
use crate::engine::{State, Stored};
use crate::proto::v1 as pb;

pub fn timestamp(time: TimeMs) -> prost_types::Timestamp {
    let (seconds, nanos) = time.to_parts();
    prost_types::Timestamp { seconds, nanos }
}

pub fn member(stored: Stored<Member>) -> pb::Member {
    let Stored { value, etag, create_time, update_time } = stored;
    pb::Member {
        topics: topics(&value.topics),
        id: value.id.to_string(),
        display_name: value.display_name,
        headline: value.headline,
        labels: value.labels,
        etag,
        create_time: Some(timestamp(create_time)),
        update_time: Some(timestamp(update_time)),
    }
}

pub fn kind(stored: Stored<Kind>) -> pb::Kind {
    let Stored { value, etag, .. } = stored;
    let half_life = prost_types::Duration {
        seconds: (value.half_life_ms / 1_000) as i64,
        nanos: (value.half_life_ms % 1_000 * 1_000_000) as i32,
    };
    pb::Kind {
        name: value.name.to_string(),
        sphere: sphere(value.sphere).into(),
        symmetric: value.symmetric,
        prior: value.prior,
        half_life: Some(half_life),
        etag,
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
    let Stored { value, etag, create_time, update_time } = stored;
    let last = TimeMs(i64::from(value.history.last_s) * 1_000);
    pb::Edge {
        from_id: value.key.from.to_string(),
        kind: value.key.kind.to_string(),
        to_id: value.key.to.to_string(),
        strength,
        pinned_strength: value.pinned.map(|pinned| pinned.get()),
        interactions: i64::try_from(value.history.count).unwrap_or(i64::MAX),
        last_interaction_time: (value.history.count > 0).then(|| timestamp(last)),
        interaction_weight: value.history.faded,
        since: value.since.map(timestamp),
        note: value.note,
        origin: value.origin.map(origin),
        etag,
        create_time: Some(timestamp(create_time)),
        update_time: Some(timestamp(update_time)),
    }
}

fn origin(origin: Origin) -> pb::Origin {
    pb::Origin {
        status_id: origin.status.map(|id| id.to_string()).unwrap_or_default(),
        introducer_ids: origin.introducers.iter().map(ToString::to_string).collect(),
        note: origin.note,
    }
}

pub fn status(stored: Stored<Status>) -> pb::Status {
    let Stored { value, etag, .. } = stored;
    pb::Status {
        id: value.id.to_string(),
        author_id: value.author.to_string(),
        text: value.text,
        link: value.link,
        topics: topics(&value.topics),
        audience: Some(audience(&value.audience)),
        post_time: Some(timestamp(value.post_time)),
        expire_time: value.expire_time.map(timestamp),
        etag,
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
