//! The audit log: who wrote and erased what, who was refused, and, if that is asked for, who read about whom. It goes to the log under the
//! target `audit`, with ids or their hashes and never with names, notes, texts or topics.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;
use tonic::{Code, Status};
use tracing::Level;
use tracing::field::{DisplayValue, display};

use super::audit_ids::AuditIds;
use super::auth::{Caller, Peer};
use super::methods::Method;
use super::quota::{Bucket, Rate};
use crate::domain::{Error, NamespaceName, is_printable};
use crate::engine::Threads;
use crate::service::{Asked, CallId, Principal, Subjects};

/// The refusals that are logged in a second: a caller that is refused a million times does not fill the disk.
const DENIALS_RATE: Rate = Rate { per_second: 50, burst: 200 };
/// The target of reads, which an operator asks for apart.
const READS: &str = "audit::reads";
/// The reads that may wait to be logged.
const READS_WAITING_MAX: usize = 4_096;

#[derive(Debug)]
pub struct Audit {
    ids: AuditIds,
    denials: Mutex<(Bucket, u64)>,
    /// Reads on their way to the thread that logs them; none where nothing is read.
    reads: Option<SyncSender<Read>>,
    /// The reads since the last line of one that are not logged.
    suppressed: Arc<AtomicU64>,
}

impl Default for Audit {
    fn default() -> Audit {
        Audit {
            ids: AuditIds::default(),
            denials: Mutex::new((Bucket::full(DENIALS_RATE, Instant::now()), 0)),
            reads: None,
            suppressed: Arc::default(),
        }
    }
}

/// A read that was answered or refused.
#[derive(Debug)]
pub struct Read {
    pub id: CallId,
    pub caller: Arc<str>,
    /// The namespace that the call is of, by which ids are hashed.
    pub namespace: NamespaceName,
    /// The namespace that it is about; none if that is all of them.
    pub about: Option<NamespaceName>,
    pub rpc: &'static str,
    pub asked: Asked,
    pub code: Code,
}

/// What is said of a call that was refused because of its caller.
#[derive(Debug)]
pub struct Denied<'a> {
    /// Empty if it is not known.
    pub caller: &'a str,
    /// The namespace that the call is about, if it names one.
    pub namespace: Option<&'a NamespaceName>,
    pub rpc: &'a str,
    pub why: &'a Error,
}

impl Audit {
    /// Makes the log, with a thread that logs reads: they are many, and no thread of the runtime waits for a log. The receiver ends when the
    /// log is dropped and all reads are logged.
    pub fn start(ids: AuditIds) -> io::Result<(Audit, oneshot::Receiver<()>)> {
        let (reads, waiting) = sync_channel(READS_WAITING_MAX);
        let audit = Audit { ids: ids.clone(), reads: Some(reads), ..Audit::default() };
        let suppressed = audit.suppressed.clone();
        let log = move || waiting.iter().for_each(|read| log_read(&read, &ids, &suppressed));
        Ok((audit, Threads::default().job("kith-audit", log)?))
    }

    /// Logs what a handler has done, or begun if its answer is a stream. There is a status where it has refused or failed.
    pub fn called(
        &self,
        id: &CallId,
        peer: &Peer,
        method: Method,
        caller: &Caller,
        principal: &Principal,
        status: Option<&Status>,
    ) {
        let code = status.map_or(Code::Ok, Status::code);
        if let Some(refused) = status.filter(|_| code == Code::PermissionDenied) {
            // What the caller may not do is found by the handler: whom it reads for, or which namespace it names.
            let why = Error::PermissionDenied(refused.message().to_owned());
            let namespace = principal.about();
            let denied = Denied { caller: &caller.name, namespace: namespace.as_ref(), rpc: method.name, why: &why };
            self.denied(id, peer, denied);
        }
        if method.writes() {
            self.written(id, &caller.name, method.name, principal, code);
        }
        if let Some(asked) = principal.take_asked() {
            let (caller, namespace) = (caller.name.clone(), principal.namespace().clone());
            self.read(Read {
                id: id.clone(),
                caller,
                namespace,
                about: principal.about(),
                rpc: method.name,
                asked,
                code,
            });
        }
    }

