//! TLS by rustls: the server's certificate, and the authorities of its callers' certificates.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, ServerConnection};
use webpki::EndEntityCert;

use super::auth::{CertificateName, Shown};
use super::certificate::Validity;
use super::reload::Source;

/// Where the certificate, its key and the authorities are.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The server's certificate and those between it and its authority, in PEM.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// The authorities of callers' certificates. A caller without a certificate may still show a token.
    pub client_authorities: Option<PathBuf>,
}

/// The configuration that the files make.
#[derive(Debug)]
pub struct Tls {
    pub config: Arc<ServerConfig>,
    /// The validity of the certificate and of those between it and its authority.
    pub validity: Validity,
}

impl Source for TlsFiles {
    type Value = Tls;

    fn name(&self) -> String {
        format!("--tls-cert {}", self.certificate.display())
    }

    fn read(&self) -> Result<Vec<Vec<u8>>, String> {
        let paths = [&self.certificate, &self.key].into_iter().chain(&self.client_authorities);
        let read = |path: &PathBuf| fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
        paths.map(read).collect()
    }

    fn make(&self, files: &[Vec<u8>]) -> Result<Tls, String> {
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
        let validity = Validity::of(&chain).map_err(|why| format!("{}: {why}", self.certificate.display()))?;
        let config = config.with_single_cert(chain, key);
        let mut config = config.map_err(|error| format!("the certificate and its key: {error}"))?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        if !authorities.is_empty() {
            // A session that goes on under an old handshake would bring its client's certificate back unchecked, though it has ended.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Tls { config: Arc::new(config), validity })
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found =
        CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    if found.is_empty() { Err("holds no certificate".to_owned()) } else { Ok(found) }
}

/// Returns what the certificate of a connection's other end says, which was checked in the handshake.
pub fn shown(connection: &ServerConnection) -> Shown {
    let chain = connection.peer_certificates().unwrap_or_default();
    let certificate = chain.first().and_then(|certificate| EndEntityCert::try_from(certificate).ok());
    let Some(certificate) = certificate else { return Shown::default() };
    let uris = certificate.valid_uri_names().filter_map(CertificateName::uri);
    let names = uris.chain(certificate.valid_dns_names().filter_map(CertificateName::dns)).collect();
    Shown { names, expires: Validity::end_of_shown(chain) }
}
