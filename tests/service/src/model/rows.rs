//! The rows in which a model is kept: what of it changed, row by row.
//!
//! [`Model::record`] begins, [`Model::take_changes`] hands over the rows that were touched since the
//! last call, so that a change of one execution is a handful of small rows however large the job is.
//! What follows from the rows (queues, counts, deadlines) is in none; [`Model::restoration`] makes a
//! model from its rows again.
//!
//! To keep another table: make it a `Table` of the model, implement `Record` for its rows (empty, unless
//! there are tables inside), add its [`Kind`] before those that need it to be read, hand its rows over
//! in [`Model::take_changes`], record it as the others in [`Model::record`], and take its rows back in
//! `restore.rs`. Rows are JSON, so that a member with `serde(default)` can be added to what others
//! wrote before.

use core::mem;

use serde::{Deserialize, Serialize};

use super::Model;
use super::events::EventTypes;
use super::job::Job;
use super::names::JobId;
use super::packages::Packages;
use super::request::VersionUpdateByJobsConfig;
use super::table::{Record, Table, Touch};

pub use super::restore::Restoration;

/// The key of the one row of [`Kind::Settings`].
pub(super) const SETTINGS: &str = "model";

/// What a row is about, and the table it belongs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// What is there once.
    Settings,
    /// A thing.
    Thing,
    /// A group, without its members.
    Group,
    /// A thing in a group.
    Member,
    /// A software package.
    Package,
    /// A version of a software package.
    PackageVersion,
    /// A client token, and the request that it was used for.
    Token,
    /// A job template.
    Template,
    /// What changes of a job as it runs.
    Job,
    /// What its maker asked of a job.
    Terms,
    /// What the targets of a job stand for.
    Reach,
    /// The document of a job.
    Document,
    /// A thing that a job has yet to reach.
    Waiting,
    /// A thing that gets an execution when its job opens next.
    Deferred,
    /// An execution.
    Execution,
    /// What a thing was told to be next.
    Told,
}

impl Kind {
    /// Every kind, in the order in which a [`Restoration`] takes rows.
    pub const ALL: [Self; 16] = [
        Self::Settings,
        Self::Thing,
        Self::Group,
        Self::Member,
        Self::Package,
        Self::PackageVersion,
        Self::Token,
        Self::Template,
        Self::Job,
        Self::Terms,
        Self::Reach,
        Self::Document,
        Self::Waiting,
        Self::Deferred,
        Self::Execution,
        Self::Told,
    ];

    /// The name of the kind's table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deferred => "deferred",
            Self::Document => "documents",
            Self::Execution => "executions",
            Self::Group => "groups",
            Self::Job => "jobs",
            Self::Member => "members",
            Self::Package => "packages",
            Self::PackageVersion => "package_versions",
            Self::Reach => "reaches",
            Self::Settings => "settings",
            Self::Template => "templates",
            Self::Terms => "terms",
            Self::Thing => "things",
            Self::Token => "tokens",
            Self::Told => "told",
            Self::Waiting => "waiting",
        }
    }
}

/// What became of rows. Changes are made in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// There is no row any more.
    Clear,
    /// A row is gone, if it was there.
    Delete {
        /// Its table.
        kind: Kind,
        /// Its name there.
        key: String,
    },
    /// Every row is gone whose key begins with `parent` and a `/`.
    DeleteBelow {
        /// Their table.
        kind: Kind,
        /// What they belonged to.
        parent: String,
    },
    /// A row is new, or another one.
    Put {
        /// Its table.
        kind: Kind,
        /// Its name there.
        key: String,
        /// What it says.
        row: Vec<u8>,
    },
}

/// Why rows and a model do not fit together.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// The row says what cannot be.
    #[error("row {key:?} of {}: {reason}", kind.as_str())]
    Contradiction {
        /// Its table.
        kind: Kind,
        /// Its name there.
        key: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A row is not there that another one needs.
    #[error("row {key:?} of {} is missing", kind.as_str())]
    Missing {
        /// Its table.
        kind: Kind,
        /// Its name there.
        key: String,
    },
    /// The row cannot be read.
    #[error("row {key:?} of {}: {source}", kind.as_str())]
    Unreadable {
        /// Its table.
        kind: Kind,
        /// Its name there.
        key: String,
        /// What the JSON lacks.
        source: serde_json::Error,
    },
    /// The row cannot be written.
    #[error("row {key:?} for {}: {source}", kind.as_str())]
    Unwritable {
        /// Its table.
        kind: Kind,
        /// Its name there.
        key: String,
        /// What JSON cannot say.
        source: serde_json::Error,
    },
}

/// What is there once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Once {
    pub(super) made: u64,
    pub(super) events: EventTypes,
    /// The configuration of software packages.
    #[serde(default)]
    pub(super) packages: VersionUpdateByJobsConfig,
}

/// What whoever keeps the model knows of it besides the tables.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    /// Whether all that was kept before is to be forgotten.
    cleared: bool,
    once: Once,
}

impl Model {
    /// Notes from now on what changes. What is there now counts as kept.
    pub fn record(&mut self) {
        self.record = Some(Recorded {
            cleared: false,
            once: self.once(),
        });
        self.record_tables();
    }

    /// Notes from now on what changes, beginning with the loss of everything.
    pub(super) fn record_anew(&mut self) {
        self.record = Some(Recorded {
            cleared: true,
            once: Once::default(),
        });
        self.record_tables();
    }

    fn record_tables(&mut self) {
        self.things.record();
        self.groups.record();
        self.jobs.record();
        self.templates.record();
        self.packages.record();
        self.told.record();
    }

