//! The state of the service on disk: one file of [redb](https://www.redb.org), an embedded store.
//!
//! A [`Store`] keeps rows, in a table per [`Kind`] for the model and a few of its own, and knows nothing
//! of what they say. A commit is durable when it returns and is there as a whole or not at all,
//! whatever becomes of the machine meanwhile. Only one service opens a file at a time.
//!
//! Rows are JSON, so that a service of tomorrow reads what one of today left out. What it could not
//! read has another [`FORMAT`], and a file of a newer format is refused.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::{
    Builder, Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, StorageBackend,
    TableDefinition, TableError, WriteTransaction,
};

use tokio::sync::watch;

use crate::clock::Stamp;
use crate::model::rows::{Change, Kind, RowError};
use crate::model::{Knobs, Model};

/// The format of the rows. To be raised when rows are written that the code before cannot read.
pub const FORMAT: u64 = 1;

/// Rows are read once, at the start; from there on the cache holds what a commit writes.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

const OWNER_ONLY: u32 = 0o600;

type Rows = TableDefinition<'static, &'static str, &'static [u8]>;

/// Holds the number of the format.
const META: TableDefinition<'static, &'static str, u64> = TableDefinition::new("meta");
const FORMAT_KEY: &str = "format";
const CLOCK: Rows = TableDefinition::new("clock");
const CLOCK_KEY: &str = "clock";

/// The tables of the buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shelf {
    Buckets,
    Objects,
}

impl Shelf {
    const ALL: [Self; 2] = [Self::Buckets, Self::Objects];

    const fn definition(self) -> Rows {
        match self {
            Self::Buckets => TableDefinition::new("buckets"),
            Self::Objects => TableDefinition::new("objects"),
        }
    }
}

/// Why the state cannot be read or written.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The service is ending.
    #[error("it was closed")]
    Closed,
    /// What was to be written before could not be.
    #[error("it could not be written before")]
    Failed,
    /// Another service has the file open.
    #[error("another service uses it")]
    InUse,
    /// The file was written by a newer service.
    #[error("it has format {found}, and this version reads formats up to {FORMAT}")]
    Newer {
        /// The format that it has.
        found: u64,
    },
    /// What the rows say cannot be.
    #[error(transparent)]
    Rows(#[from] RowError),
    /// The file cannot be read or written.
    #[error("{0}")]
    Storage(#[source] Box<redb::Error>),
}

impl StoreError {
    /// What its reader can do.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Closed | Self::Failed => "start the service again",
            Self::InUse => "end that one, or name another directory with --data",
            Self::Newer { .. } => {
                "run the version that wrote it or a newer one, or name another directory with --data"
            }
            Self::Rows(_) => {
                "run the version that wrote it; or move the file away, to begin without things and jobs"
            }
            Self::Storage(_) => {
                "see that the directory can be written to and the disk is not full; if the file is damaged, move it away, to begin without things and jobs"
            }
        }
    }
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        let error = error.into();
        if matches!(error, redb::Error::DatabaseAlreadyOpen) {
            return Self::InUse;
        }
        Self::Storage(Box::new(error))
    }
}

/// An open file.
#[derive(Debug)]
pub struct Store {
    /// `None` once closed.
    database: Mutex<Option<Database>>,
    failed: watch::Sender<bool>,
}

