//! A 256 MiB download — fetched, verified, written, durable — beside `curl | sha256sum`, which does not even write.
//!
//! `cargo bench -p iot-jobs-agent --bench download`. Both fetch from the same server in this process, over loopback, in turns; the
//! best of each counts. A ratio above 1 means that the agent is faster. A timer on the agent's one thread shows how long the
//! download kept it from anything else: the MQTT keep-alive shares it.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark reads the clock and prints"
)]
#![allow(dead_code, unused_imports, reason = "the part under test, whole")]

#[path = "../src/fetch/mod.rs"]
mod fetch;

use core::cell::Cell;
use core::net::SocketAddr;
use core::time::Duration;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use fetch::{Fetcher, FileSink, Order, Pace, Url, Watch};
use iot_jobs_handler::{Failure, FailureClass};
use iot_jobs_proto::redact::PresignedUrl;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const LEN: usize = 256 * 1024 * 1024;
const ROUNDS: u32 = 5;
/// How often the timer beside the download looks at the clock.
const TICK: Duration = Duration::from_millis(1);

fn main() {
    let directory = tempfile::tempdir().expect("a directory");
    let artifact: Arc<[u8]> = (0..LEN).map(|at| (at % 251) as u8).collect();
    let sha256 = Sha256::digest(&artifact).into();
    for tls in [false, true] {
        let server = Server::start(Arc::clone(&artifact), tls, directory.path());
        let mut agent = Duration::MAX;
        let mut curl = Duration::MAX;
        let mut longest = Duration::ZERO;
        for _ in 0..ROUNDS {
            curl = curl.min(curl_and_sha256sum(&server, &sha256));
            let (taken, gap) = download(&server, sha256, directory.path());
            agent = agent.min(taken);
            longest = longest.max(gap);
        }
        println!(
            "{}: agent {:.0} MiB/s, curl | sha256sum {:.0} MiB/s, ratio {:.2}, longest hold of the thread {} ms",
            if tls { "https" } else { "http" },
            speed(agent),
            speed(curl),
            curl.as_secs_f64() / agent.as_secs_f64(),
            longest.as_millis()
        );
    }
}

fn speed(taken: Duration) -> f64 {
    (LEN / (1024 * 1024)) as f64 / taken.as_secs_f64()
}

fn curl_and_sha256sum(server: &Server, sha256: &[u8; 32]) -> Duration {
    let begun = Instant::now();
    let output = Command::new("sh")
        .arg("-c")
        .arg("curl --silent --fail ${2:+--cacert \"$2\"} \"$1\" | sha256sum")
        .arg("sh")
        .arg(server.url())
        .args(&server.root_ca)
        .output()
        .expect("sh runs");
    let taken = begun.elapsed();
    let digits: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(
        output.stdout.starts_with(digits.as_bytes()),
        "curl and sha256sum are needed: {output:?}"
    );
    taken
}

/// Downloads once: how long it took, and the longest time that the thread was not free.
fn download(server: &Server, sha256: [u8; 32], directory: &Path) -> (Duration, Duration) {
    let part = directory.join("artifact.part");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let fetcher = Fetcher {
        root_ca: server.root_ca.clone(),
        allow_http: true,
        pace: Pace::new(Duration::from_secs(10)),
    };
    let url = server.url();
    let url = PresignedUrl::parse(&url).expect("a URL");
    let order = Order {
        url: Url::new(url).expect("a URL"),
        size: Some(LEN as u64),
        size_max: LEN as u64,
        sha256,
        left: None,
    };
    let watch = Silent;
    let longest = Cell::new(Duration::ZERO);
    let begun = Instant::now();
    runtime.block_on(async {
        let fetch = async {
            let mut sink = FileSink::open(&part, 0).await.expect("a file");
            fetcher
                .fetch(&order, &mut sink, &watch, 1)
                .await
                .expect("the artifact")
        };
        let ticks = async {
            let mut last = Instant::now();
            loop {
                tokio::time::sleep(TICK).await;
                longest.set(longest.get().max(last.elapsed()));
                last = Instant::now();
            }
        };
        tokio::select! {
            _ = fetch => {}
            () = ticks => {}
        }
    });
    let taken = begun.elapsed();
    std::fs::remove_file(part).expect("the file is there");
    (taken, longest.get())
}

struct Silent;

impl Watch for Silent {
    async fn renew(&self) -> Result<Url, Failure> {
        Err(Failure::new(
            FailureClass::Failed,
            "expired",
            "no other URL",
        ))
    }

    fn progress(&self, _: u64, _: Option<u64>) {}
}

struct Server {
    address: SocketAddr,
    root_ca: Option<PathBuf>,
}

impl Server {
    /// Serves the artifact from a thread of its own for as long as the process runs.
    fn start(artifact: Arc<[u8]>, tls: bool, directory: &Path) -> Self {
        let (acceptor, root_ca) = if tls {
            let key = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])
                .expect("a certificate");
            let path = directory.join("ca.pem");
            std::fs::write(&path, key.cert.pem()).expect("a file");
            (Some(acceptor(&key)), Some(path))
        } else {
            (None, None)
        };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime")
                .block_on(async {
                    let listener = TcpListener::from_std(listener).expect("a listener");
                    while let Ok((stream, _)) = listener.accept().await {
                        match &acceptor {
                            None => serve(stream, &artifact).await,
                            Some(acceptor) => match acceptor.accept(stream).await {
                                Ok(stream) => serve(stream, &artifact).await,
                                Err(error) => println!("{error}"),
                            },
                        }
                    }
                });
        });
        Self { address, root_ca }
    }

    fn url(&self) -> String {
        let scheme = if self.root_ca.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}/artifact", self.address)
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, artifact: &[u8]) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nETag: \"bench\"\r\nConnection: close\r\n\r\n",
        artifact.len()
    );
    let sent = async {
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(artifact).await?;
        stream.shutdown().await
    };
    if let Err(error) = sent.await {
        println!("{error}");
    }
}

fn acceptor(key: &rcgen::CertifiedKey<rcgen::KeyPair>) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = vec![key.cert.der().clone()];
    let private = rustls_pki_types::PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(certificate, private.into())
        .expect("a certificate");
    TlsAcceptor::from(Arc::new(config))
}
