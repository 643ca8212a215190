//! The versions of one object, as its bucket keeps them.
//!
//! A bucket that keeps versions adds one with each write, and hides the object behind a delete marker
//! when it is deleted. Any other bucket has one version of an object, called `null`, which a write replaces.
//! Facts: Amazon S3 user guide, "How S3 Versioning works" and "Working with delete markers".

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::store::{Content, Object};

/// The name of the one version that a bucket without versioning writes.
pub(super) const NULL: &str = "null";

/// Whether a bucket keeps the versions of its objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) enum Versioning {
    /// It does.
    Enabled,
    /// It never did.
    #[default]
    Never,
    /// It did.
    Suspended,
}

/// One version of an object.
#[derive(Debug, Clone)]
pub(super) struct Revision {
    pub(super) id: String,
    /// Grows from each version of an object to the next.
    pub(super) order: u64,
    pub(super) modified: u64,
    /// None in a delete marker.
    pub(super) object: Option<Object>,
}

/// What a deletion did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Deleted {
    /// The version that was deleted, or the marker that was made; none if the bucket has no versions.
    pub(super) version: Option<String>,
    /// Whether that is a delete marker.
    pub(super) is_marker: bool,
}

/// The versions of an object, the latest last.
#[derive(Debug, Default)]
pub(super) struct History(Vec<Revision>);

impl Versioning {
    /// Its name on the wire; a bucket that never had versions has none.
    pub(super) fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Enabled => Some("Enabled"),
            Self::Never => None,
            Self::Suspended => Some("Suspended"),
        }
    }

    /// Reads what a bucket is to do from now on.
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "Enabled" => Some(Self::Enabled),
            "Suspended" => Some(Self::Suspended),
            _ => None,
        }
    }

    /// What answers say of a version: nothing in a bucket that never had any.
    pub(super) fn told(self, id: &str) -> Option<String> {
        (self != Self::Never).then(|| id.to_owned())
    }

    fn next_id(self) -> String {
        match self {
            Self::Enabled => Uuid::new_v4().simple().to_string(),
            Self::Never | Self::Suspended => NULL.to_owned(),
        }
    }
}

impl Revision {
    /// The next version of an object in a bucket.
    pub(super) fn new(
        versioning: Versioning,
        order: u64,
        modified: u64,
        object: Option<Object>,
    ) -> Self {
        Self {
            id: versioning.next_id(),
            order,
            modified,
            object,
        }
    }

    /// Its content, if it has one.
    pub(super) fn contents(&self) -> impl Iterator<Item = &Content> {
        self.object.iter().map(|object| &*object.content)
    }
}

impl History {
    pub(super) fn latest(&self) -> Option<&Revision> {
        self.0.last()
    }

    pub(super) fn get(&self, id: &str) -> Option<&Revision> {
        self.0.iter().find(|revision| revision.id == id)
    }

    /// All versions, the latest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Revision> {
        self.0.iter().rev()
    }

    /// The objects of all versions but delete markers.
    pub(super) fn objects(&self) -> impl Iterator<Item = &Object> {
        self.0
            .iter()
            .filter_map(|revision| revision.object.as_ref())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What comes after all orders so far.
    pub(super) fn next_order(&self) -> u64 {
        self.latest().map_or(0, |latest| latest.order + 1)
    }

    /// Adds a version. Returns the one of the same name, which it replaces.
    pub(super) fn insert(&mut self, revision: Revision) -> Option<Revision> {
        let replaced = self.remove(&revision.id);
        let at = self.0.partition_point(|other| other.order < revision.order);
        self.0.insert(at, revision);
        replaced
    }

    /// Removes a version.
    pub(super) fn remove(&mut self, id: &str) -> Option<Revision> {
        let at = self.0.iter().position(|revision| revision.id == id)?;
        Some(self.0.remove(at))
    }
}