impl Store {
    /// Opens the file at `path`, or makes it: under another name first, so that one that is there is
    /// always whole.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or written, is in use, or has a newer format.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.try_exists()? {
            let half = path.with_extension("new");
            match fs::remove_file(&half) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                Ok(()) | Err(_) => {}
            }
            // Documents of jobs are nobody else's to read.
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(OWNER_ONLY);
            drop(options.open(&half)?);
            drop(Self::checked(builder().create(&half))?);
            fs::rename(&half, path)?;
            if let Some(directory) = path.parent() {
                File::open(directory)?.sync_all()?;
            }
        }
        Self::checked(builder().open(path))
    }

    /// Opens what `backend` holds, for tests of what a disk may do.
    ///
    /// # Errors
    ///
    /// Fails as [`Store::open`] does.
    pub fn on(backend: impl StorageBackend) -> Result<Self, StoreError> {
        Self::checked(builder().create_with_backend(backend))
    }

    fn checked(database: Result<Database, DatabaseError>) -> Result<Self, StoreError> {
        let database = database?;
        let transaction = database.begin_write()?;
        let mut meta = transaction.open_table(META)?;
        let found = meta.get(FORMAT_KEY)?.map(|found| found.value());
        match found {
            Some(found) if found > FORMAT => return Err(StoreError::Newer { found }),
            Some(_) => {}
            None => drop(meta.insert(FORMAT_KEY, FORMAT)?),
        }
        drop(meta);
        match found {
            Some(_) => transaction.abort()?,
            None => transaction.commit()?,
        }
        Ok(Self {
            database: Mutex::new(Some(database)),
            failed: watch::Sender::new(false),
        })
    }

    /// Closes the file, whoever still holds the store; nothing can be kept from here on.
    pub fn close(&self) {
        self.database().take();
    }

    /// The model as it was kept, recording what changes from now on, and what its clock showed.
    ///
    /// # Errors
    ///
    /// Fails if rows cannot be read, or do not fit together.
    pub fn load(&self, knobs: Knobs) -> Result<(Model, Option<Stamp>), StoreError> {
        let mut restoration = Model::restoration(knobs);
        for kind in Kind::ALL {
            self.each(definition(kind), |key, row| restoration.row(kind, key, row))?;
        }
        let mut model = restoration.finish()?;
        model.record();
        let mut stamp = None;
        self.each(CLOCK, |_, row| {
            // A clock that cannot be read is set anew.
            stamp = serde_json::from_slice(row).ok();
            Ok(())
        })?;
        Ok((model, stamp))
    }

    /// Makes `changes` durable, with the time at which they were made.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written. Whether the changes are then in it is unknown.
    pub fn commit(&self, changes: &[Change], clock: Stamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            for run in changes.chunk_by(|one, next| kind(one) == kind(next)) {
                match run.first().map(kind) {
                    Some(Some(kind)) => write(transaction, definition(kind), run)?,
                    Some(None) => clear(transaction)?,
                    None => {}
                }
            }
            if let Ok(row) = serde_json::to_vec(&clock) {
                transaction
                    .open_table(CLOCK)?
                    .insert(CLOCK_KEY, row.as_slice())?;
            }
            Ok(())
        })
    }

    /// Makes a row of the buckets durable, or its end.
    pub(crate) fn shelve(
        &self,
        shelf: Shelf,
        key: &str,
        row: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            let mut table = transaction.open_table(shelf.definition())?;
            match row {
                Some(row) => drop(table.insert(key, row)?),
                None => drop(table.remove(key)?),
            }
            Ok(())
        })
    }

    /// Forgets every bucket and object.
    pub(crate) fn clear_shelves(&self) -> Result<(), StoreError> {
        self.write(|transaction| {
            for shelf in Shelf::ALL {
                transaction.delete_table(shelf.definition())?;
            }
            Ok(())
        })
    }

    /// The rows of the buckets.
    pub(crate) fn shelved(&self, shelf: Shelf) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let mut rows = Vec::new();
        self.each(shelf.definition(), |key, row| {
            rows.push((key.to_owned(), row.to_vec()));
            Ok(())
        })?;
        Ok(rows)
    }

    /// Whether something could not be written. Nothing is from then on: whether the last commit is
    /// in the file is unknown, so what follows could not be told from it.
    pub fn has_failed(&self) -> bool {
        *self.failed.borrow()
    }

    /// Waits until something cannot be written.
    pub async fn failed(&self) {
        let mut failed = self.failed.subscribe();
        if failed.wait_for(|failed| *failed).await.is_err() {
            core::future::pending().await
        }
    }

    /// Takes note that something cannot be written.
    pub(crate) fn fail(&self, error: &StoreError) {
        tracing::error!(%error, "cannot keep the state on disk; nothing is answered from here on");
        self.failed.send_replace(true);
    }

    /// One transaction, durable at the end.
    fn write(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let database = self.database();
        let database = database.as_ref().ok_or(StoreError::Closed)?;
        if self.has_failed() {
            return Err(StoreError::Failed);
        }
        let written = || {
            let transaction = database.begin_write()?;
            change(&transaction)?;
            Ok(transaction.commit()?)
        };
        written().inspect_err(|error| self.fail(error))
    }

    /// Hands every row of a table to `take`, in the order of the keys.
    fn each(
        &self,
        table: Rows,
        mut take: impl FnMut(&str, &[u8]) -> Result<(), RowError>,
    ) -> Result<(), StoreError> {
        let database = self.database();
        let database = database.as_ref().ok_or(StoreError::Closed)?;
        let transaction = database.begin_read()?;
        let table = match transaction.open_table(table) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(()),
            table => table?,
        };
        for row in table.iter()? {
            let (key, row) = row?;
            take(key.value(), row.value())?;
        }
        Ok(())
    }

    fn database(&self) -> MutexGuard<'_, Option<Database>> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Where the state is in the service's directory.
pub(crate) fn path(directory: &Path) -> PathBuf {
    directory.join("state.redb")
}

fn definition(kind: Kind) -> Rows {
    TableDefinition::new(kind.as_str())
}

fn kind(change: &Change) -> Option<Kind> {
    match change {
        Change::Clear => None,
        Change::Delete { kind, .. }
        | Change::DeleteBelow { kind, .. }
        | Change::Put { kind, .. } => Some(*kind),
    }
}

/// Makes changes to one table.
fn write(
    transaction: &WriteTransaction,
    table: Rows,
    changes: &[Change],
) -> Result<(), StoreError> {
    let mut table = transaction.open_table(table)?;
    for change in changes {
        match change {
            Change::Clear => {}
            Change::Delete { key, .. } => drop(table.remove(key.as_str())?),
            Change::DeleteBelow { parent, .. } => {
                // `0` follows `/`.
                let (first, end) = (format!("{parent}/"), format!("{parent}0"));
                table.retain_in(first.as_str()..end.as_str(), |_, _| false)?;
            }
            Change::Put { key, row, .. } => drop(table.insert(key.as_str(), row.as_slice())?),
        }
    }
    Ok(())
}

fn clear(transaction: &WriteTransaction) -> Result<(), StoreError> {
    for kind in Kind::ALL {
        transaction.delete_table(definition(kind))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
