//! TLS by rustls: the server's certificate, and the authorities of its callers' certificates.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, ServerConnection};
use webpki::EndEntityCert;

use super::reload::Source;

/// Where it is all found.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The server's certificate and those between it and its authority, in PEM.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Authorities of callers' certificates. A caller without one may still show a token.
    pub client_authorities: Option<PathBuf>,
}

impl Source for TlsFiles {
    type Value = ServerConfig;

    fn name(&self) -> String {
        format!("--tls-cert {}", self.certificate.display())
    }

    fn read(&self) -> Result<Vec<Vec<u8>>, String> {
        let paths = [&self.certificate, &self.key].into_iter().chain(&self.client_authorities);
        let read = |path: &PathBuf| fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
        paths.map(read).collect()
    }

    fn make(&self, files: &[Vec<u8>]) -> Result<ServerConfig, String> {
        let [certificate, key, authorities @ ..] = files else { return Err("a file is missing".to_owned()) };
        let chain = certificates(certificate).map_err(|why| format!("{}: {why}", self.certificate.display()))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| format!("{}: {error}", self.key.display()))?;
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider.clone());
        let config = config.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
        let config = match authorities.first() {
            None => config.with_no_client_auth(),
            Some(authorities) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(authorities).map_err(|why| format!("--tls-client-ca: {why}"))? {
                    roots.add(authority).map_err(|error| format!("--tls-client-ca: {error}"))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                let verifier = verifier.allow_unauthenticated().build();
                config.with_client_cert_verifier(verifier.map_err(|error| format!("--tls-client-ca: {error}"))?)
            }
        };
        let config = config.with_single_cert(chain, key);
        let mut config = config.map_err(|error| format!("the certificate and its key: {error}"))?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found =
        CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    if found.is_empty() { Err("holds no certificate".to_owned()) } else { Ok(found) }
}

/// The DNS names and URIs in the certificate of a connection's other end, which was checked in the handshake.
pub fn names(connection: &ServerConnection) -> Vec<String> {
    let certificate = connection.peer_certificates().and_then(<[_]>::first);
    let certificate = certificate.and_then(|certificate| EndEntityCert::try_from(certificate).ok());
    let all = |certificate: EndEntityCert<'_>| {
        certificate.valid_uri_names().chain(certificate.valid_dns_names()).map(str::to_owned).collect()
    };
    certificate.map(all).unwrap_or_default()
}
