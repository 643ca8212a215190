//! Downloads an artifact: ranged, resumed across links and restarts, hashed on the fly, its URL renewed when it has expired.
//!
//! A download has two halves that run at the same time on the caller's task: [`transfer`] reads from the network, [`store`] hashes
//! and writes. It never sends a credential of the device to a download host, never logs, and holds back no byte: what is not
//! verified is in a place that nobody uses. Dropping the future ends it at any moment; the next one goes on from the last
//! checkpoint.
//!
//! ```text
//! Fetcher::fetch(order, sink, watch)
//!   ├─ transfer ── blocks ──▶ store ──▶ sink (file or spare slot) + resume file
//!   └─ watch: progress, fresh URLs
//! ```

mod answer;
mod error;
mod http;
mod pace;
mod resume;
mod sink;
mod store;
mod tally;
#[cfg(test)]
mod tests;
mod tls;
mod transfer;
mod url;

use core::time::Duration;
use std::path::PathBuf;

use iot_jobs_handler::{Downloaded, Failure};
use iot_jobs_proto::backoff::SplitMix64;
use tokio::sync::mpsc;
use tokio::time::timeout;

pub(crate) use error::FetchError;
pub(crate) use pace::Pace;
pub(crate) use sink::{FileSink, Sink, SlotSink};
pub(crate) use url::Url;

use resume::Identity;
use store::Store;
use tally::Tally;
use tls::Trust;
use transfer::Transfer;

/// What to download, and from where.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// Where it is, for the time being.
    pub(crate) url: Url,
    /// Bytes that the document promises.
    pub(crate) size: Option<u64>,
    /// Most bytes to take when the document promises none.
    pub(crate) size_max: u64,
    /// The digest that the document promises.
    pub(crate) sha256: [u8; 32],
    /// How long the job may still run.
    pub(crate) left: Option<Duration>,
}

/// Whoever waits for a download.
pub(crate) trait Watch {
    /// Asks for the artifact's URL anew: the job is described again, which signs a fresh one.
    async fn renew(&self) -> Result<Url, Failure>;

    /// Says how many bytes are there. Called often.
    fn progress(&self, bytes: u64, total: Option<u64>);
}

/// Where a download begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beginning {
    /// At the first byte, whatever is there.
    Afresh,
    /// Where an earlier run ended, if there was one.
    Resume,
}

/// Downloads artifacts.
#[derive(Debug)]
pub(crate) struct Fetcher {
    /// A file with more roots, besides the system's.
    pub(crate) root_ca: Option<PathBuf>,
    /// Whether `http` is taken.
    pub(crate) allow_http: bool,
    /// How patient to be.
    pub(crate) pace: Pace,
}

impl Fetcher {
    /// Downloads as configured.
    pub(crate) fn new(config: &iot_jobs_config::Download) -> Self {
        Self {
            root_ca: config.root_ca.clone(),
            allow_http: config.allow_http,
            pace: Pace::new(config.stall_timeout),
        }
    }

    /// Downloads into `sink`; `seed` spreads the waits of a fleet.
    ///
    /// Returns once every promised byte is durable and the digest is the promised one.
    pub(crate) async fn fetch<S: Sink>(
        &self,
        order: &Order,
        sink: &mut S,
        watch: &impl Watch,
        seed: u64,
    ) -> Result<Downloaded, FetchError> {
        let work = async {
            let tally = Tally::default();
            let mut ended = self
                .run(order, sink, watch, seed, &tally, Beginning::Resume)
                .await;
            if let Err((FetchError::Digest { .. }, Beginning::Resume)) = &ended {
                // Bytes of an earlier run may be to blame: once, nothing of it is used.
                ended = self
                    .run(order, sink, watch, seed, &tally, Beginning::Afresh)
                    .await;
            }
            match ended {
                Ok(bytes) => Ok(Downloaded {
                    bytes,
                    refetched: tally.refetched(),
                }),
                Err((error, _)) => {
                    if matches!(error, FetchError::Digest { .. } | FetchError::Size { .. }) {
                        sink.discard()
                            .await
                            .map_err(FetchError::storage("drop the part"))?;
                    }
                    Err(error)
                }
            }
        };
        match order.left {
            None => work.await,
            Some(left) => timeout(left, work)
                .await
                .map_err(|_| FetchError::Deadline)?,
        }
    }

    /// Fetches once; an error comes with whether bytes of an earlier run were used.
    async fn run<S: Sink>(
        &self,
        order: &Order,
        sink: &mut S,
        watch: &impl Watch,
        seed: u64,
        tally: &Tally,
        beginning: Beginning,
    ) -> Result<u64, (FetchError, Beginning)> {
        let identity = Identity {
            sha256: store::hex(&order.sha256),
            size: order.size,
            path: order.url.path().to_owned(),
        };
        let read = |at| watch.progress(at, order.size);
        let store = Store::open(sink, &self.pace, tally, identity, beginning, read)
            .await
            .map_err(|error| (error, Beginning::Afresh))?;
        let begun = if store.at() > 0 {
            Beginning::Resume
        } else {
            Beginning::Afresh
        };
        self.complete(order, store, watch, seed, tally)
            .await
            .map_err(|error| (error, begun))
    }

    /// Fetches what is missing and checks the whole.
    async fn complete<S: Sink>(
        &self,
        order: &Order,
        mut store: Store<'_, S>,
        watch: &impl Watch,
        seed: u64,
        tally: &Tally,
    ) -> Result<u64, FetchError> {
        store.check_room(order.size).await?;
        if !store.is_whole() {
            let (messages, inbox) = mpsc::channel(pace::QUEUE_LEN);
            let transfer = Transfer {
                order,
                url: order.url.clone(),
                allow_http: self.allow_http,
                trust: Trust::new(self.root_ca.clone()),
                pace: &self.pace,
                watch,
                random: SplitMix64::new(seed),
                messages,
                at: store.at(),
                total: store.resume().total,
                validator: store.resume().validator.clone(),
                tally,
            };
            // The reading half's own error waits until what it handed over is durable.
            let reading = async { Ok(transfer.run().await) };
            let writing = store.take(inbox, |at, total| watch.progress(at, total));
            let (read, written) = tokio::try_join!(reading, writing)?;
            read?;
            store = written;
        }
        store.finish(&order.sha256).await
    }
}