    /// Logs a write that was carried out or refused.
    fn written(&self, id: &CallId, caller: &str, rpc: &str, principal: &Principal, code: Code) {
        let (Subjects { named, count, erasures }, namespace) = (principal.subjects(), principal.namespace());
        let named: Vec<String> =
            named.iter().map(|subject| subject.text(|id| self.ids.written(namespace, id))).collect();
        let about = principal.about().map(display);
        tracing::info!(
            target: "audit", call = %id, trace_id = id.trace_id(), caller, namespace = about, rpc, outcome = ?code, ids = json(&named), changes = count,
            erasures, "write"
        );
    }

    /// Returns whether reads are logged, which may change at any time.
    pub fn is_of_reads(&self) -> bool {
        self.reads.is_some() && tracing::enabled!(target: READS, Level::INFO)
    }

    /// Has a read logged. Where the log takes no more, it is counted alone.
    pub fn read(&self, read: Read) {
        if self.reads.as_ref().is_some_and(|reads| reads.try_send(read).is_err()) {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Logs a call that was refused because of its caller.
    pub fn denied(&self, id: &CallId, peer: &Peer, Denied { caller, namespace, rpc, why }: Denied) {
        let mut denials = self.denials.lock().unwrap_or_else(PoisonError::into_inner);
        let (bucket, suppressed) = &mut *denials;
        if bucket.take(DENIALS_RATE, Instant::now()).is_err() {
            *suppressed += 1;
            return;
        }
        let suppressed = std::mem::take(suppressed);
        drop(denials);
        let names: Vec<String> = peer.certificate.names.iter().map(|name| format!("{name:?}")).collect();
        let (address, namespace) = (peer.address, namespace.map(display));
        tracing::warn!(
            target: "audit", call = %id, trace_id = id.trace_id(), caller, namespace, %address, names = json(&names), rpc,
            why = why.to_string(), suppressed, "denied"
        );
    }
}

fn log_read(read: &Read, ids: &AuditIds, suppressed: &AtomicU64) {
    let Read { id, caller, namespace, about, rpc, asked, code } = read;
    let viewer = (!asked.viewer.is_empty()).then(|| ids.written(namespace, &asked.viewer));
    let named: Vec<String> = asked.ids.iter().map(|id| ids.written(namespace, id)).collect();
    let suppressed = suppressed.swap(0, Ordering::Relaxed);
    tracing::info!(
        target: READS, call = %id, trace_id = id.trace_id(), caller = &**caller, namespace = about.as_ref().map(display), rpc, outcome = ?code, viewer,
        ids = json(&named),
        asked = asked.count, suppressed, "read"
    );
}

/// Returns texts as an array of JSON, in which an id can be searched for as it is. What a terminal obeys is escaped.
fn json(texts: &[String]) -> DisplayValue<String> {
    let mut escaped = String::new();
    for c in serde_json::json!(texts).to_string().chars() {
        if is_printable(c) {
            escaped.push(c);
        } else {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| escaped.push_str(&format!("\\u{unit:04x}")));
        }
    }
    display(escaped)
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
            audit.denied(&id, &peer, Denied { caller: "web", namespace: None, rpc: "Get", why: &error });
            audit.denials.lock().unwrap().1 > 0
        };
        assert!((0..DENIALS_RATE.burst).map(is_suppressed).all(|suppressed| !suppressed));
        assert!((0..DENIALS_RATE.burst).any(is_suppressed));
    }

    #[test]
    fn a_list_is_json_in_which_an_id_is_found_as_it_is() {
        let texts = ["put_member e\u{301}va", "a\"b\\", "\u{9b}31m\u{7f}", "\u{202e}x"].map(str::to_owned);
        let written = json(&texts).to_string();
        assert_eq!(written, "[\"put_member e\u{301}va\",\"a\\\"b\\\\\",\"\\u009b31m\\u007f\",\"\\u202ex\"]");
        assert_eq!(serde_json::from_str::<Vec<String>>(&written).unwrap(), texts);
    }

    #[test]
    fn of_reads_that_the_log_does_not_take_most_are_counted_alone() {
        let (reads, waiting) = sync_channel(2);
        let audit = Audit { reads: Some(reads), ..Audit::default() };
        for _ in 0..5 {
            let id = CallId::of(&HeaderMap::new());
            let namespace = NamespaceName::default();
            audit.read(Read {
                id,
                caller: "web".into(),
                namespace,
                about: None,
                rpc: "Get",
                asked: Asked::default(),
                code: Code::Ok,
            });
        }
        assert_eq!((waiting.try_iter().count(), audit.suppressed.load(Ordering::Relaxed)), (2, 3));
    }
}
