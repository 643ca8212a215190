//! The private certificate authority of a local service.
//!
//! AWS IoT knows a device by its client certificate. [`Pki`] plays that part on loopback: it signs the
//! service's own server certificate and one client certificate per thing, whose common name is the
//! thing's name. It never checks revocation, and it is no place to keep the keys of real devices.
//!
//! [`Pki::create`] makes a new authority, [`Pki::open`] keeps one in a directory, so that devices which
//! trust it still do after the service restarts. Server certificates are signed anew at each start.

use core::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::parse_x509_certificate;
use x509_parser::x509::X509Name;

/// The protocol name by which AWS IoT tells MQTT from HTTPS on port 443.
///
/// <https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html>
pub const MQTT_ALPN: &[u8] = b"x-amzn-mqtt-ca";

/// The longest thing name, in bytes.
///
/// <https://docs.aws.amazon.com/iot/latest/apireference/API_CreateThing.html>
pub const THING_NAME_LIMIT: usize = 128;

const AUTHORITY_NAME: &str = "iot-jobs-local authority";
const CERTIFICATE_FILE: &str = "ca.pem";
const KEY_FILE: &str = "ca.key";
const LOOPBACK_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
const OWNER_ONLY: u32 = 0o600;

/// A certificate authority, and what it signs.
pub struct Pki {
    certificate_pem: String,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    server_names: Vec<String>,
}

impl Pki {
    /// Makes a new authority.
    ///
    /// # Errors
    ///
    /// Fails if the system gives no randomness.
    pub fn create() -> Result<Self, PkiError> {
        let key = KeyPair::generate()?;
        let params = authority_params();
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            certificate_pem: certificate.pem(),
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key),
            server_names: LOOPBACK_NAMES.map(String::from).into(),
        })
    }

    /// Loads the authority kept in `directory`, or makes one and keeps it there.
    ///
    /// # Errors
    ///
    /// Fails if the files cannot be read or written, or are not those of an authority made here.
    pub fn open(directory: &Path) -> Result<Self, PkiError> {
        // The certificate is written last: without it, a key beside it was never used.
        if directory.join(CERTIFICATE_FILE).exists() {
            return Self::load(directory);
        }
        let pki = Self::create()?;
        pki.save(directory)?;
        Ok(pki)
    }

    /// Loads the authority that [`Pki::save`] wrote.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be read, or if certificate and key are not a pair made here.
    pub fn load(directory: &Path) -> Result<Self, PkiError> {
        let certificate_path = directory.join(CERTIFICATE_FILE);
        let key_path = directory.join(KEY_FILE);
        let certificate_pem = read(&certificate_path)?;
        let certificate =
            CertificateDer::from_pem_slice(certificate_pem.as_bytes()).map_err(|_| {
                PkiError::Malformed {
                    path: certificate_path.clone(),
                }
            })?;
        let key = KeyPair::from_pem(&read(&key_path)?)
            .map_err(|_| PkiError::Malformed { path: key_path })?;
        if !is_certificate_of(&certificate, &key) {
            return Err(PkiError::ForeignAuthority {
                path: certificate_path,
            });
        }
        Ok(Self {
            certificate_pem,
            certificate,
            issuer: Issuer::new(authority_params(), key),
            server_names: LOOPBACK_NAMES.map(String::from).into(),
        })
    }

    /// Writes the authority to `directory`, which is made if it is missing. Only the owner can read the key.
    ///
    /// # Errors
    ///
    /// Fails if the directory or a file cannot be written.
    pub fn save(&self, directory: &Path) -> Result<(), PkiError> {
        fs::create_dir_all(directory).map_err(|source| PkiError::Write {
            path: directory.to_owned(),
            source,
        })?;
        let key_pem = self.issuer.key().serialize_pem();
        write_private(&directory.join(KEY_FILE), &key_pem)?;
        write_private(&directory.join(CERTIFICATE_FILE), &self.certificate_pem)
    }

    /// Adds names and addresses that the server certificates are valid for, besides those of loopback.
    #[must_use]
    pub fn with_server_names(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.server_names.extend(names);
        self
    }

    /// The authority's certificate: what a device must trust.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Signs a new client certificate for the thing called `thing`.
    ///
    /// # Errors
    ///
    /// Fails if AWS IoT would not allow the name.
    pub fn issue_thing_certificate(&self, thing: &str) -> Result<ThingCertificate, PkiError> {
        if !is_thing_name(thing) {
            return Err(PkiError::InvalidThingName);
        }
        let mut params = leaf_params(thing, ExtendedKeyUsagePurpose::ClientAuth);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(ThingCertificate {
            certificate_pem: certificate.pem(),
            private_key_pem: key.serialize_pem(),
        })
    }

    /// The TLS side of the MQTT listener: devices must show a certificate signed here.
    ///
    /// A client may offer [`MQTT_ALPN`] or nothing, as at AWS IoT on port 443 and on port 8883.
    ///
    /// # Errors
    ///
    /// Fails if one of the server names is neither a DNS name nor an address.
    pub fn mqtt_server_config(&self) -> Result<Arc<ServerConfig>, PkiError> {
        self.server_config(&[MQTT_ALPN], ClientCertificates::Required)
    }

    /// The TLS side of the HTTPS listener: a client may show a certificate signed here.
    ///
    /// # Errors
    ///
    /// Fails if one of the server names is neither a DNS name nor an address.
    pub fn https_server_config(&self) -> Result<Arc<ServerConfig>, PkiError> {
        self.server_config(&[b"http/1.1"], ClientCertificates::Optional)
    }

    /// Signs a server certificate and makes the configuration that serves it, over TLS 1.2 and 1.3.
    ///
    /// # Errors
    ///
    /// Fails if one of the server names is neither a DNS name nor an address.
    pub fn server_config(
        &self,
        alpn: &[&[u8]],
        clients: ClientCertificates,
    ) -> Result<Arc<ServerConfig>, PkiError> {
        let (certificate, key) = self.server_certificate()?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
        let builder = match clients {
            ClientCertificates::None => builder.with_no_client_auth(),
            ClientCertificates::Optional | ClientCertificates::Required => {
                builder.with_client_cert_verifier(self.client_verifier(provider, clients)?)
            }
        };
        let mut config = builder.with_single_cert(vec![certificate], key)?;
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Ok(Arc::new(config))
    }

    fn client_verifier(
        &self,
        provider: Arc<CryptoProvider>,
        clients: ClientCertificates,
    ) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, PkiError> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone())?;
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = match clients {
            ClientCertificates::Required => builder,
            ClientCertificates::None | ClientCertificates::Optional => {
                builder.allow_unauthenticated()
            }
        };
        Ok(builder.build()?)
    }

    fn server_certificate(
        &self,
    ) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), PkiError> {
        let mut params = leaf_params("iot-jobs-local", ExtendedKeyUsagePurpose::ServerAuth);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.subject_alt_names =
            CertificateParams::new(self.server_names.clone())?.subject_alt_names;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        Ok((certificate.into(), key.into()))
    }
}

