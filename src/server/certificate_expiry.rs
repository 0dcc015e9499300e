//! Warns while the server's own certificate comes to its end: clients refuse an expired one, and the server would learn nothing of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::sleep;

use super::certificate::Validity;
use super::metrics::Metrics;
use super::reload::Newest;
use super::tls::Tls;

/// A certificate is said to end soon when this is left: by then, whatever renews it has failed for a while.
const SOON: Duration = Duration::from_secs(14 * 24 * 3_600);
/// How often the clock is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Early,
    Valid,
    EndsSoon,
    Expired,
}

impl Stage {
    fn of(validity: Validity, now: SystemTime) -> Stage {
        match validity.ends.duration_since(now) {
            _ if now < validity.begins => Stage::Early,
            Err(_) => Stage::Expired,
            Ok(left) if left < SOON => Stage::EndsSoon,
            Ok(_) => Stage::Valid,
        }
    }
}

/// Says in the log, once for each stage that each certificate comes to, that it ends or has ended.
pub async fn watch(mut tls: Newest<Tls>, metrics: Metrics) {
    let mut reported = None;
    loop {
        let validity = tls.borrow_and_update().validity;
        metrics.certificate_ends(i64::try_from(seconds(validity.ends)).unwrap_or(i64::MAX));
        let now = SystemTime::now();
        let stage = Stage::of(validity, now);
        if reported != Some((validity, stage)) {
            report(stage, validity, now);
            reported = Some((validity, stage));
        }
        tokio::select! {
            changed = tls.changed() => if changed.is_err() { return },
            () = sleep(LOOK_EVERY) => {}
        }
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn report(stage: Stage, validity: Validity, now: SystemTime) {
    let (begins, ends) = (seconds(validity.begins), seconds(validity.ends));
    let days = ends.saturating_sub(seconds(now)) / (24 * 3_600);
    match stage {
        Stage::Valid => {}
        Stage::Early => {
            tracing::error!(begins, "the certificate of --tls-cert is not valid yet: clients refuse it until then");
        }
        Stage::EndsSoon => tracing::warn!(ends, days, "the certificate of --tls-cert ends soon: replace it"),
        Stage::Expired => {
            tracing::error!(ends, "the certificate of --tls-cert has expired: clients refuse it; replace it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_comes_to_its_end_in_stages() {
        let day = Duration::from_secs(24 * 3_600);
        let begins = UNIX_EPOCH + 1_000 * day;
        let validity = Validity { begins, ends: begins + 90 * day };
        let stage = |now| Stage::of(validity, now);
        assert_eq!(stage(begins - day), Stage::Early);
        assert_eq!(stage(begins), Stage::Valid);
        assert_eq!(stage(begins + 75 * day), Stage::Valid);
        assert_eq!(stage(begins + 77 * day), Stage::EndsSoon);
        assert_eq!(stage(begins + 90 * day + Duration::from_secs(1)), Stage::Expired);
    }
}
