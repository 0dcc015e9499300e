//! The audit log: who wrote and erased what, and who was refused. It goes to the log under the target `audit`, with ids or their
//! hashes and never with names, notes, texts or topics.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tonic::Code;

use super::audit_ids::AuditIds;
use super::auth::Peer;
use super::quota::{Bucket, Rate};
use crate::domain::Error;
use crate::service::{CallId, Principal, Subjects};

/// The refusals that are logged in a second: a caller that is refused a million times does not fill the disk.
const DENIALS_RATE: Rate = Rate { per_second: 50, burst: 200 };

#[derive(Debug)]
pub struct Audit {
    ids: AuditIds,
    denials: Mutex<(Bucket, u64)>,
}

impl Default for Audit {
    fn default() -> Audit {
        Audit::with(AuditIds::default())
    }
}

impl Audit {
    /// Makes the log, with ids as they are to be written.
    pub fn with(ids: AuditIds) -> Audit {
        Audit { ids, denials: Mutex::new((Bucket::full(DENIALS_RATE, Instant::now()), 0)) }
    }

    /// Logs a write that was carried out or refused.
    pub fn written(&self, id: &CallId, caller: &str, rpc: &str, principal: &Principal, code: Code) {
        let (Subjects { named, count, erasures }, namespace) = (principal.subjects(), principal.namespace());
        let named: Vec<String> = named.iter().map(|subject| subject.text(|id| self.ids.written(id))).collect();
        tracing::info!(
            target: "audit", call = %id, trace_id = id.trace_id(), caller, %namespace, rpc, outcome = ?code, ids = ?named, changes = count,
            erasures, "write"
        );
    }

    /// Logs a call that was refused because of its caller.
    pub fn denied(&self, id: &CallId, caller: &str, peer: &Peer, rpc: &str, error: &Error) {
        let mut denials = self.denials.lock().unwrap_or_else(PoisonError::into_inner);
        let (bucket, suppressed) = &mut *denials;
        if bucket.take(DENIALS_RATE, Instant::now()).is_err() {
            *suppressed += 1;
            return;
        }
        let suppressed = std::mem::take(suppressed);
        drop(denials);
        let address = peer.address;
        tracing::warn!(
            target: "audit", call = %id, trace_id = id.trace_id(), caller, %address, names = ?peer.certificate.names, rpc, why = %error,
            suppressed, "denied"
        );
    }
}

#[cfg(test)]
mod tests {
    use tonic::codegen::http::HeaderMap;

    use super::*;
    use crate::server::auth::Shown;

    #[test]
    fn of_a_flood_of_refusals_most_are_counted_alone() {
        let (audit, id) = (Audit::default(), CallId::of(&HeaderMap::new()));
        let (peer, error) = (Peer::new([127, 0, 0, 1].into(), Shown::default()), Error::Unimplemented);
        let is_suppressed = |_| {
            audit.denied(&id, "web", &peer, "Get", &error);
            audit.denials.lock().unwrap().1 > 0
        };
        assert!((0..DENIALS_RATE.burst).map(is_suppressed).all(|suppressed| !suppressed));
        assert!((0..DENIALS_RATE.burst).any(is_suppressed));
    }
}
