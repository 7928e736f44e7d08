//! TLS, with a certificate that is read again when its files change.

use parking_lot::Mutex;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// How often the files are looked at, at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file that cannot be read.
    #[error("cannot read `{key}` of [server], {}", .path.display())]
    Read {
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file with something else in it.
    #[error("`{key}` of [server], {}, holds {lacks}: {why}", .path.display())]
    Contents {
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What should be in it.
        lacks: &'static str,
        /// What is there.
        why: String,
    },
    /// Two files that do not belong together, or a certificate of a kind that cannot be used.
    #[error("the key {} cannot be used with the certificate {}: {why}", .key.display(), .cert.display())]
    Pair {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why not.
        why: rustls::Error,
    },
}

/// Whether TLS could be spoken with a certificate and its key.
///
/// # Errors
/// Why not.
pub fn check_tls(cert: &Path, key: &Path) -> Result<(), TlsError> {
    read(cert, key).map(drop)
}

/// From when on, and until when, the server's own certificate of a PEM file counts.
///
/// # Errors
/// If there is none in it, or it cannot be understood.
pub fn certificate_ends(cert: &Path) -> Result<(SystemTime, SystemTime), String> {
    let own = CertificateDer::from_pem_file(cert).map_err(|error| error.to_string())?;
    let own = Certificate::from_der(&own).map_err(|error| error.to_string())?;
    let validity = own.tbs_certificate().validity();
    Ok((validity.not_before.to_system_time(), validity.not_after.to_system_time()))
}

/// By which files are known to have changed.
type Stamp = [Option<(SystemTime, u64)>; 2];

/// What TLS is spoken with.
pub(super) struct Tls {
    cert: PathBuf,
    key: PathBuf,
    current: Mutex<Current>,
}

struct Current {
    acceptor: TlsAcceptor,
    stamp: Stamp,
    looked_at: Instant,
}

impl Tls {
    pub(super) fn open(cert: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let stamp = stamp(&cert, &key);
        let acceptor = read(&cert, &key)?;
        let current = Mutex::new(Current { acceptor, stamp, looked_at: Instant::now() });
        Ok(Self { cert, key, current })
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let acceptor = self.acceptor();
        acceptor.accept(stream).await
    }

    /// What the files say now, or said before if they are being replaced.
    fn acceptor(&self) -> TlsAcceptor {
        let mut current = self.current.lock();
        if current.looked_at.elapsed() < LOOK_EVERY {
            return current.acceptor.clone();
        }
        current.looked_at = Instant::now();
        let stamp = stamp(&self.cert, &self.key);
        if stamp != current.stamp {
            match read(&self.cert, &self.key) {
                Ok(acceptor) => {
                    current.acceptor = acceptor;
                    tracing::info!("the certificate was read again");
                }
                Err(error) => tracing::warn!("the former certificate stays in use: {error}"),
            }
            current.stamp = stamp;
        }
        current.acceptor.clone()
    }
}

fn stamp(cert: &Path, key: &Path) -> Stamp {
    [cert, key].map(|path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}

fn read(cert: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let load = |name, path: &Path| {
        fs::read(path).map_err(|source| TlsError::Read { key: name, path: path.to_owned(), source })
    };
    let wrong = |name, path: &Path, lacks, why: String| TlsError::Contents {
        key: name,
        path: path.to_owned(),
        lacks,
        why,
    };
    let (cert_text, key_text) = (load("tls_cert", cert)?, load("tls_key", key)?);
    let chain: Result<Vec<CertificateDer<'static>>, pem::Error> =
        CertificateDer::pem_slice_iter(&cert_text).collect();
    let chain = chain.map_err(|error| wrong("tls_cert", cert, "no certificate in PEM", error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong(
            "tls_cert",
            cert,
            "no certificate in PEM",
            "there is no `BEGIN CERTIFICATE`".to_owned(),
        ));
    }
    let private = PrivateKeyDer::from_pem_slice(&key_text)
        .map_err(|error| wrong("tls_key", key, "no private key in PEM", error.to_string()))?;
    let unfit = |why| TlsError::Pair { cert: cert.to_owned(), key: key.to_owned(), why };
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(unfit)?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, private).map_err(unfit)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
