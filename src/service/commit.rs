//! What writes share.

use super::call::CallContext;
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
        self.engine.write(changes, request, report).await
    }

    /// Carries out a single change.
    pub(super) async fn commit_one(
        &self,
        context: &CallContext,
        change: Change,
        request: Option<Request>,
        report: Report,
    ) -> Result<Outcome, Error> {
        Ok(self.commit(context, vec![change], request, report).await?)
    }

    /// Carries out a delete, whose etag is a field of the request itself.
    pub(super) async fn commit_delete(
        &self,
        context: &CallContext,
        change: Change,
        request: Option<Request>,
        report: Report,
    ) -> Result<Outcome, Error> {
        self.commit_one(context, change, request, report).await.map_err(|error| match error {
            Error::EtagMismatch { .. } => Error::EtagMismatch { field: "etag".to_owned() },
            other => other,
        })
    }
}

/// The error of the change that was refused, with its place in the list that the changes are of.
pub(super) fn refused_in(field: &str, refusal: Refusal) -> Error {
    match refusal.change {
        Some(index) => refusal.error.within(&format!("{field}[{index}]")),
        None => refusal.error,
    }
}
