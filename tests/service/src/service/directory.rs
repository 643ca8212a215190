//! The directory of a service: kept with what is in it, or gone with the service.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::StartError;
use crate::artifacts::Artifacts;
use crate::clock::{Asked, Clock};
use crate::model::{Knobs, Model};
use crate::pki::PkiError;
use crate::store::{self, Store};

const OBJECTS_DIRECTORY: &str = "objects";
const OWNER_ONLY: u32 = 0o700;

/// The directory of the service.
#[derive(Debug)]
pub(super) enum Directory {
    Kept(PathBuf),
    Temporary(PathBuf),
}

impl Directory {
    pub(super) fn open(kept: Option<PathBuf>) -> Result<Self, StartError> {
        let directory = match kept {
            Some(path) => Self::Kept(path),
            None => Self::Temporary(
                std::env::temp_dir().join(format!("iot-jobs-local-{}", Uuid::new_v4())),
            ),
        };
        // The authority's key is in there.
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(OWNER_ONLY)
            .create(directory.path());
        made.map_err(|source| StartError::Data {
            path: directory.path().to_owned(),
            source,
        })?;
        Ok(directory)
    }

    /// The file with the state, where it is kept.
    pub(super) fn store(&self) -> Result<Option<Arc<Store>>, StartError> {
        match self {
            Self::Kept(path) => {
                let path = store::path(path);
                let store = Store::open(&path);
                let store = store.map_err(|source| StartError::Store { path, source })?;
                Ok(Some(Arc::new(store)))
            }
            Self::Temporary(_) => Ok(None),
        }
    }

    /// What `store` holds, with `clock` set as it would be had the service run on, but for what is `asked` of it.
    pub(super) fn load(
        &self,
        store: Option<&Store>,
        knobs: Knobs,
        clock: &Clock,
        asked: Asked,
    ) -> Result<Model, StartError> {
        let Some(store) = store else {
            return Ok(Model::new(knobs));
        };
        let loaded = store.load(knobs);
        let (model, stamp) = loaded.map_err(|source| StartError::Store {
            path: store::path(self.path()),
            source,
        })?;
        if let Some(stamp) = stamp {
            clock.set_by_and(stamp, asked);
            let now = clock.now();
            if asked.frozen_at.is_some_and(|at| at < now) {
                tracing::warn!(
                    now = now.as_secs(),
                    "the clock stands at the time that was kept, as it never goes back"
                );
            }
        }
        let (things, jobs) = (model.thing_count(), model.job_count());
        tracing::info!(
            things,
            jobs,
            now = clock.now().as_secs(),
            "loaded the state"
        );
        Ok(model)
    }

    /// The buckets and objects, which are kept if there is a `store`.
    pub(super) fn artifacts(
        &self,
        store: Option<&Arc<Store>>,
        origin: &str,
        region: &str,
    ) -> Result<Artifacts, StartError> {
        let path = self.path().join(OBJECTS_DIRECTORY);
        let artifacts = match store {
            Some(store) => Artifacts::keeping(&path, origin, region, Arc::clone(store)),
            None => Artifacts::open(&path, origin, region),
        };
        artifacts.map_err(|source| StartError::Data { path, source })
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Kept(path) | Self::Temporary(path) => path,
        }
    }

    pub(super) fn pki_error(&self, source: PkiError) -> StartError {
        StartError::Pki {
            path: self.path().to_owned(),
            source,
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Self::Temporary(path) = self
            && let Err(error) = fs::remove_dir_all(&path)
        {
            tracing::warn!(path = %path.display(), %error, "could not remove the temporary directory");
        }
    }
}

/// Closes the file with the state, whatever task still holds it.
#[derive(Debug)]
pub(super) struct Opened(pub(super) Option<Arc<Store>>);

impl Drop for Opened {
    fn drop(&mut self) {
        if let Some(store) = &self.0 {
            store.close();
        }
    }
}
