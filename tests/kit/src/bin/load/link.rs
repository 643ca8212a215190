//! One device's connection: TCP, TLS 1.3 with the device's own certificate, MQTT packets.

use core::net::SocketAddr;
use core::time::Duration;
use std::io;
use std::sync::Arc;

use bytes::{Buf as _, BytesMut};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use iot_jobs_kit::service::Credentials;

use crate::mqtt::{self, Malformed, Packet};

/// As the agent's own default.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// Early enough that a ping never misses its keep-alive.
const PING_EVERY: Duration = Duration::from_secs(40);
const READ_SIZE: usize = 1024;

/// Why a device lost its connection, or never had one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("the service closed the connection")]
    Closed,
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    #[error("I/O: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("the certificate cannot be read: {0}")]
    Pem(#[from] pem::Error),
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// What all devices need to find the service and to trust it.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    pub(crate) address: SocketAddr,
    pub(crate) name: ServerName<'static>,
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) provider: Arc<CryptoProvider>,
}

/// A device's connection.
#[derive(Debug)]
pub(crate) struct Link {
    stream: TlsStream<TcpStream>,
    input: BytesMut,
    /// How much of `input` the packet takes that was read last.
    taken: usize,
    output: Vec<u8>,
    ping_at: Instant,
}

impl Destination {
    /// Where `address` is, and who must be there.
    pub(crate) fn new(address: SocketAddr, name: &str, authority: &str) -> Result<Self, LinkError> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes())?)?;
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        Ok(Self {
            address,
            name,
            roots: Arc::new(roots),
            provider: Arc::new(rustls::crypto::ring::default_provider()),
        })
    }

    fn tls(&self, credentials: &Credentials) -> Result<ClientConfig, LinkError> {
        let certificate = CertificateDer::from_pem_slice(credentials.certificate_pem.as_bytes())?;
        let key = PrivateKeyDer::from_pem_slice(credentials.private_key.as_bytes())?;
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(Arc::clone(&self.roots))
            .with_client_auth_cert(vec![certificate], key)?;
        // Each device shakes hands in full, and remembers nothing.
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

impl Link {
    /// Connects and introduces the device as `client_id`; the server's answer is yet to be read.
    pub(crate) async fn open(
        destination: &Destination,
        credentials: &Credentials,
        client_id: &str,
    ) -> Result<Self, LinkError> {
        let connector = TlsConnector::from(Arc::new(destination.tls(credentials)?));
        let stream = TcpStream::connect(destination.address).await;
        let stream = stream.map_err(LinkError::Connect)?;
        stream.set_nodelay(true)?;
        let stream = connector.connect(destination.name.clone(), stream).await?;
        let mut link = Self {
            stream,
            input: BytesMut::new(),
            taken: 0,
            output: Vec::new(),
            ping_at: Instant::now() + PING_EVERY,
        };
        let keep_alive = u16::try_from(KEEP_ALIVE.as_secs()).unwrap_or(u16::MAX);
        mqtt::connect(&mut link.output, client_id, keep_alive);
        link.flush().await?;
        Ok(link)
    }

    /// What is to be sent with the next packet that is waited for.
    pub(crate) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Sends what is to be sent and waits for the next packet; pings the service meanwhile.
    ///
    /// Giving up on it loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Packet<'_>, LinkError> {
        self.input.advance(self.taken);
        self.taken = 0;
        while mqtt::read(&self.input)?.is_none() {
            self.flush().await?;
            self.input.reserve(READ_SIZE);
            let read = self.stream.read_buf(&mut self.input);
            match timeout_at(self.ping_at, read).await {
                Ok(read) => {
                    if end_of_stream_as_zero(read)? == 0 {
                        return Err(LinkError::Closed);
                    }
                }
                Err(_) => {
                    mqtt::pingreq(&mut self.output);
                    self.ping_at = Instant::now() + PING_EVERY;
                }
            }
        }
        let (packet, len) = mqtt::read(&self.input)?.ok_or(Malformed)?;
        self.taken = len;
        Ok(packet)
    }

    /// Says goodbye and closes the connection.
    pub(crate) async fn close(mut self) -> Result<(), LinkError> {
        mqtt::disconnect(&mut self.output);
        self.flush().await?;
        Ok(self.stream.shutdown().await?)
    }

    async fn flush(&mut self) -> Result<(), LinkError> {
        while !self.output.is_empty() {
            let len = self.stream.write(&self.output).await?;
            self.output.drain(..len);
            self.stream.flush().await?;
        }
        Ok(())
    }
}

/// Who closes the socket without closing TLS first has gone, too.
fn end_of_stream_as_zero(read: io::Result<usize>) -> io::Result<usize> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
        read => read,
    }
}
