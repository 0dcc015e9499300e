//! What writes share.

use super::call::CallContext;
use super::located::located;
use super::services::Service;
use crate::domain::{Change, Error, Request};
use crate::engine::{Outcome, Refusal, Report};

impl Service {
    /// Carries out one command, which is on disk when this returns. A retry gets the outcome of the first call, so the caller's handler
    /// encodes the same response again.
    pub(super) async fn commit(
        &self,
        context: &CallContext,
        changes: Vec<Change>,
        request: Option<Request>,
        report: Report,
    ) -> Result<Outcome, Refusal> {
        context.principal.about_to_write(&changes);
        self.engine.write_for(context.principal.share(), changes, request, report).await
    }

    /// Carries out a single change, whose resource is the request's field `resource`; where that is empty, it is the request.
    pub(super) async fn commit_one(
        &self,
        context: &CallContext,
        change: Change,
        resource: &str,
        request: Option<Request>,
        report: Report,
    ) -> Result<Outcome, Error> {
        let outcome = self.commit(context, vec![change], request, report).await;
        outcome.map_err(|refusal| refused(refusal, |_| resource.to_owned()))
    }
}

/// Returns the error of a refusal; `parent` says by a change's index which message holds its resource.
pub(super) fn refused(refusal: Refusal, parent: impl Fn(usize) -> String) -> Error {
    match refusal {
        Refusal::Command(error) => error,
        Refusal::Change { index, error } => located(error, &parent(index)),
    }
}
