//! From when to when certificates are valid, and what is said while the server's own comes to its end: clients refuse an expired one,
//! and the server would learn nothing of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::sleep;
use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::metrics::Metrics;
use super::reload::Newest;
use super::tls::Tls;

/// A certificate is said to end soon when this is left: by then, whatever renews it has failed for a while.
const SOON: Duration = Duration::from_secs(14 * 24 * 3_600);
/// How often the clock is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// When a chain of certificates is valid: from the last of their beginnings to the first of their ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    begins: SystemTime,
    ends: SystemTime,
}

/// A time before 1970 is 1970.
fn time(seconds: i64) -> SystemTime {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}

impl Validity {
    fn of_one(certificate: &CertificateDer<'_>) -> Result<Validity, String> {
        let (_, certificate) = X509Certificate::from_der(certificate).map_err(|error| error.to_string())?;
        let validity = certificate.validity();
        let (begins, ends) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        Ok(Validity { begins: time(begins), ends: time(ends) })
    }

    pub fn of(chain: &[CertificateDer<'_>]) -> Result<Validity, String> {
        let all: Vec<Validity> = chain.iter().map(Validity::of_one).collect::<Result<_, _>>()?;
        let begins = all.iter().map(|one| one.begins).max();
        let ends = all.iter().map(|one| one.ends).min();
        begins.zip(ends).map(|(begins, ends)| Validity { begins, ends }).ok_or_else(|| "no certificate".to_owned())
    }

    /// When what a client showed just now ends: its own certificate, or the first of the others. One of the others that has ended
    /// already was not needed to trust it; a certificate that cannot be read has ended.
    pub fn end_of_shown(chain: &[CertificateDer<'_>]) -> Option<SystemTime> {
        let now = SystemTime::now();
        let (own, others) = chain.split_first()?;
        let own = Validity::of_one(own).map_or(UNIX_EPOCH, |one| one.ends);
        let others = others.iter().filter_map(|one| Validity::of_one(one).ok()).map(|one| one.ends);
        Some(others.filter(|end| *end > now).fold(own, SystemTime::min))
    }

    fn at(&self, now: SystemTime) -> Stage {
        match self.ends.duration_since(now) {
            _ if now < self.begins => Stage::Early,
            Err(_) => Stage::Expired,
            Ok(left) if left < SOON => Stage::EndsSoon,
            Ok(_) => Stage::Valid,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Early,
    Valid,
    EndsSoon,
    Expired,
}

/// Says in the log, once for each stage that each certificate comes to, that it ends or has ended.
pub async fn watch(mut tls: Newest<Tls>, metrics: Metrics) {
    let mut told = None;
    loop {
        let validity = tls.borrow_and_update().validity;
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        metrics.certificate_ends(i64::try_from(seconds(validity.ends)).unwrap_or(i64::MAX));
        let now = SystemTime::now();
        let stage = validity.at(now);
        if told != Some((validity, stage)) {
            tell(stage, seconds(validity.begins), seconds(validity.ends), now);
            told = Some((validity, stage));
        }
        tokio::select! {
            changed = tls.changed() => if changed.is_err() { return },
            () = sleep(LOOK_EVERY) => {}
        }
    }
}

fn tell(stage: Stage, begins: u64, ends: u64, now: SystemTime) {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let days = ends.saturating_sub(now) / (24 * 3_600);
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
        assert_eq!(validity.at(begins - day), Stage::Early);
        assert_eq!(validity.at(begins), Stage::Valid);
        assert_eq!(validity.at(begins + 75 * day), Stage::Valid);
        assert_eq!(validity.at(begins + 77 * day), Stage::EndsSoon);
        assert_eq!(validity.at(begins + 90 * day + Duration::from_secs(1)), Stage::Expired);
    }
}
