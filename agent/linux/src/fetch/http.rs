//! One request to a download host and the reading of its answer's head.
//!
//! It never sends more than a `GET` of the presigned URL: no `Authorization`, no cookie, no client certificate, no
//! `Accept-Encoding`. What an answer means is decided by [`Answer::read`].

use core::time::Duration;
use std::io;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::answer::Answer;
use super::pace::Pace;
use super::resume::Validator;
use super::tls;
use super::url::Url;

/// Most bytes of an answer's head, and of one read.
const BUFFER_LEN_MAX: usize = 256 * 1024;
/// Most header lines of an answer.
const HEADERS_MAX: usize = 100;
/// Most addresses of a host that are tried.
const ADDRESSES_MAX: usize = 8;
/// Most bytes of an error's body that are looked at.
const ERROR_BODY_LEN_MAX: usize = 4 * 1024;
/// Longest time that an error's body is waited for in all.
const ERROR_BODY_WITHIN: Duration = Duration::from_secs(5);
/// Most bytes of an S3 error code; real ones have about 20.
const ERROR_CODE_LEN_MAX: usize = 48;

/// Why a connection brought nothing. Another attempt may.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// The host's certificate is not trusted.
    #[error("the certificate of {host} is not trusted: {source}")]
    Certificate {
        /// The host.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// The server has another artifact than the one that the first bytes are from.
    #[error("the artifact has changed on the server")]
    Changed,
    /// No address of the host takes a connection.
    #[error("cannot connect to {host} port {port}: {source}")]
    Connect {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// What the last address said.
        source: io::Error,
    },
    /// The body ended before the bytes that its head announced.
    #[error("the connection was lost after {bytes} bytes")]
    Cut {
        /// Bytes of the artifact so far.
        bytes: u64,
    },
    /// The name has no address.
    #[error("cannot resolve {host}: {source}")]
    Dns {
        /// The host.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// What arrived is not HTTP, or the connection was lost before the head was there.
    #[error("no valid answer from {host}: {source}")]
    Http {
        /// The host.
        host: String,
        /// Why.
        source: hyper::Error,
    },
    /// The answer contradicts the request or itself.
    #[error("{0}")]
    Nonsense(&'static str),
    /// The server says that it cannot answer now.
    #[error("the server answered {0}")]
    Refused(Refusal),
    /// No byte for as long as the configuration allows.
    #[error("no byte for {} s", .0.as_secs_f32())]
    Stalled(Duration),
    /// TLS could not be agreed on.
    #[error("no TLS with {host}: {source}")]
    Tls {
        /// The host.
        host: String,
        /// Why.
        source: io::Error,
    },
}

/// An error status, with the code in the body that S3 explains it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The status.
    pub(super) status: u16,
    /// S3's error code, letters only.
    pub(super) code: Option<String>,
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match &self.code {
            Some(code) => write!(f, "{} ({code})", self.status),
            None => write!(f, "{}", self.status),
        }
    }
}

/// The part of the artifact that is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    /// The first byte that is missing.
    pub(super) from: u64,
    /// The version that the bytes before it are from.
    pub(super) validator: Option<&'a Validator>,
}

/// An answer's body, together with the connection that it comes from.
#[derive(Debug)]
pub(super) struct Body {
    incoming: Incoming,
    stall: Duration,
    _connection: JoinSet<()>,
}

impl Body {
    /// The next bytes; `None` at the body's end. An early end is an error.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            let frame = timeout(self.stall, self.incoming.frame())
                .await
                .map_err(|_| BodyError::Stalled(self.stall))?;
            match frame {
                None => return Ok(None),
                Some(Err(_)) => return Err(BodyError::Cut),
                // Trailers say nothing that a download needs.
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }

    /// The code in an S3 error body: `<Error><Code>AccessDenied</Code>…`. Hostile text: letters and digits only.
    async fn error_code(&mut self) -> Option<String> {
        let within = ERROR_BODY_WITHIN.min(self.stall);
        let mut text = Vec::new();
        let read = async {
            while text.len() < ERROR_BODY_LEN_MAX {
                match self.next().await {
                    Ok(Some(bytes)) => text.extend(bytes.into_iter().take(ERROR_BODY_LEN_MAX)),
                    Ok(None) | Err(_) => break,
                }
            }
        };
        // A body that trickles must not hold up what the status says; what came by then is looked at.
        let _ = timeout(within, read).await;
        let text = String::from_utf8_lossy(&text);
        let (_, rest) = text.split_once("<Code>")?;
        let (code, _) = rest.split_once("</Code>")?;
        let plain = (1..=ERROR_CODE_LEN_MAX).contains(&code.len())
            && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
        plain.then(|| code.to_owned())
    }
}

