//! The versions of one object, as its bucket keeps them.
//!
//! A bucket that keeps versions adds one with each write, and hides the object behind a delete marker
//! when it is deleted. Any other bucket has one version of an object, called `null`, which a write replaces.
//! Facts: Amazon S3 user guide, "How S3 Versioning works" and "Working with delete markers".

use uuid::Uuid;

use super::store::Object;

/// The name of the one version that a bucket without versioning writes.
const NULL: &str = "null";

/// Whether a bucket keeps the versions of its objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a version, or replaces the one of the same name; returns its name.
    pub(super) fn write(
        &mut self,
        versioning: Versioning,
        modified: u64,
        object: Option<Object>,
    ) -> String {
        let id = versioning.next_id();
        self.remove(&id);
        self.0.push(Revision {
            id: id.clone(),
            modified,
            object,
        });
        id
    }

    /// Deletes the object: for good, or behind a marker.
    pub(super) fn delete(&mut self, versioning: Versioning, now: u64) -> Deleted {
        match versioning {
            Versioning::Never => {
                self.remove(NULL);
                Deleted::default()
            }
            Versioning::Enabled | Versioning::Suspended => Deleted {
                version: Some(self.write(versioning, now, None)),
                is_marker: true,
            },
        }
    }

    /// Deletes one version for good. One that does not exist is deleted already.
    pub(super) fn delete_version(&mut self, id: &str) -> Deleted {
        let removed = self.remove(id);
        Deleted {
            version: Some(id.to_owned()),
            is_marker: removed.is_some_and(|removed| removed.object.is_none()),
        }
    }

    fn remove(&mut self, id: &str) -> Option<Revision> {
        let at = self.0.iter().position(|revision| revision.id == id)?;
        Some(self.0.remove(at))
    }
}
