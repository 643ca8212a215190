//! Whom a download trusts: the system's roots and the configured ones.
//!
//! It never presents a client certificate: the device's identity is for AWS IoT Core, not for whoever serves artifacts. The roots are
//! read for each download and dropped after it, so that an idle agent does not hold them and a renewed file is used at once.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::sync::OnceCell;

/// Why there is nothing to check a download host's certificate with.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub(crate) enum RootsError {
    /// Neither the system nor the configuration has a root.
    #[error("no root certificate: the system has none and `root_ca` of `[download]` names none")]
    None,
    /// The TLS library refuses its own provider.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
    /// The configured file cannot be used.
    #[error("{path}: {problem}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// The roots of one download, read once it needs them.
#[derive(Debug)]
pub(super) struct Trust {
    extra: Option<PathBuf>,
    config: OnceCell<Arc<ClientConfig>>,
}

impl Trust {
    /// Trusts the system's roots and those in this file.
    pub(super) fn new(extra: Option<PathBuf>) -> Self {
        Self {
            extra,
            config: OnceCell::new(),
        }
    }

    /// How to speak TLS with a host.
    pub(super) async fn config(&self) -> Result<Arc<ClientConfig>, RootsError> {
        let read = async || {
            let extra = self.extra.clone();
            tokio::task::spawn_blocking(move || read(extra.as_deref()))
                .await
                .unwrap_or(Err(RootsError::None))
        };
        self.config.get_or_try_init(read).await.cloned()
    }
}

/// Reads the roots; `extra` is the configured file. Blocks.
fn read(extra: Option<&Path>) -> Result<Arc<ClientConfig>, RootsError> {
    let mut roots = RootCertStore::empty();
    // What the system has is used as far as it goes: one broken file there must not stop every download.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = extra {
        let unreadable = |problem: &dyn core::fmt::Display| RootsError::Unreadable {
            path: path.to_owned(),
            problem: problem.to_string(),
        };
        let certificates = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| unreadable(&error))?;
        let (added, _) = roots.add_parsable_certificates(certificates);
        if added == 0 {
            return Err(unreadable(&"no certificate in this file"));
        }
    }
    if roots.is_empty() {
        return Err(RootsError::None);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(RootsError::Setup)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Whether a connection failed because the host's certificate is not trusted: waiting seldom mends it.
pub(super) fn is_certificate_error(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|it| it.downcast_ref());
    matches!(cause, Some(rustls::Error::InvalidCertificate(_)))
}
