//! `AdminService.Verify`: a check of everything, on a snapshot.

use std::time::{Duration, Instant};

use super::call::Call;
use super::encode;
use super::services::Service;
use super::streamed::{Outlet, Streamed, begin};
use crate::domain::{Error, Finding};
use crate::engine::{Content, Revision, Verified, Verifier};
use crate::proto::v1 as pb;
use crate::proto::v1::verify_response::Event;

/// The least time between two reports of progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

pub async fn verify(
    service: &Service,
    Call { context, message }: Call<pb::VerifyRequest>,
) -> Result<Streamed<pb::VerifyResponse>, Error> {
    let namespaces = service.engine.namespaces_at(&message.min_revision).await?;
    let (state, through) = (namespaces.find(service.engine.namespace())?.clone(), namespaces.sequence());
    let engine = service.engine.clone();
    let lifetime = engine.lifetime(&state);
    begin(service.engine.streams(), &context, Some(lifetime), move |outlet| {
        let verifier = &mut Reporter { outlet, reported: Instant::now() };
        let mut verified = state.verify(&namespaces.kept_at(namespaces.time()), verifier)?;
        verified.findings += engine.verify_disk(through, verifier)?;
        let (revision, content) = (namespaces.revision(), Content::of(&state));
        outlet.send(event(Event::Summary(summary(revision, content, verified))))
    })
}

fn event(event: Event) -> pb::VerifyResponse {
    pb::VerifyResponse { event: Some(event) }
}

/// Reports to the caller.
struct Reporter<'a> {
    outlet: &'a Outlet<pb::VerifyResponse>,
    reported: Instant,
}

impl Verifier for Reporter<'_> {
    fn found(&mut self, finding: Finding) -> Result<(), Error> {
        let Finding { part, subject, message } = finding;
        self.outlet.send(event(Event::Finding(pb::Finding { part: part.to_owned(), subject, message })))
    }

    fn progress(&mut self, checked: u64, total: u64) -> Result<(), Error> {
        if self.reported.elapsed() < PROGRESS_EVERY {
            return self.outlet.check();
        }
        self.reported = Instant::now();
        let progress = pb::VerifyProgress { checked: checked as i64, total: total as i64 };
        self.outlet.send(event(Event::Progress(progress)))
    }
}

/// Returns the outcome of a check, with the digests that it computed.
pub fn summary(revision: Revision, content: Content, verified: Verified) -> pb::VerifySummary {
    pb::VerifySummary {
        revision: revision.to_string(),
        findings: verified.findings as i64,
        totals: Some(encode::content(Content { digest: verified.digest, ..content })),
        state_digest: encode::digest(verified.whole),
    }
}
