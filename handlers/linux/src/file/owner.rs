//! Users and groups by name or number.
//!
//! Names are looked up in `/etc/passwd` and `/etc/group` themselves: a static binary has no name service to ask, and a device has
//! its users there.

use std::fs;
use std::path::Path;

use iot_jobs_handler::Failure;

use super::{failed, rejected};

/// Most bytes of a user or group database that are read.
const DATABASE_LEN_MAX: u64 = 1024 * 1024;

/// An owner as it is written: `user` or `user:group`, each a name or a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    user: String,
    group: Option<String>,
}

/// An owner in numbers; what is `None` stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Owner {
    /// The user.
    pub(super) user: Option<u32>,
    /// The group.
    pub(super) group: Option<u32>,
}

impl Names {
    /// Splits the text at its only colon.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        let plain = |name: &str| {
            !name.is_empty()
                && !name.starts_with('-')
                && name
                    .chars()
                    .all(|c| c.is_alphanumeric() || "._-$".contains(c))
        };
        (plain(user) && group.is_none_or(plain)).then(|| Self {
            user: user.to_owned(),
            group: group.map(str::to_owned),
        })
    }

    /// Looks the names up.
    pub(super) fn resolve(&self, passwd: &Path, group: &Path) -> Result<Owner, Failure> {
        Ok(Owner {
            user: Some(number(passwd, "user", &self.user)?),
            group: match &self.group {
                None => None,
                Some(name) => Some(number(group, "group", name)?),
            },
        })
    }
}

/// Finds `NAME:x:NUMBER:…`, which both databases have in common. A number stands for itself; the largest means "unchanged" to the
/// system and is none.
fn number(database: &Path, kind: &str, name: &str) -> Result<u32, Failure> {
    if let Ok(number) = name.parse() {
        return if number == u32::MAX {
            Err(unknown(kind, name))
        } else {
            Ok(number)
        };
    }
    let text = read(database).map_err(|error| {
        failed(
            "file_error",
            format_args!("{}: {error}", database.display()),
        )
    })?;
    text.lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
        })
        .ok_or_else(|| unknown(kind, name))
}

fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    fs::File::open(path)?
        .take(DATABASE_LEN_MAX)
        .read_to_string(&mut text)?;
    Ok(text)
}

fn unknown(kind: &str, name: &str) -> Failure {
    rejected(
        "unknown_owner",
        format_args!("the device has no {kind} {name}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_resolved() {
        let directory = tempfile::tempdir().unwrap();
        let (passwd, group) = (
            directory.path().join("passwd"),
            directory.path().join("group"),
        );
        fs::write(
            &passwd,
            "root:x:0:0::/root:/bin/sh\nweb:x:33:44::/:/bin/false\n",
        )
        .unwrap();
        fs::write(&group, "root:x:0:\nweb:x:55:root\nbad:x:\n").unwrap();
        let resolve = |text: &str| Names::parse(text).unwrap().resolve(&passwd, &group);

        let owner = |user, group| Owner {
            user: Some(user),
            group,
        };
        assert_eq!(resolve("web"), Ok(owner(33, None)));
        assert_eq!(resolve("web:web"), Ok(owner(33, Some(55))));
        assert_eq!(resolve("7:8"), Ok(owner(7, Some(8))));
        for missing in ["nobody", "web:bad", "we", "4294967295"] {
            assert_eq!(
                resolve(missing).unwrap_err().code,
                "unknown_owner",
                "{missing}"
            );
        }
    }

    #[test]
    fn an_owner_is_one_or_two_names() {
        for text in ["", ":", "a:", ":b", "a:b:c", "a b", "a\n", "-a", "a/b"] {
            assert_eq!(Names::parse(text), None, "{text}");
        }
    }
}
