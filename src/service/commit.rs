//! What writes share.

use prost::Message;

use super::call::CallContext;
use super::services::Service;
use crate::domain::{Change, Error, Request};
use crate::engine::{Applied, Refusal, State};

impl Service {
    /// Carries out one command; on disk when it returns. The response is made from the state right after the command, and
    /// given again to a retry.
    pub(super) async fn commit<R: Message + Default>(
        &self,
        context: &CallContext,
        changes: Vec<Change>,
        request: Option<Request>,
        respond: impl FnOnce(&State, &[Applied]) -> R + Send + 'static,
    ) -> Result<R, Refusal> {
        context.principal.about_to_write(&changes);
        let respond = move |state: &State, applied: &[Applied]| respond(state, applied).encode_to_vec();
        let bytes = self.engine.write(changes, request, respond).await?;
        R::decode(bytes.as_slice()).map_err(|error| Refusal {
            change: None,
            error: Error::Internal(format!("a kept response can't be read: {error}")),
        })
    }

    /// The same of a single change.
    pub(super) async fn commit_one<R: Message + Default>(
        &self,
        context: &CallContext,
        change: Change,
        request: Option<Request>,
        respond: impl FnOnce(&State, Applied) -> R + Send + 'static,
    ) -> Result<R, Error> {
        let respond = move |state: &State, applied: &[Applied]| respond(state, applied[0]);
        Ok(self.commit(context, vec![change], request, respond).await?)
    }

    /// The same of a delete, whose etag is a field of the request itself.
    pub(super) async fn commit_delete<R: Message + Default>(
        &self,
        context: &CallContext,
        change: Change,
        request: Option<Request>,
        respond: impl FnOnce(&State, Applied) -> R + Send + 'static,
    ) -> Result<R, Error> {
        self.commit_one(context, change, request, respond).await.map_err(|error| match error {
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
