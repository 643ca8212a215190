//! Mutual TLS to the endpoint: TLS 1.2 and 1.3, the configured roots only, the device's own certificate.
//!
//! Never uses the system's roots: a device talks to the one endpoint that its operator named. Called anew for every
//! connection, so that a renewed certificate is used without a restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use iot_jobs_config::Mqtt;
use rustls::client::Resumption;
use rustls::{ClientConfig, InconsistentKeys, RootCertStore};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Why the files named in `[mqtt]` do not make a TLS identity.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// The certificate and the key do not belong together.
    #[error("{key} is not the private key of {certificate}", key = key.display(), certificate = certificate.display())]
    KeyMismatch {
        /// File with the certificate.
        certificate: PathBuf,
        /// File with the key.
        key: PathBuf,
    },
    /// A file holds no PEM block of the kind that it is there for.
    #[error("{path} holds no {wanted}", path = path.display())]
    Nothing {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
    },
    /// A file cannot be read, or is damaged.
    #[error("{path} cannot be read as PEM: {source}", path = path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// The certificate or the key is damaged, or of a kind that is not supported.
    #[error("{path} cannot be used: {problem}", path = path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
}

/// Reads the files that `mqtt` names.
pub(crate) fn client_config(mqtt: &Mqtt) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(certificates(&mqtt.root_ca)?);
    if usable == 0 {
        return Err(nothing(&mqtt.root_ca, "CA certificate"));
    }

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = key(&mqtt.private_key)?;
    // Before the two are used together, so that the right file is named.
    let loaded = provider.key_provider.load_private_key(key.clone_key());
    loaded.map_err(|source| unusable(&mqtt.private_key, &source))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|source| unusable(&mqtt.certificate, &source))?
        .with_root_certificates(roots)
        .with_client_auth_cert(certificates(&mqtt.certificate)?, key)
        .map_err(|source| {
            if source == rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) {
                return TlsError::KeyMismatch {
                    certificate: mqtt.certificate.clone(),
                    key: mqtt.private_key.clone(),
                };
            }
            unusable(&mqtt.certificate, &source)
        })?;
    // AWS IoT Core takes no session tickets (developer guide, "Transport security in AWS IoT Core").
    config.resumption = Resumption::disabled();
    config.alpn_protocols = mqtt.alpn.iter().map(|name| name.clone().into()).collect();
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| unreadable(path, source))?;
    if chain.is_empty() {
        return Err(nothing(path, "certificate"));
    }
    Ok(chain)
}

/// Reads a private key in PKCS#8, SEC1 or PKCS#1.
fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| {
        if matches!(source, pem::Error::NoItemsFound) {
            return nothing(path, "private key");
        }
        unreadable(path, source)
    })
}

fn nothing(path: &Path, wanted: &'static str) -> TlsError {
    TlsError::Nothing {
        path: path.to_owned(),
        wanted,
    }
}

/// Leaves out what rustls puts in front for the certificates and errors of a peer.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "rustls may add errors; they keep its own words"
)]
fn unusable(path: &Path, source: &rustls::Error) -> TlsError {
    TlsError::Unusable {
        path: path.to_owned(),
        problem: match source {
            rustls::Error::General(words) => words.clone(),
            rustls::Error::InvalidCertificate(why) => {
                format!("it holds no X.509 certificate ({why})")
            }
            other => other.to_string(),
        },
    }
}

fn unreadable(path: &Path, source: pem::Error) -> TlsError {
    TlsError::Pem {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use iot_jobs_proto::names::ThingName;
    use rcgen::{CertificateParams, KeyPair};
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_certificate_and_its_key_make_an_identity() {
        assert!(client_config(&Files::new().mqtt()).is_ok());
    }

    #[test]
    fn an_alpn_name_is_offered_when_there_is_one() {
        let files = Files::new();
        let mqtt = Mqtt {
            alpn: Some("x-amzn-mqtt-ca".to_owned()),
            ..files.mqtt()
        };

        let config = client_config(&mqtt).unwrap();

        assert_eq!(config.alpn_protocols, [b"x-amzn-mqtt-ca".to_vec()]);
    }

    #[test]
    fn a_key_of_another_certificate_is_told() {
        let files = Files::new();
        files.write("key.pem", &KeyPair::generate().unwrap().serialize_pem());

        assert!(matches!(
            client_config(&files.mqtt()),
            Err(TlsError::KeyMismatch { .. })
        ));
    }

    #[test]
    fn a_key_file_without_a_key_is_told() {
        let files = Files::new();
        files.write("key.pem", "not a key\n");

        let error = client_config(&files.mqtt()).unwrap_err().to_string();

        assert!(error.ends_with("key.pem holds no private key"), "{error}");
    }

    #[test]
    fn of_a_damaged_certificate_and_a_damaged_key_the_right_file_is_named() {
        for (file, label) in [
            ("certificate.pem", "CERTIFICATE"),
            ("key.pem", "PRIVATE KEY"),
        ] {
            let files = Files::new();
            files.write(
                file,
                &format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n"),
            );

            let error = client_config(&files.mqtt()).unwrap_err().to_string();

            assert!(
                error.contains(&format!("{file} cannot be used: ")),
                "{error}"
            );
            assert!(!error.contains("peer"), "{error}");
        }
    }

    #[test]
    fn a_root_file_without_a_certificate_is_told() {
        let files = Files::new();
        files.write("root.pem", "");

        let error = client_config(&files.mqtt()).unwrap_err().to_string();

        assert!(error.ends_with("root.pem holds no certificate"), "{error}");
    }

    /// A certificate that is its own root, and its key.
    struct Files(TempDir);

    impl Files {
        fn new() -> Self {
            let files = Self(tempfile::tempdir().unwrap());
            let key = KeyPair::generate().unwrap();
            let certificate = CertificateParams::new(vec!["gw-1".to_owned()])
                .unwrap()
                .self_signed(&key)
                .unwrap();
            files.write("certificate.pem", &certificate.pem());
            files.write("root.pem", &certificate.pem());
            files.write("key.pem", &key.serialize_pem());
            files
        }

        fn write(&self, name: &str, text: &str) {
            std::fs::write(self.0.path().join(name), text).unwrap();
        }

        fn mqtt(&self) -> Mqtt {
            let file = |name| self.0.path().join(name);
            Mqtt {
                endpoint: "localhost".to_owned(),
                port: 8883,
                alpn: None,
                thing_name: ThingName::parse("gw-1").unwrap(),
                client_id: "gw-1".to_owned(),
                certificate: file("certificate.pem"),
                private_key: file("key.pem"),
                root_ca: file("root.pem"),
                keep_alive: Duration::from_secs(60),
            }
        }
    }
}