/// Why a body ended early.
#[derive(Debug, Clone, Copy)]
pub(super) enum BodyError {
    /// The connection was lost.
    Cut,
    /// Nothing arrived for this long.
    Stalled(Duration),
}

/// A status that is no success, and its explanation.
#[derive(Debug)]
pub(super) struct Reply {
    /// What it means.
    pub(super) answer: Answer,
    /// Status and S3 code.
    pub(super) refusal: Refusal,
    /// The body of a success.
    pub(super) body: Body,
}

/// Sends one request, encrypted if `tls` says how, and reads the answer's head.
pub(super) async fn get(
    url: &Url,
    ask: Ask<'_>,
    tls: Option<&Arc<ClientConfig>>,
    pace: &Pace,
) -> Result<Reply, LinkError> {
    let host = url.host().to_owned();
    let stream = connect(url, pace).await?;
    let response = match tls {
        None => exchange(stream, url, ask, pace).await,
        Some(config) => {
            let stream = encrypt(stream, url, config, pace).await?;
            exchange(stream, url, ask, pace).await
        }
    };
    let (response, connection) = response.map_err(|error| match error {
        Some(source) => LinkError::Http { host, source },
        None => LinkError::Stalled(pace.stall),
    })?;

    let (head, incoming) = response.into_parts();
    let mut answer = Answer::read(head.status, &head.headers, ask.from);
    let mut body = Body {
        incoming,
        stall: pace.stall,
        _connection: connection,
    };
    let code = if head.status.is_client_error() || head.status.is_server_error() {
        body.error_code().await
    } else {
        None
    };
    // S3 answers 400, not 403, when the session that signed the URL has ended (S3 API reference, "Error responses").
    if head.status == StatusCode::BAD_REQUEST && code.as_deref() == Some("ExpiredToken") {
        answer = Answer::Expired;
    }
    Ok(Reply {
        answer,
        refusal: Refusal {
            status: head.status.as_u16(),
            code,
        },
        body,
    })
}

async fn connect(url: &Url, pace: &Pace) -> Result<TcpStream, LinkError> {
    let (host, port) = (url.host(), url.port());
    let addresses = timeout(pace.connect, tokio::net::lookup_host((host, port)))
        .await
        .map_err(io::Error::from)
        .flatten()
        .map_err(|source| LinkError::Dns {
            host: host.to_owned(),
            source,
        })?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses.take(ADDRESSES_MAX) {
        match timeout(pace.connect, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(elapsed) => last = elapsed.into(),
        }
    }
    Err(LinkError::Connect {
        host: host.to_owned(),
        port,
        source: last,
    })
}

async fn encrypt(
    stream: TcpStream,
    url: &Url,
    config: &Arc<ClientConfig>,
    pace: &Pace,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, LinkError> {
    let host = || url.host().to_owned();
    let failed = |source: io::Error| {
        if tls::is_certificate_error(&source) {
            LinkError::Certificate {
                host: host(),
                source,
            }
        } else {
            LinkError::Tls {
                host: host(),
                source,
            }
        }
    };
    let name = ServerName::try_from(host())
        .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
    timeout(
        pace.connect,
        TlsConnector::from(Arc::clone(config)).connect(name, stream),
    )
    .await
    .map_err(io::Error::from)
    .flatten()
    .map_err(failed)
}

/// Sends the request; `None` when the head did not come in time.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    url: &Url,
    ask: Ask<'_>,
    pace: &Pace,
) -> Result<(Response<Incoming>, JoinSet<()>), Option<hyper::Error>> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(BUFFER_LEN_MAX)
        .max_headers(HEADERS_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(Some)?;
    let mut task = JoinSet::new();
    task.spawn(async move {
        // What went wrong is told to whoever reads the answer.
        let _ = connection.await;
    });
    let response = timeout(pace.stall, sender.send_request(request(url, ask)))
        .await
        .map_err(|_| None)?
        .map_err(Some)?;
    Ok((response, task))
}

fn request(url: &Url, ask: Ask<'_>) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    // An origin-form target of a URL that was parsed is one itself.
    *request.uri_mut() = url.secret_target().parse().unwrap_or_default();
    let headers = request.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(header::HOST, &url.authority());
    set(
        header::USER_AGENT,
        concat!("iot-jobs-agent/", env!("CARGO_PKG_VERSION")),
    );
    set(header::CONNECTION, "close");
    if ask.from > 0 {
        set(header::RANGE, &format!("bytes={}-", ask.from));
        if let Some(validator) = ask.validator {
            set(header::IF_RANGE, validator.as_str());
        }
    }
    request
}