impl fmt::Debug for Pki {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pki")
            .field("server_names", &self.server_names)
            .finish_non_exhaustive()
    }
}

/// Whether a listener asks its clients for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Clients are not asked.
    None,
    /// Clients may show one; a wrong one is refused.
    Optional,
    /// Clients without one are refused.
    Required,
}

/// What a device needs to prove that it is a thing.
#[derive(Clone)]
pub struct ThingCertificate {
    /// The certificate; its common name is the thing's name.
    pub certificate_pem: String,
    /// The private key, as PKCS #8.
    pub private_key_pem: String,
}

impl fmt::Debug for ThingCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThingCertificate")
            .field("certificate_pem", &self.certificate_pem)
            .finish_non_exhaustive()
    }
}

/// Why certificates could not be made or read.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The certificate was not made here from the key beside it.
    #[error("{} does not belong to the key beside it", path.display())]
    ForeignAuthority {
        /// The certificate.
        path: PathBuf,
    },
    /// A name for a thing is empty, too long, or has characters that AWS IoT does not allow.
    #[error("a thing name is 1 to 128 characters of a-z, A-Z, 0-9, colon, underscore and hyphen")]
    InvalidThingName,
    /// A file holds no PEM of the expected kind.
    #[error("{} is not valid PEM", path.display())]
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
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Sign(#[from] rcgen::Error),
    /// A TLS configuration could not be made.
    #[error("cannot configure TLS")]
    Tls(#[from] rustls::Error),
    /// The check of client certificates could not be set up.
    #[error("cannot check client certificates")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// A file could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The thing that a client certificate speaks for: its common name, if that can be the name of a thing.
#[must_use]
pub fn thing_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = parse_x509_certificate(certificate).ok()?;
    let name = common_name(certificate.subject())?;
    is_thing_name(name).then(|| name.to_owned())
}

fn common_name<'a>(name: &'a X509Name<'_>) -> Option<&'a str> {
    let mut names = name.iter_common_name();
    let first = names.next()?.as_str().ok()?;
    names.next().is_none().then_some(first)
}

fn is_thing_name(name: &str) -> bool {
    (1..=THING_NAME_LIMIT).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_' | b'-'))
}

fn is_certificate_of(certificate: &CertificateDer<'_>, key: &KeyPair) -> bool {
    parse_x509_certificate(certificate).is_ok_and(|(_, certificate)| {
        common_name(certificate.subject()) == Some(AUTHORITY_NAME)
            && certificate.public_key().subject_public_key.data.as_ref() == key.public_key_raw()
    })
}

fn authority_params() -> CertificateParams {
    let mut params = named_params(AUTHORITY_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf_params(common_name: &str, usage: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = named_params(common_name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.extended_key_usages = vec![usage];
    params
}

fn named_params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    // A device whose clock is not yet set must be able to connect.
    params.not_before = date_time_ymd(1970, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    params
}

fn read(path: &Path) -> Result<String, PkiError> {
    fs::read_to_string(path).map_err(|source| PkiError::Read {
        path: path.to_owned(),
        source,
    })
}

fn write_private(path: &Path, content: &str) -> Result<(), PkiError> {
    let write = || -> io::Result<()> {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(OWNER_ONLY)
            .open(path)?;
        // The mode above is only for a file that did not exist.
        file.set_permissions(fs::Permissions::from_mode(OWNER_ONLY))?;
        file.write_all(content.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|source| PkiError::Write {
        path: path.to_owned(),
        source,
    })
}

/// What the tests of other modules need to be a client.
#[cfg(test)]
pub(crate) mod testing {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::{ClientConfig, RootCertStore};

    use super::*;

    /// Trusts `pki`, and shows a certificate of `thing`.
    pub(crate) fn client_config(pki: &Pki, thing: Option<&str>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(pki.ca_pem().as_bytes()).unwrap();
        roots.add(authority).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let Some(thing) = thing else {
            return builder.with_no_client_auth();
        };
        let issued = pki.issue_thing_certificate(thing).unwrap();
        let certificate = CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(issued.private_key_pem.as_bytes());
        builder
            .with_client_auth_cert(vec![certificate.unwrap()], key.unwrap())
            .unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_read_back_from_its_certificate() {
        let pki = Pki::create().unwrap();

        let issued = pki.issue_thing_certificate("pump:7_a-b").unwrap();

        assert_eq!(named_in(&issued).as_deref(), Some("pump:7_a-b"));
    }

    #[test]
    fn a_thing_name_of_128_characters_is_allowed_and_of_129_is_not() {
        let pki = Pki::create().unwrap();
        let longest = "x".repeat(THING_NAME_LIMIT);

        let issued = pki.issue_thing_certificate(&longest).unwrap();

        assert_eq!(named_in(&issued), Some(longest.clone()));
        assert!(matches!(
            pki.issue_thing_certificate(&format!("{longest}x")),
            Err(PkiError::InvalidThingName)
        ));
    }

    #[test]
    fn a_name_that_would_change_the_topic_policy_is_refused() {
        let pki = Pki::create().unwrap();

        for name in ["", "a/b", "+", "#", "a b", "größe", "a\0b"] {
            assert!(
                matches!(
                    pki.issue_thing_certificate(name),
                    Err(PkiError::InvalidThingName)
                ),
                "{name:?}"
            );
        }
    }

    #[test]
    fn a_reopened_directory_gives_the_same_authority() {
        let directory = tempfile::tempdir().unwrap();
        let first = Pki::open(directory.path()).unwrap();

        let second = Pki::open(directory.path()).unwrap();

        assert_eq!(second.ca_pem(), first.ca_pem());
        let issued = second.issue_thing_certificate("pump").unwrap();
        let certificate =
            CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).unwrap();
        first
            .client_verifier(provider(), ClientCertificates::Required)
            .unwrap()
            .verify_client_cert(
                &certificate,
                &[],
                rustls_pki_types::UnixTime::since_unix_epoch(core::time::Duration::from_secs(1)),
            )
            .unwrap();
    }

    #[test]
    fn only_the_owner_can_read_the_key() {
        let directory = tempfile::tempdir().unwrap();
        let key = directory.path().join(KEY_FILE);
        fs::write(&key, "left by someone").unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();

        Pki::open(directory.path()).unwrap();

        let mode = fs::metadata(&key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, OWNER_ONLY);
    }

    #[test]
    fn a_certificate_beside_the_key_of_another_authority_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        Pki::open(directory.path()).unwrap();
        let other = Pki::create().unwrap();
        fs::write(directory.path().join(CERTIFICATE_FILE), other.ca_pem()).unwrap();

        let loaded = Pki::open(directory.path());

        assert!(matches!(loaded, Err(PkiError::ForeignAuthority { .. })));
    }

    #[test]
    fn debug_output_holds_no_private_key() {
        let pki = Pki::create().unwrap();
        let issued = pki.issue_thing_certificate("pump").unwrap();

        assert!(!format!("{pki:?}").contains("PRIVATE KEY"));
        assert!(!format!("{issued:?}").contains("PRIVATE KEY"));
    }

    #[test]
    fn the_server_certificate_names_loopback_and_the_given_hosts() {
        let pki = Pki::create()
            .unwrap()
            .with_server_names(["broker.test".into(), "192.0.2.1".into()]);

        let (certificate, _) = pki.server_certificate().unwrap();

        let (_, certificate) = parse_x509_certificate(&certificate).unwrap();
        let names = certificate.subject_alternative_name().unwrap().unwrap();
        assert_eq!(names.value.general_names.len(), 5);
    }

    fn provider() -> Arc<CryptoProvider> {
        Arc::new(rustls::crypto::ring::default_provider())
    }

    fn named_in(issued: &ThingCertificate) -> Option<String> {
        let certificate =
            CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).unwrap();
        thing_name(&certificate)
    }
}
