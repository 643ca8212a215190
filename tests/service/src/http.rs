//! One port for HTTP and HTTPS: the first byte of a connection tells which.
//!
//! A TLS handshake begins with 0x16, which no HTTP method does. Requests of a client that showed a
//! certificate carry it as an extension, [`ShownCertificate`]; nobody must show one. Every step that waits for a client
//! has a bound, and so has the number of connections, so that slow clients cannot hold the service.

mod write_timeout;

use core::net::SocketAddr;
use core::time::Duration;
use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, Response};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tokio_rustls::TlsAcceptor;

use crate::pki;

use write_timeout::WriteTimeout;

/// The most connections at one time; the next one waits in the system's backlog.
pub(crate) const MAX_CONNECTIONS: usize = 2 * 1024;
const MAX_HEADERS: usize = 100;
/// The request line and its headers together.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Connections that may wait in the system's backlog.
const BACKLOG: u32 = 1024;
/// What the system buffers for a client that reads slowly. It tells of what the client took in parts of
/// that, so that more would make a slow client seem to take nothing.
const SEND_BUFFER_BYTES: u32 = 128 * 1024;
/// How long requests under way may take once the service stops.
const GRACE: Duration = Duration::from_secs(3);
/// The pause after a failed accept: descriptors may be free again by then.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const TLS_HANDSHAKE: u8 = 0x16;

/// How long the service waits for a client.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the first byte, and again for the end of the TLS handshake.
    pub handshake: Duration,
    /// For the last header of a request, counted from the end of the one before.
    pub head: Duration,
    /// For the client to take anything of an answer: not for its end, which may be far.
    pub write: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(30),
            write: Duration::from_secs(60),
        }
    }
}

/// The verified certificate that the client of a request showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownCertificate {
    /// The thing that it speaks for, if that can be the name of one.
    pub thing: Option<String>,
}

impl ShownCertificate {
    fn of(session: &ServerConnection) -> Option<Self> {
        let certificate = session.peer_certificates()?.first()?;
        Some(Self {
            thing: pki::thing_name(certificate),
        })
    }
}

/// In the extensions of an answer that is none.
#[derive(Debug, Clone, Copy)]
struct HungUp;

/// Stands for no answer: the connection ends instead.
pub fn hung_up() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(HungUp);
    response
}

/// Listens on `address` for [`serve`].
///
/// # Errors
///
/// Fails if nobody can listen there.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // As `TcpListener::bind` does: a service that starts again finds its port free.
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit it.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Answers requests on `listener` until `stop` becomes true, then lets those under way end.
pub async fn serve<H, F>(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    patience: Patience,
    stop: watch::Receiver<bool>,
    handler: H,
) where
    H: Fn(Request<Body>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    serve_within(slots, listener, tls, patience, stop, handler).await;
}

async fn serve_within<H, F>(
    slots: Arc<Semaphore>,
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    patience: Patience,
    mut stop: watch::Receiver<bool>,
    handler: H,
) where
    H: Fn(Request<Body>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let acceptor = TlsAcceptor::from(tls);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            Some(_) = connections.join_next() => continue,
            // An error means that who could stop the service is gone: then it stops.
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, slot) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                pause().await;
                continue;
            }
        };
        let (acceptor, handler, stop) = (acceptor.clone(), handler.clone(), stop.clone());
        connections.spawn(async move {
            if let Err(reason) = connection(stream, acceptor, patience, stop, handler).await {
                tracing::debug!(%reason, "connection ended early");
            }
            drop(slot);
        });
    }
    drop(listener);
    let finished = timeout(GRACE, async {
        while connections.join_next().await.is_some() {}
    });
    if finished.await.is_err() {
        connections.shutdown().await;
    }
}

/// Why a connection ended before its client wanted.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("HTTP: {0}")]
    Http(#[from] hyper::Error),
    #[error("a fault was to end it")]
    HungUp,
    #[error("I/O: {0}")]
    Io(#[from] io::Error),
    #[error("the client kept silent")]
    Silent,
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, slot))
}

