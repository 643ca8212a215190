//! A download host that does what a test tells it to: over real loopback sockets, with or without TLS.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// Between two bytes of [`Step::Trickle`]: often enough for no single read to take too long.
const TRICKLE_EVERY: Duration = Duration::from_millis(1);

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) line: String,
    pub(super) headers: BTreeMap<String, String>,
}

impl Seen {
    /// The first byte of the range asked for; 0 without one.
    pub(super) fn from(&self) -> usize {
        self.headers.get("range").map_or(0, |range| {
            range
                .strip_prefix("bytes=")
                .and_then(|range| range.strip_suffix('-'))
                .unwrap()
                .parse()
                .unwrap()
        })
    }
}

/// What the server does once it has a request. Afterwards it closes the connection.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Send(Vec<u8>),
    /// Keeps the connection open and says nothing until the client is gone.
    Hold,
    /// Sends a space now and then until the client is gone.
    Trickle,
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) root_ca: Option<PathBuf>,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
    _directory: tempfile::TempDir,
}

impl Server {
    /// Answers the n-th request (from 0) as `script` says.
    pub(super) async fn start(
        script: impl Fn(usize, &Seen) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        Self::listen(script, false).await
    }

    pub(super) async fn start_tls(
        script: impl Fn(usize, &Seen) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        Self::listen(script, true).await
    }

    async fn listen(
        script: impl Fn(usize, &Seen) -> Vec<Step> + Send + Sync + 'static,
        tls: bool,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (acceptor, root_ca) = if tls {
            let (acceptor, pem) = acceptor();
            let path = directory.path().join("ca.pem");
            std::fs::write(&path, pem).unwrap();
            (Some(acceptor), Some(path))
        } else {
            (None, None)
        };
        let requests = Arc::clone(&seen);
        let script = Arc::new(script);
        let task = tokio::task::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (requests, script) = (Arc::clone(&requests), Arc::clone(&script));
                let acceptor = acceptor.clone();
                tokio::task::spawn(async move {
                    match acceptor {
                        None => serve(stream, &requests, &*script).await,
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => serve(stream, &requests, &*script).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Self {
            address,
            root_ca,
            seen,
            task,
            _directory: directory,
        }
    }

    pub(super) fn url(&self) -> String {
        let scheme = if self.root_ca.is_some() {
            "https"
        } else {
            "http"
        };
        format!(
            "{scheme}://127.0.0.1:{}/bucket/key.bin?X-Amz-Signature=secret",
            self.address.port()
        )
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The first bytes of the ranges asked for, one for each request.
    pub(super) fn asked(&self) -> Vec<usize> {
        self.seen.lock().unwrap().iter().map(Seen::from).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Send + Unpin>(
    mut stream: S,
    seen: &Mutex<Vec<Seen>>,
    script: &(dyn Fn(usize, &Seen) -> Vec<Step> + Sync),
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.split("\r\n");
    let request = Seen {
        line: lines.next().unwrap().to_owned(),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect(),
    };
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(request.clone());
        seen.len() - 1
    };
    for step in script(number, &request) {
        match step {
            Step::Send(bytes) => stream.write_all(&bytes).await.ok()?,
            Step::Hold => {
                stream.flush().await.ok()?;
                stream.read_u8().await.ok()?;
            }
            Step::Trickle => loop {
                stream.write_all(b" ").await.ok()?;
                stream.flush().await.ok()?;
                if timeout(TRICKLE_EVERY, stream.read_u8()).await.is_ok() {
                    return None;
                }
            },
        }
    }
    stream.shutdown().await.ok()
}

/// The head of an answer.
pub(super) fn head(status: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let lines: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    format!("HTTP/1.1 {status}\r\n{lines}\r\n").into_bytes()
}

/// What S3 answers to a request for `content`: head and body.
pub(super) fn object(request: &Seen, content: &[u8], etag: &str) -> (Vec<u8>, Vec<u8>) {
    let from = request.from();
    let current = request
        .headers
        .get("if-range")
        .is_none_or(|tag| tag == etag);
    if from == 0 || !current {
        let length = content.len().to_string();
        let headers = [("Content-Length", length.as_str()), ("ETag", etag)];
        return (head("200 OK", &headers), content.to_vec());
    }
    let length = (content.len() - from).to_string();
    let range = format!("bytes {from}-{}/{}", content.len() - 1, content.len());
    let headers = [
        ("Content-Length", length.as_str()),
        ("Content-Range", range.as_str()),
        ("ETag", etag),
    ];
    (
        head("206 Partial Content", &headers),
        content[from..].to_vec(),
    )
}

/// The whole of what S3 answers.
pub(super) fn all(request: &Seen, content: &[u8], etag: &str) -> Vec<Step> {
    cut(request, content, etag, usize::MAX)
}

/// What S3 answers, the connection being lost after `bytes` bytes of the body.
pub(super) fn cut(request: &Seen, content: &[u8], etag: &str, bytes: usize) -> Vec<Step> {
    let (mut answer, body) = object(request, content, etag);
    answer.extend(&body[..bytes.min(body.len())]);
    vec![Step::Send(answer)]
}

fn acceptor() -> (TlsAcceptor, String) {
    let key = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![key.cert.der().clone()],
            rustls_pki_types::PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()).into(),
        )
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), key.cert.pem())
}
