//! Makes a model from the rows in which it was kept.
//!
//! Rows come table by table, in the order of [`Kind::ALL`]. A row that cannot be read, or does not fit
//! the others, ends it: a model is as it was, or there is none. What follows from the rows is worked
//! out anew, from the executions and jobs themselves.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;

use super::execution::{Execution, ExecutionId};
use super::groups::Group;
use super::job::{Job, Terms};
use super::names::{GroupName, JobId, PackageName, TemplateId, ThingName, VersionName};
use super::rows::{Kind, Once, RowError, SETTINGS};
use super::table::Noted;
use super::{Knobs, Model};

/// What a job consists of besides its own row.
const PARTS: [Kind; 3] = [Kind::Terms, Kind::Reach, Kind::Document];

/// A model on its way back.
#[derive(Debug)]
pub struct Restoration {
    model: Model,
    /// The parts of jobs that are yet to come.
    missing: BTreeSet<(JobId, Kind)>,
}

impl Model {
    /// Begins to make a model from its rows. `knobs` are not among them.
    pub fn restoration(knobs: Knobs) -> Restoration {
        Restoration {
            model: Self::new(knobs),
            missing: BTreeSet::new(),
        }
    }
}

impl Restoration {
    /// Takes in the next row.
    ///
    /// # Errors
    ///
    /// Fails if the row cannot be read, or does not fit those before it.
    pub fn row(&mut self, kind: Kind, key: &str, row: &[u8]) -> Result<(), RowError> {
        let read = match kind {
            Kind::Settings => self.settings(key, row),
            Kind::Thing => self.thing(key, row),
            Kind::Group => self.group(key, row),
            Kind::Member => self.member(key, row),
            Kind::Package => self.package(key, row),
            Kind::PackageVersion => self.package_version(key, row),
            Kind::Token => self.token(key, row),
            Kind::Template => self.template(key, row),
            Kind::Job => self.job(key, row),
            Kind::Terms => self.terms(key, row),
            Kind::Reach => self.reach(key, row),
            Kind::Document => self.document(key, row),
            Kind::Waiting => self.waiting(key, row),
            Kind::Deferred => self.deferred(key, row),
            Kind::Execution => self.execution(key, row),
            Kind::Told => self.told(key, row),
        };
        let key = key.to_owned();
        read.map_err(|fault| match fault {
            Fault::Json(source) => RowError::Unreadable { kind, key, source },
            Fault::Contradiction(reason) => RowError::Contradiction { kind, key, reason },
        })
    }

    /// The model, once every row was taken in.
    ///
    /// # Errors
    ///
    /// Fails if rows are missing that others need.
    pub fn finish(mut self) -> Result<Model, RowError> {
        if let Some((job, kind)) = self.missing.pop_first() {
            let key = job.to_string();
            return Err(RowError::Missing { kind, key });
        }
        let groups = self.model.groups.values();
        let parents: BTreeSet<_> = groups.filter_map(|group| group.parent.as_ref()).collect();
        for parent in parents {
            if !self.model.groups.contains_key(parent) {
                return Err(RowError::Missing {
                    kind: Kind::Group,
                    key: parent.to_string(),
                });
            }
        }
        self.check_defaults()?;
        let Model {
            jobs, ticks, edges, ..
        } = &mut self.model;
        for (id, job) in &*jobs {
            ticks.extend(job.rollout.next.map(|next| (next, id.clone())));
            edges.extend(job.edge.map(|edge| (edge, id.clone())));
        }
        Ok(self.model)
    }

    /// Packages are taken in before the versions that they name.
    fn check_defaults(&self) -> Result<(), RowError> {
        let catalog = &self.model.packages;
        for (package, row) in &catalog.packages {
            if let Some(version) = &row.default_version
                && catalog.version(package, version).is_none()
            {
                return Err(RowError::Missing {
                    kind: Kind::PackageVersion,
                    key: format!("{package}/{version}"),
                });
            }
        }
        Ok(())
    }

    fn settings(&mut self, key: &str, row: &[u8]) -> Result<(), Fault> {
        if key != SETTINGS {
            return Err(Fault::Contradiction("there are no such settings"));
        }
        let Once {
            made,
            events,
            packages,
        } = json(row)?;
        self.model.made = made;
        self.model.events = events.or_all(self.model.knobs.events);
        self.model.packages.configuration = packages;
        Ok(())
    }

    fn thing(&mut self, key: &str, row: &[u8]) -> Result<(), Fault> {
        let name = ThingName::parse(key).ok_or(ILLEGAL_KEY)?;
        self.model.things.insert(name, json(row)?);
        Ok(())
    }

    fn group(&mut self, key: &str, row: &[u8]) -> Result<(), Fault> {
        let name = GroupName::parse(key).ok_or(ILLEGAL_KEY)?;
        self.model.groups.insert(name, json::<Group>(row)?);
        Ok(())
    }

    fn member(&mut self, key: &str, row: &[u8]) -> Result<(), Fault> {
        let (group, thing) = key.split_once('/').ok_or(ILLEGAL_KEY)?;
        let thing = ThingName::parse(thing).ok_or(ILLEGAL_KEY)?;
        if !self.model.things.contains_key(&thing) {
            return Err(Fault::Contradiction("there is no such thing"));
        }
        let group = self.model.groups.get_mut(group);
        let group = group.ok_or(Fault::Contradiction("there is no such group"))?;
        group.members.insert(thing, json(row)?);
        Ok(())
    }