    /// Which rows changed since the last call, or since [`Model::record`]. Nothing is noted without
    /// that.
    ///
    /// # Errors
    ///
    /// Fails if a row cannot be written as JSON, which no legal request brings about.
    pub fn take_changes(&mut self) -> Result<Vec<Change>, RowError> {
        let once = self.once();
        let Some(recorded) = &mut self.record else {
            return Ok(Vec::new());
        };
        let mut changes = Changes::default();
        if mem::take(&mut recorded.cleared) {
            changes.list.push(Change::Clear);
        }
        if recorded.once != once {
            changes.put(Kind::Settings, SETTINGS.to_owned(), &once)?;
            recorded.once = once;
        }
        changes.flat(Kind::Thing, &mut self.things, ToString::to_string)?;
        changes.flat(Kind::Template, &mut self.templates, ToString::to_string)?;
        changes.flat(Kind::Told, &mut self.told, ToString::to_string)?;
        changes.catalog(&mut self.packages)?;
        for (name, touch) in self.groups.take_touched() {
            let key = name.to_string();
            changes.touched(Kind::Group, &key, self.groups.get(&name))?;
            let members = self.groups.inside(&name).map(|group| &mut group.members);
            changes.below(Kind::Member, &key, touch, members, ToString::to_string)?;
        }
        for (id, touch) in self.jobs.take_touched() {
            changes.job(&id, touch, self.jobs.inside(&id))?;
        }
        Ok(changes.list)
    }

    fn once(&self) -> Once {
        Once {
            made: self.made,
            events: self.events,
            packages: self.packages.configuration.clone(),
        }
    }
}

#[derive(Default)]
struct Changes {
    list: Vec<Change>,
}

impl Changes {
    fn put(
        &mut self,
        kind: Kind,
        key: String,
        row: &(impl Serialize + ?Sized),
    ) -> Result<(), RowError> {
        match serde_json::to_vec(row) {
            Ok(row) => {
                self.list.push(Change::Put { kind, key, row });
                Ok(())
            }
            Err(source) => Err(RowError::Unwritable { kind, key, source }),
        }
    }

    /// Puts a row, or deletes one that is not there any more.
    fn touched(
        &mut self,
        kind: Kind,
        key: &str,
        row: Option<&impl Serialize>,
    ) -> Result<(), RowError> {
        let key = key.to_owned();
        match row {
            Some(row) => self.put(kind, key, row),
            None => {
                self.list.push(Change::Delete { kind, key });
                Ok(())
            }
        }
    }

    /// What was touched of a table of whole rows.
    fn flat<K, V>(
        &mut self,
        kind: Kind,
        table: &mut Table<K, V>,
        name: impl Fn(&K) -> String,
    ) -> Result<(), RowError>
    where
        K: Ord + Clone,
        V: Record + Serialize,
    {
        for key in table.take_touched().into_keys() {
            self.touched(kind, &name(&key), table.get(&key))?;
        }
        Ok(())
    }

    fn catalog(&mut self, catalog: &mut Packages) -> Result<(), RowError> {
        let (packages, versions) = (&mut catalog.packages, &mut catalog.versions);
        self.flat(Kind::Package, packages, ToString::to_string)?;
        self.flat(Kind::PackageVersion, versions, |(package, version)| {
            format!("{package}/{version}")
        })?;
        self.flat(Kind::Token, &mut catalog.tokens.used, String::clone)
    }

    /// What was touched of a table inside a row that was touched itself.
    fn below<K, V>(
        &mut self,
        kind: Kind,
        parent: &str,
        touch: Touch,
        table: Option<&mut Table<K, V>>,
        name: impl Fn(&K) -> String,
    ) -> Result<(), RowError>
    where
        K: Ord + Clone,
        V: Record + Serialize,
    {
        if touch == Touch::Replaced {
            let parent = parent.to_owned();
            self.list.push(Change::DeleteBelow { kind, parent });
        }
        let Some(table) = table else {
            return Ok(());
        };
        let touched = table.take_touched();
        match touch {
            Touch::Changed => {
                for key in touched.into_keys() {
                    let row = table.get(&key);
                    self.touched(kind, &format!("{parent}/{}", name(&key)), row)?;
                }
            }
            Touch::Replaced => {
                for (key, row) in &*table {
                    self.put(kind, format!("{parent}/{}", name(key)), row)?;
                }
            }
        }
        Ok(())
    }

    fn job(&mut self, id: &JobId, touch: Touch, job: Option<&mut Job>) -> Result<(), RowError> {
        let key = id.as_str();
        self.touched(Kind::Job, key, job.as_deref())?;
        let is_new = touch == Touch::Replaced;
        let Some(job) = job else {
            for kind in [Kind::Terms, Kind::Reach, Kind::Document] {
                let key = key.to_owned();
                self.list.push(Change::Delete { kind, key });
            }
            for kind in [Kind::Waiting, Kind::Deferred, Kind::Execution] {
                let parent = key.to_owned();
                self.list.push(Change::DeleteBelow { kind, parent });
            }
            return Ok(());
        };
        if job.terms.take_touched() || is_new {
            self.put(Kind::Terms, key.to_owned(), &*job.terms)?;
        }
        if job.reach.take_touched() || is_new {
            self.put(Kind::Reach, key.to_owned(), &*job.reach)?;
        }
        if is_new {
            self.put(Kind::Document, key.to_owned(), &*job.document)?;
        }
        let waiting = Some(&mut job.rollout.waiting);
        self.below(Kind::Waiting, key, touch, waiting, ToString::to_string)?;
        let deferred = Some(&mut job.deferred);
        self.below(Kind::Deferred, key, touch, deferred, ToString::to_string)?;
        let executions = Some(&mut job.executions);
        self.below(
            Kind::Execution,
            key,
            touch,
            executions,
            |(thing, number)| format!("{thing}/{number}"),
        )
    }
}