async fn connection<H, F>(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    patience: Patience,
    stop: watch::Receiver<bool>,
    handler: H,
) -> Result<(), Ended>
where
    H: Fn(Request<Body>) -> F,
    F: Future<Output = Response<Body>>,
{
    let mut first = [0];
    let peeked = timeout(patience.handshake, stream.peek(&mut first));
    if peeked.await.map_err(|_| Ended::Silent)?? == 0 {
        return Ok(());
    }
    // Below TLS, whose records are taken as a whole or not at all.
    let stream = WriteTimeout::new(stream, patience.write);
    if first == [TLS_HANDSHAKE] {
        let handshake = timeout(patience.handshake, acceptor.accept(stream));
        let stream = handshake.await.map_err(|_| Ended::Silent)??;
        let shown = ShownCertificate::of(stream.get_ref().1);
        requests(stream, shown, patience, stop, handler).await
    } else {
        requests(stream, None, patience, stop, handler).await
    }
}

async fn requests<S, H, F>(
    stream: S,
    shown: Option<ShownCertificate>,
    patience: Patience,
    mut stop: watch::Receiver<bool>,
    handler: H,
) -> Result<(), Ended>
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Request<Body>) -> F,
    F: Future<Output = Response<Body>>,
{
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        if let Some(shown) = &shown {
            request.extensions_mut().insert(shown.clone());
        }
        let response = handler(request);
        async {
            let response = response.await;
            match response.extensions().get::<HungUp>() {
                Some(HungUp) => Err(Ended::HungUp),
                None => Ok(response),
            }
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = core::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return Ok(ended?),
        _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    Ok(connection.await?)
}

async fn pause() {
    let mut pause = interval(ACCEPT_PAUSE);
    // The first tick comes at once.
    pause.tick().await;
    pause.tick().await;
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::TlsConnector;
    use tokio_rustls::client::TlsStream;

    use super::*;
    use crate::pki::Pki;
    use crate::pki::testing::client_config;

    const GET: &[u8] = b"GET /path HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

    const FLOOD_ME: &[u8] = b"GET /flood HTTP/1.1\r\nhost: localhost\r\n\r\n";

    const GET_AND_STAY: &[u8] = b"GET /path HTTP/1.1\r\nhost: localhost\r\n\r\n";

    /// More than the system buffers for a client.
    const FLOOD: usize = 64 << 20;

    struct Running {
        address: SocketAddr,
        pki: Pki,
        stop: watch::Sender<bool>,
        server: tokio::task::JoinHandle<()>,
    }

    impl Running {
        async fn open_tls(&self, thing: Option<&str>) -> TlsStream<TcpStream> {
            let config = client_config(&self.pki, thing);
            let stream = TcpStream::connect(self.address).await.unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            let connector = TlsConnector::from(Arc::new(config));
            connector.connect(name, stream).await.unwrap()
        }
    }

    async fn start() -> Running {
        start_with(Patience::default()).await
    }

    /// A server that answers with the path that was asked for, and the thing that did, or with a [`FLOOD`].
    async fn start_with(patience: Patience) -> Running {
        start_within(MAX_CONNECTIONS, patience).await
    }

    async fn start_within(connections: usize, patience: Patience) -> Running {
        let slots = Arc::new(Semaphore::new(connections));
        let listener = listen(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let pki = Pki::create().unwrap();
        let tls = pki.https_server_config().unwrap();
        let (stop, stopped) = watch::channel(false);
        let echo = |request: Request<Body>| async move {
            let shown = request.extensions().get::<ShownCertificate>();
            let thing = shown.map(|shown| format!(" of {}", shown.thing.as_deref().unwrap()));
            let path = request.uri().path();
            if path == "/flood" {
                return Response::new(Body::from(vec![0; FLOOD]));
            }
            Response::new(Body::from(format!("{path}{}", thing.unwrap_or_default())))
        };
        let serving = serve_within(slots, listener, tls, patience, stopped, echo);
        let server = tokio::spawn(serving);
        Running {
            address,
            pki,
            stop,
            server,
        }
    }

    async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> String {
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn plain_requests_are_answered() {
        let running = start().await;
        let stream = TcpStream::connect(running.address).await.unwrap();
        assert!(exchange(stream, GET).await.ends_with("\r\n\r\n/path"));
    }

    #[tokio::test]
    async fn the_same_port_speaks_tls() {
        let running = start().await;
        let stream = running.open_tls(None).await;
        assert!(exchange(stream, GET).await.ends_with("\r\n\r\n/path"));
    }

    #[tokio::test]
    async fn requests_carry_the_certificate_that_the_client_showed() {
        let running = start().await;
        let stream = running.open_tls(Some("gw-1")).await;
        let answer = exchange(stream, GET).await;
        assert!(answer.ends_with("\r\n\r\n/path of gw-1"), "{answer}");
    }

    #[tokio::test]
    async fn a_head_that_never_ends_is_refused() {
        let running = start().await;
        let mut request = b"GET / HTTP/1.1\r\nhost: localhost\r\nx: ".to_vec();
        request.resize(2 * MAX_HEAD_BYTES, b'a');
        let stream = TcpStream::connect(running.address).await.unwrap();
        assert!(exchange(stream, &request).await.starts_with("HTTP/1.1 431"));
    }

    #[tokio::test]
    async fn a_client_that_does_not_go_on_is_dropped() {
        let moment = Duration::from_millis(20);
        let patience = Patience {
            handshake: moment,
            head: moment,
            write: moment,
        };
        let running = start_with(patience).await;
        // Nothing, a piece of a TLS handshake, a piece of a head, and a request that none follows.
        for begun in [
            b"".as_slice(),
            b"\x16\x03",
            b"GET / HT",
            b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        ] {
            let stream = TcpStream::connect(running.address).await.unwrap();
            exchange(stream, begun).await;
        }
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_its_answer_gives_its_place_to_another() {
        let patience = Patience {
            write: Duration::from_millis(20),
            ..Patience::default()
        };
        let running = start_within(1, patience).await;
        let mut plain = TcpStream::connect(running.address).await.unwrap();
        plain.write_all(FLOOD_ME).await.unwrap();
        let mut encrypted = running.open_tls(None).await;
        encrypted.write_all(FLOOD_ME).await.unwrap();
        let third = TcpStream::connect(running.address).await.unwrap();
        assert!(exchange(third, GET).await.ends_with("\r\n\r\n/path"));
        drop((plain, encrypted));
    }

    #[tokio::test]
    async fn one_connection_too_many_waits_until_another_ends() {
        let running = start_within(1, Patience::default()).await;
        let mut first = TcpStream::connect(running.address).await.unwrap();
        first.write_all(GET_AND_STAY).await.unwrap();
        assert!(first.read(&mut [0; 256]).await.unwrap() > 0);

        let second = TcpStream::connect(running.address).await.unwrap();
        let mut second = core::pin::pin!(exchange(second, GET));
        // While the first one is answered again, the second one is not.
        first.write_all(GET_AND_STAY).await.unwrap();
        let mut answer = [0; 256];
        tokio::select! {
            biased;
            answer = second.as_mut() => panic!("answered: {answer}"),
            read = first.read(&mut answer) => assert!(read.unwrap() > 0),
        }
        drop(first);
        assert!(second.await.ends_with("\r\n\r\n/path"));
    }

    #[tokio::test]
    async fn stopping_ends_idle_connections_and_the_server() {
        let running = start().await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(GET_AND_STAY).await.unwrap();
        assert!(stream.read(&mut [0; 256]).await.unwrap() > 0);
        running.stop.send(true).unwrap();
        running.server.await.unwrap();
        assert_eq!(stream.read(&mut [0; 256]).await.unwrap(), 0);
    }
}
