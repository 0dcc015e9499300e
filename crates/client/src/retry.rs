//! Decides when a call is sent again.

use std::time::{Duration, Instant};

use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt;

const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// How long a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The deadline of one try; the server hears it, and stops.
    pub deadline: Duration,
    /// The time for all tries together, with the pauses between them.
    pub patience: Duration,
}

impl Default for Retry {
    /// Allows 2 seconds a try, 15 seconds in all.
    fn default() -> Retry {
        Retry { deadline: Duration::from_secs(2), patience: Duration::from_secs(15) }
    }
}

impl Retry {
    /// Sends a call again while it is worth another try. The call must do no harm when it is carried out twice: a read, or a write with a
    /// request id.
    ///
    /// # Errors
    /// Returns the status of the last try.
    pub async fn call<Q: Clone, A>(
        &self,
        request: &Q,
        mut send: impl AsyncFnMut(Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<A, Status> {
        let began = Instant::now();
        let mut pause = PAUSE;
        loop {
            let mut attempt = Request::new(request.clone());
            attempt.set_timeout(self.deadline);
            let refused = match send(attempt).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) => status,
            };
            let asked_for = refused.get_details_retry_info().and_then(|info| info.retry_delay);
            let wait = asked_for.unwrap_or_default().max(pause.mul_f64(0.5 + fastrand::f64()));
            if !is_worth_another_try(&refused, asked_for.is_some()) || began.elapsed() + wait > self.patience {
                return Err(refused);
            }
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

/// Returns whether the same call may be answered otherwise. After a deadline a write may have been carried out: its request id makes the
/// next try harmless.
fn is_worth_another_try(status: &Status, says_when: bool) -> bool {
    match status.code() {
        // When the server is overloaded or a quota is used up, it says when to come again. A full disk or a spent budget stays as it is.
        Code::ResourceExhausted => says_when,
        code => matches!(code, Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled),
    }
}
