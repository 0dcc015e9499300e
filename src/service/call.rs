//! A call as its handler gets it.

use std::time::{Duration, Instant};

use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::principal::Principal;
use super::subjects::Asked;
use super::to_status;
use crate::domain::Error;

/// A call with its message, or with the stream of its messages.
pub struct Call<M> {
    pub context: CallContext,
    pub message: M,
}

/// Who makes a call, and until when the answer is of use.
#[derive(Clone)]
pub struct CallContext {
    pub principal: Principal,
    pub deadline: Option<Instant>,
}

#[cfg(test)]
impl CallContext {
    /// Returns a context for tests that make no call.
    pub fn unlimited() -> CallContext {
        CallContext { principal: Principal::unlimited(), deadline: None }
    }
}

impl<M> Call<M> {
    /// Takes the call out of a request that came through the listener. A request without a principal is refused as INTERNAL.
    pub fn of(request: Request<M>) -> Result<Call<M>, Status> {
        let (metadata, mut extensions, message) = request.into_parts();
        let principal = extensions.remove::<Principal>().ok_or_else(|| {
            to_status(Error::Internal("a request reached its handler without a principal".to_owned()))
        })?;
        Ok(Call { context: CallContext { principal, deadline: deadline(&metadata) }, message })
    }

    /// Has whom the message asks about noted, if that is asked for.
    pub fn noted(self, note: impl FnOnce(&M, &mut Asked)) -> Call<M> {
        self.context.principal.about_to_ask(|asked| note(&self.message, asked));
        self
    }
}

/// Turns an outcome into the caller's answer. A handler's error may be a status already, which says more than an error can.
pub fn respond<T, E: IntoStatus>(outcome: Result<T, E>) -> Result<Response<T>, Status> {
    outcome.map(Response::new).map_err(IntoStatus::into_status)
}

pub trait IntoStatus {
    fn into_status(self) -> Status;
}

impl IntoStatus for Error {
    fn into_status(self) -> Status {
        to_status(self)
    }
}

impl IntoStatus for Status {
    fn into_status(self) -> Status {
        self
    }
}

/// A tenth of a call's time, at most this much, is kept for the way back of a partial answer.
const WAY_BACK_MAX: Duration = Duration::from_millis(50);

/// Returns when a query is to stop so that its caller still gets what there is.
fn deadline(metadata: &MetadataMap) -> Option<Instant> {
    let timeout = grpc_timeout(metadata.get("grpc-timeout")?.to_str().ok()?)?;
    Instant::now().checked_add(timeout - (timeout / 10).min(WAY_BACK_MAX))
}

/// Parses the header `grpc-timeout`: up to eight digits and a unit.
pub fn grpc_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(value * 3_600),
        "M" => Duration::from_secs(value * 60),
        "S" => Duration::from_secs(value),
        "m" => Duration::from_millis(value),
        "u" => Duration::from_micros(value),
        "n" => Duration::from_nanos(value),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    /// A handler takes a `Call`, and there is no other way to make one.
    #[test]
    fn a_request_without_a_principal_is_refused() {
        let refused = Call::of(Request::new(())).err().map(|status| status.code());
        assert_eq!(refused, Some(Code::Internal));
    }

    #[test]
    fn a_timeout_is_read_as_grpc_writes_it() {
        assert_eq!(grpc_timeout("20m"), Some(Duration::from_millis(20)));
        assert_eq!(grpc_timeout("3S"), Some(Duration::from_secs(3)));
        assert_eq!(grpc_timeout("99999999H"), Some(Duration::from_secs(99_999_999 * 3_600)));
        for wrong in ["", "S", "1", "123456789S", "-1S", "1s", "1é"] {
            assert_eq!(grpc_timeout(wrong), None, "{wrong}");
        }
    }
}
