//! A link that can be cut: relays TCP connections on loopback to one address.

use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::wait_for;

/// Largest piece relayed at once.
const PIECE: usize = 16 * 1024;
/// Longest that a link is held still.
const STILL_MAX: Duration = Duration::from_secs(60);

/// A relay; clones share it.
#[derive(Debug, Clone)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    down: AtomicBool,
    still: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Relays to `target` from a free port on loopback.
    pub fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((core::net::Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let relay = Arc::clone(&shared);
        thread::spawn(move || {
            for device in listener.incoming().filter_map(Result::ok) {
                if relay.down.load(Ordering::SeqCst) {
                    continue;
                }
                if let Ok(service) = TcpStream::connect(target) {
                    relay.join(device, service);
                }
            }
        });
        Ok(Self { address, shared })
    }

    /// Where to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every connection; new ones are taken.
    pub fn cut(&self) {
        for stream in self
            .shared
            .streams
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain(..)
        {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Ends every connection; new ones are closed at once until [`Proxy::up`].
    pub fn down(&self) {
        self.shared.down.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// Takes new connections again.
    pub fn up(&self) {
        self.shared.down.store(false, Ordering::SeqCst);
    }

    /// Holds what is sent over every connection, which stays open, or lets it go on.
    pub fn hold(&self, still: bool) {
        self.shared.still.store(still, Ordering::SeqCst);
    }
}

impl Shared {
    fn join(self: &Arc<Self>, device: TcpStream, service: TcpStream) {
        let Ok(halves) = [&device, &service]
            .map(TcpStream::try_clone)
            .into_iter()
            .collect::<io::Result<Vec<_>>>()
        else {
            return;
        };
        if let (Ok(a), Ok(b)) = (device.try_clone(), service.try_clone()) {
            let (up, down) = (Arc::clone(self), Arc::clone(self));
            thread::spawn(move || up.pump(a, service));
            thread::spawn(move || down.pump(b, device));
        }
        self.streams
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(halves);
    }

    /// Copies until either side ends, then ends both.
    fn pump(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut piece = vec![0; PIECE];
        while let Ok(len @ 1..) = from.read(&mut piece) {
            wait_for(STILL_MAX, || {
                (!self.still.load(Ordering::SeqCst)).then_some(())
            });
            if to.write_all(piece.get(..len).unwrap_or_default()).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}
