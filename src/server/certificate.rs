//! From when to when certificates are valid.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

/// When a chain of certificates is valid: from the last of their beginnings to the first of their ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    pub begins: SystemTime,
    pub ends: SystemTime,
}

/// Returns the time of a certificate's seconds since 1970; an earlier one is 1970.
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

    /// Returns when what a client has just shown ends: its own certificate, or the first of the others in its chain. Another that has
    /// ended already was not needed to trust the client's own, and is ignored; an own certificate that cannot be read has ended.
    pub fn end_of_shown(chain: &[CertificateDer<'_>]) -> Option<SystemTime> {
        let now = SystemTime::now();
        let (own, others) = chain.split_first()?;
        let own = Validity::of_one(own).map_or(UNIX_EPOCH, |one| one.ends);
        let others = others.iter().filter_map(|one| Validity::of_one(one).ok()).map(|one| one.ends);
        Some(others.filter(|end| *end > now).fold(own, SystemTime::min))
    }
}
