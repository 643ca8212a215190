//! The embedded broker's sockets: accepts, shakes hands, and moves bytes between sockets and [`Peer`]s.
//!
//! Each connection has one task, which ends with its client. A client that does not read stops being
//! read from, and its keep-alive then ends it.

use core::future::poll_fn;
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Poll, ready};
use core::time::Duration;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::hub::SharedHub;
use super::peer::Peer;
use super::{Request, now};
use crate::pki;

/// The most connections at one time; the next one waits in the system's backlog.
pub(crate) const CONNECTION_LIMIT: usize = 16 * 1024;

/// The most requests that wait for the service, of all connections together.
const REQUEST_LIMIT: usize = 64;

const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);
const READ_SIZE: usize = 4 * 1024;

/// A broker that listens; dropping it ends its connections.
#[derive(Debug)]
pub(super) struct Embedded {
    pub(super) hub: SharedHub,
    pub(super) address: SocketAddr,
    _alive: watch::Sender<()>,
}

impl Embedded {
    /// Listens on `listen`, for so many `connections` at one time.
    pub(super) async fn start(
        listen: SocketAddr,
        tls: Arc<rustls::ServerConfig>,
        connections: usize,
    ) -> io::Result<(Self, mpsc::Receiver<Request>)> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let hub = SharedHub::default();
        let (requests, receiver) = mpsc::channel(REQUEST_LIMIT);
        let (alive, ended) = watch::channel(());
        let service = Service {
            hub: hub.clone(),
            requests,
            tls: tls.into(),
        };
        let places = Arc::new(Semaphore::new(connections));
        tokio::spawn(accept(listener, service, places, ended));
        let broker = Self {
            hub,
            address,
            _alive: alive,
        };
        Ok((broker, receiver))
    }
}

/// What every connection needs.
#[derive(Clone)]
struct Service {
    hub: SharedHub,
    requests: mpsc::Sender<Request>,
    tls: TlsAcceptor,
}

/// Accepts until the broker is dropped; the connections end with this task.
async fn accept(
    listener: TcpListener,
    service: Service,
    places: Arc<Semaphore>,
    mut ended: watch::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept_one(&listener, &places) => accepted,
            Some(_) = connections.join_next() => continue,
            _ = ended.changed() => return,
        };
        match accepted {
            Ok((stream, address, place)) => {
                let service = service.clone();
                connections.spawn(async move {
                    // A place is taken until the connection, and the will it leaves, are done with.
                    let _place = place;
                    if let Err(error) = service.serve(stream).await {
                        tracing::debug!(%address, %error, "connection failed");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                sleep_until(now() + ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
}

async fn accept_one(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    Ok((stream, address, place))
}

impl Service {
    async fn serve(self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let stream = timeout_at(now() + HANDSHAKE_WITHIN, self.tls.accept(stream)).await??;
        let thing = identity(&stream)
            .ok_or_else(|| io::Error::other("the client certificate does not name a thing"))?;

        let mut peer = Peer::new(now(), self.hub.clone(), thing);
        let outcome = self.exchange(stream, &mut peer).await;
        if let Some(will) = peer.finish(now()) {
            sleep_until(will.at).await;
            will.publish(now(), &self.hub);
        }
        outcome
    }

    async fn exchange(&self, stream: TlsStream<TcpStream>, peer: &mut Peer) -> io::Result<()> {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut is_flushed = true;
        while !peer.is_closing() {
            let wake = peer.wake();
            let deadline = peer.deadline();
            tokio::select! {
                read = read(&mut reader), if peer.wants_input() => {
                    let bytes = end_of_stream_as_empty(read)?;
                    if bytes.is_empty() {
                        return Ok(());
                    }
                    peer.receive(now(), &bytes);
                }
                pushed = push(&mut writer, peer.output()), if !is_flushed || !peer.output().is_empty() => {
                    let len = pushed?;
                    is_flushed = len == 0;
                    peer.written(now(), len);
                }
                place = self.requests.reserve(), if peer.has_request() => {
                    let place = place.map_err(io::Error::other)?;
                    if let Some(request) = peer.take_request(now()) {
                        place.send(request);
                    }
                }
                () = wake.notified() => peer.pump(now()),
                () = sleep_until(deadline.unwrap_or_else(now)), if deadline.is_some() => peer.expire(now()),
            }
        }
        // The client may be gone, or may never read this; either way it ends here.
        let goodbye = async {
            writer.write_all(peer.output()).await?;
            writer.shutdown().await
        };
        let _gone = timeout_at(now() + GOODBYE_WITHIN, goodbye).await.is_err();
        Ok(())
    }
}

/// Reads what there is. Who waits here holds no buffer: most clients are silent most of the time.
async fn read(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Bytes> {
    poll_fn(|context| {
        let mut space = [0; READ_SIZE];
        let mut space = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut *reader).poll_read(context, &mut space))?;
        Poll::Ready(Ok(Bytes::copy_from_slice(space.filled())))
    })
    .await
}

/// Writes some of the output, or flushes what was written before; then the length is zero.
async fn push(writer: &mut (impl AsyncWrite + Unpin), output: &[u8]) -> io::Result<usize> {
    if output.is_empty() {
        writer.flush().await?;
        return Ok(0);
    }
    writer.write(output).await
}

fn identity(stream: &TlsStream<TcpStream>) -> Option<String> {
    let (_, session) = stream.get_ref();
    pki::thing_name(session.peer_certificates()?.first()?)
}

/// Most MQTT clients close the socket without closing TLS first.
fn end_of_stream_as_empty(read: io::Result<Bytes>) -> io::Result<Bytes> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Bytes::new()),
        read => read,
    }
}