    fn package(&mut self, key: &str, row: &[u8]) -> Result<(), Fault> {
        let name = PackageName::parse(key).ok_or(ILLEGAL_KEY)?;
        self.model.packages.packages.insert(name, json(row)?);
        Ok(())
    }

    fn package_version(&mut self, key: &str, row: &[u8]) -> Result<(), Fault> {
        let (package, version) = key.split_once('/').ok_or(ILLEGAL_KEY)?;
        let package = PackageName::parse(package).ok_or(ILLEGAL_KEY)?;
        let version = VersionName::parse(version).ok_or(ILLEGAL_KEY)?;
        let catalog = &mut self.model.packages;
        if !catalog.packages.contains_key(&package) {
            return Err(Fault::Contradiction("there is no such package"));
        }
        catalog.versions.insert((package, version), json(row)?);
        Ok(())
    }

    fn token(&mut self, key: &str, row: &[u8]) -> Result<(), Fault> {
        if !key.contains('/') {
            return Err(ILLEGAL_KEY);
        }
        self.model
            .packages
            .tokens
            .restore(key.to_owned(), json(row)?);
        Ok(())
    }

    fn template(&mut self, key: &str, row: &[u8]) -> Result<(), Fault> {
        let id = TemplateId::parse(key).ok_or(ILLEGAL_KEY)?;
        self.model.templates.insert(id, json(row)?);
        Ok(())
    }

    fn job(&mut self, key: &str, row: &[u8]) -> Result<(), Fault> {
        let id = JobId::parse(key).ok_or(ILLEGAL_KEY)?;
        let job: Job = json(row)?;
        self.check_order(job.order)?;
        self.missing.extend(PARTS.map(|part| (id.clone(), part)));
        self.model.jobs.insert(id, job);
        Ok(())
    }

    fn terms(&mut self, key: &str, row: &[u8]) -> Result<(), Fault> {
        let mut terms: Terms = json(row)?;
        let schedule = terms.scheduling_config.schedule();
        terms.schedule =
            schedule.map_err(|_| Fault::Contradiction("its schedule cannot be followed"))?;
        self.part(Kind::Terms, key)?.terms = Noted::new(terms);
        Ok(())
    }

    fn reach(&mut self, key: &str, row: &[u8]) -> Result<(), Fault> {
        self.part(Kind::Reach, key)?.reach = Noted::new(json(row)?);
        Ok(())
    }

    fn document(&mut self, key: &str, row: &[u8]) -> Result<(), Fault> {
        self.part(Kind::Document, key)?.document = json::<String>(row)?.into();
        Ok(())
    }

    /// The job that a part belongs to.
    fn part(&mut self, kind: Kind, key: &str) -> Result<&mut Job, Fault> {
        let id = JobId::parse(key).ok_or(ILLEGAL_KEY)?;
        let job = self.model.jobs.get_mut(&id).ok_or(NO_JOB)?;
        self.missing.remove(&(id, kind));
        Ok(job)
    }

    fn waiting(&mut self, key: &str, row: &[u8]) -> Result<(), Fault> {
        let (job, thing) = self.awaiting(key)?;
        job.rollout.waiting.insert(thing, json(row)?);
        Ok(())
    }

    fn deferred(&mut self, key: &str, row: &[u8]) -> Result<(), Fault> {
        let (job, thing) = self.awaiting(key)?;
        job.deferred.insert(thing, json(row)?);
        Ok(())
    }

    /// A thing that waits for its execution, and the job of that.
    fn awaiting(&mut self, key: &str) -> Result<(&mut Job, ThingName), Fault> {
        let (job, thing) = key.split_once('/').ok_or(ILLEGAL_KEY)?;
        let thing = ThingName::parse(thing).ok_or(ILLEGAL_KEY)?;
        Ok((self.model.jobs.get_mut(job).ok_or(NO_JOB)?, thing))
    }

    fn execution(&mut self, key: &str, row: &[u8]) -> Result<(), Fault> {
        let mut names = key.splitn(3, '/');
        let mut next = || names.next().ok_or(ILLEGAL_KEY);
        let (job, thing, number) = (next()?, next()?, next()?);
        let id = ExecutionId {
            thing: ThingName::parse(thing).ok_or(ILLEGAL_KEY)?,
            job: JobId::parse(job).ok_or(ILLEGAL_KEY)?,
            number: number.parse().map_err(|_| ILLEGAL_KEY)?,
        };
        let execution: Execution = json(row)?;
        self.check_order(execution.order)?;
        self.model.line_up(&id, None, Some(execution.status));
        if let Some(deadline) = execution.deadline() {
            self.model.deadlines.insert((deadline, id.clone()));
        }
        let job = self.model.jobs.get_mut(&id.job).ok_or(NO_JOB)?;
        job.replace(&id, Some(execution));
        Ok(())
    }

    fn told(&mut self, key: &str, row: &[u8]) -> Result<(), Fault> {
        let name = ThingName::parse(key).ok_or(ILLEGAL_KEY)?;
        self.model.told.insert(name, json(row)?);
        Ok(())
    }

    /// What is made later than everything would be taken for something else.
    fn check_order(&self, order: u64) -> Result<(), Fault> {
        if order <= self.model.made {
            return Ok(());
        }
        Err(Fault::Contradiction("it is newer than the newest"))
    }
}

const ILLEGAL_KEY: Fault = Fault::Contradiction("its key is not a legal one");
const NO_JOB: Fault = Fault::Contradiction("there is no such job");

/// What is wrong with a row.
enum Fault {
    Contradiction(&'static str),
    Json(serde_json::Error),
}

fn json<T: DeserializeOwned>(row: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(row).map_err(Fault::Json)
}
