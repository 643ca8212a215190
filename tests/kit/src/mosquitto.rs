//! mosquitto as the broker, with the service attached to it from outside.
//!
//! Needs Debian's `mosquitto` package; only the outside-party suites of CI use it.

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::process::Process;
use crate::{KitError, at, wait_for};

/// How long the broker may take to start.
const START_WITHIN: Duration = Duration::from_secs(10);
/// Where Debian puts it: not on an ordinary user's PATH.
const PROGRAM: &str = "/usr/sbin/mosquitto";
/// The client that may do everything below `$aws/`: the service.
const SERVICE: &str = "iot-jobs-local";

/// A running mosquitto with its own certificate authority. Dropping it ends it.
#[derive(Debug)]
pub struct Mosquitto {
    _process: Process,
    port: u16,
    directory: PathBuf,
}

impl Mosquitto {
    /// Starts one for a thing, on a free port of loopback; client certificates are required, and a thing may use its own topics and listen to events.
    pub fn start(directory: &Path, thing: &str) -> Result<Self, KitError> {
        fs::create_dir_all(directory).map_err(at(directory))?;
        certificates(directory, thing)?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
        let port = port.map_err(at(directory))?.port();
        let acl = format!(
            "user {SERVICE}\ntopic readwrite $aws/#\n\npattern readwrite $aws/things/%u/#\npattern read $aws/events/#\n"
        );
        write(directory, "acl", &acl)?;
        let shown = directory.display();
        write(
            directory,
            "mosquitto.conf",
            &format!(
                "listener {port} 127.0.0.1\ncafile {shown}/ca.pem\ncertfile {shown}/broker.pem\nkeyfile {shown}/broker.key\n\
                 require_certificate true\nuse_identity_as_username true\nacl_file {shown}/acl\nuser root\n\
                 persistence false\nset_tcp_nodelay true\nlog_dest stderr\nlog_type all\n"
            ),
        )?;
        let mut command = Command::new(PROGRAM);
        command.arg("-c").arg(directory.join("mosquitto.conf"));
        let process = Process::start(command, &directory.join("mosquitto.log"), None)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        wait_for(START_WITHIN, || TcpStream::connect(address).ok()).ok_or_else(|| {
            KitError::Timeout {
                what: "mosquitto to listen".into(),
                seconds: START_WITHIN.as_secs(),
                log: process.tail(),
            }
        })?;
        Ok(Self {
            _process: process,
            port,
            directory: directory.into(),
        })
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A file of its directory: `ca.pem`, `thing.pem`, `thing.key`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The arguments that attach the service to it.
    pub fn service_arguments(&self) -> Vec<String> {
        let file = |name: &str| self.path(name).display().to_string();
        vec![
            "--broker".into(),
            format!("mqtts://localhost:{}", self.port),
            "--broker-ca".into(),
            file("ca.pem"),
            "--broker-cert".into(),
            file("service.pem"),
            "--broker-key".into(),
            file("service.key"),
        ]
    }
}

/// Makes an authority and what it signs: the broker, the service and the thing.
fn certificates(directory: &Path, thing: &str) -> Result<(), KitError> {
    let failed = |error: rcgen::Error| KitError::Build(format!("certificates: {error}"));
    let mut authority = CertificateParams::new(Vec::new()).map_err(failed)?;
    authority.distinguished_name.push(DnType::CommonName, "kit");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().map_err(failed)?)
        .map_err(failed)?;
    write(directory, "ca.pem", &authority.pem())?;
    for (file, name) in [
        ("broker", "localhost"),
        ("service", SERVICE),
        ("thing", thing),
    ] {
        let mut params = CertificateParams::new(vec!["localhost".into()]).map_err(failed)?;
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &authority).map_err(failed)?;
        write(directory, &format!("{file}.pem"), &certificate.pem())?;
        write(directory, &format!("{file}.key"), &key.serialize_pem())?;
    }
    Ok(())
}

fn write(directory: &Path, name: &str, text: &str) -> Result<(), KitError> {
    let path = directory.join(name);
    fs::write(&path, text).map_err(at(&path))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(at(&path))
}
