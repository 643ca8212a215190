//! Where an outside broker is, and what proves who is there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

const DEFAULT_PORT: u16 = 8883;

/// How to reach an outside broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutsideBroker {
    pub(super) host: String,
    pub(super) port: u16,
    ca: PathBuf,
    certificate: Option<(PathBuf, PathBuf)>,
    login: Option<(String, PathBuf)>,
}

impl OutsideBroker {
    /// Takes an address such as `mqtts://broker.example:8883`, and the PEM file of the broker's authority.
    ///
    /// # Errors
    ///
    /// Fails if the address is not that of an MQTT broker over TLS.
    pub fn new(address: &str, ca: impl Into<PathBuf>) -> Result<Self, BrokerError> {
        let (host, port) = parse_address(address).ok_or_else(|| BrokerError::Address {
            address: address.to_owned(),
        })?;
        Ok(Self {
            host,
            port,
            ca: ca.into(),
            certificate: None,
            login: None,
        })
    }

    /// Proves who the service is by the PEM files of a client certificate and its key.
    #[must_use]
    pub fn with_certificate(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.certificate = Some((certificate.into(), key.into()));
        self
    }

    /// Proves who the service is by a user's name and the file that holds the password, but for a line's end.
    #[must_use]
    pub fn with_login(mut self, user: impl Into<String>, password: impl Into<PathBuf>) -> Self {
        self.login = Some((user.into(), password.into()));
        self
    }

    /// The broker's name or address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The broker's port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn tls(&self) -> Result<ClientConfig, BrokerError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&self.ca)? {
            roots.add(certificate)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_root_certificates(roots);
        let Some((certificate, key)) = &self.certificate else {
            return Ok(config.with_no_client_auth());
        };
        let key = PrivateKeyDer::from_pem_slice(&read(key)?)
            .map_err(|_| BrokerError::Malformed { path: key.clone() })?;
        Ok(config.with_client_auth_cert(certificates(certificate)?, key)?)
    }

    /// The user and the password.
    pub(super) fn login(&self) -> Result<Option<(String, Vec<u8>)>, BrokerError> {
        let Some((user, password)) = &self.login else {
            return Ok(None);
        };
        let password = read(password)?.trim_ascii_end().to_vec();
        Ok(Some((user.clone(), password)))
    }
}

/// Why the service cannot attach to an outside broker.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The address does not read as `mqtts://HOST` or `mqtts://HOST:PORT`.
    #[error("{address:?} is not of the form mqtts://HOST:PORT")]
    Address {
        /// What was given.
        address: String,
    },
    /// A file holds no certificate or key, where one is needed.
    #[error("{} holds no certificate or key", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The certificates cannot be used.
    #[error("cannot configure TLS")]
    Tls(#[from] rustls::Error),
}

/// Reads `mqtts://HOST`, `mqtts://HOST:PORT`, with an IPv6 address in brackets.
fn parse_address(address: &str) -> Option<(String, u16)> {
    let authority = address.strip_prefix("mqtts://")?.trim_end_matches('/');
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']')?;
            match rest {
                "" => (host, DEFAULT_PORT),
                _ => (host, rest.strip_prefix(':')?.parse().ok()?),
            }
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (authority, DEFAULT_PORT),
        },
    };
    let is_plain = !host.is_empty() && !host.contains(['/', '@', '?', '#']);
    (is_plain && port != 0).then(|| (host.to_owned(), port))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, BrokerError> {
    let malformed = || BrokerError::Malformed {
        path: path.to_owned(),
    };
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .map_err(|_| malformed())?;
    if certificates.is_empty() {
        return Err(malformed());
    }
    Ok(certificates)
}

fn read(path: &Path) -> Result<Vec<u8>, BrokerError> {
    fs::read(path).map_err(|source| BrokerError::Read {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_a_host_and_perhaps_a_port() {
        for (address, expected) in [
            ("mqtts://broker.test", Some(("broker.test", 8883))),
            ("mqtts://broker.test:18883", Some(("broker.test", 18883))),
            ("mqtts://127.0.0.1:1/", Some(("127.0.0.1", 1))),
            ("mqtts://[::1]", Some(("::1", 8883))),
            ("mqtts://[::1]:99", Some(("::1", 99))),
            ("mqtt://broker.test", None),
            ("broker.test:8883", None),
            ("mqtts://", None),
            ("mqtts://:8883", None),
            ("mqtts://broker.test:0", None),
            ("mqtts://broker.test:99999", None),
            ("mqtts://user@broker.test", None),
            ("mqtts://broker.test/path", None),
            ("mqtts://[::1]x", None),
        ] {
            let expected = expected.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(parse_address(address), expected, "{address}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let broker = broker("/nowhere/ca.pem".as_ref());

        assert!(
            matches!(broker.tls(), Err(BrokerError::Read { path, .. }) if path == Path::new("/nowhere/ca.pem"))
        );
    }

    #[test]
    fn a_file_without_a_certificate_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let broker = broker(file.path());

        assert!(
            matches!(broker.tls(), Err(BrokerError::Malformed { path }) if path == file.path())
        );
    }

    #[test]
    fn a_password_ends_before_the_end_of_its_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "se cret\r\n").unwrap();
        let broker = broker(file.path()).with_login("jobs", file.path());

        let login = broker.login().unwrap();
        assert_eq!(login, Some(("jobs".into(), b"se cret".to_vec())));
    }

    fn broker(file: &Path) -> OutsideBroker {
        OutsideBroker::new("mqtts://broker.test", file)
            .unwrap()
            .with_certificate(file, file)
    }
}
