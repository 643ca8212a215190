//! The names of the Jobs protocol, parsed once into types that cannot be wrong.

use core::fmt;

use heapless::String;
use heapless::string::StringView;

/// Largest length of a thing name (botocore `iot/2015-05-28`, `ThingName`).
pub const THING_NAME_LEN_MAX: usize = 128;
/// Largest length of a job id (botocore `iot/2015-05-28`, `JobId`).
pub const JOB_ID_LEN_MAX: usize = 64;
/// Largest length of a namespace id that we take; AWS documents none, but a topic may have 256 bytes.
pub const NAMESPACE_LEN_MAX: usize = 64;
/// Largest length of a client token that we send.
pub const CLIENT_TOKEN_LEN_MAX: usize = 64;

/// Why a text is not a name.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name has no characters.
    #[error("name is empty")]
    Empty,
    /// A character is outside the set that the service allows.
    #[error("character {0:?} is not allowed in a name")]
    Character(char),
    /// The name is longer than the service allows.
    #[error("name of {len} bytes exceeds the limit of {limit}")]
    TooLong {
        /// Length that was given.
        len: usize,
        /// Largest length allowed.
        limit: usize,
    },
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $max:expr, $colon:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String<{ $max }>);

        impl $name {
            /// Parses `text`; the error says which rule it breaks.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                let mut name = String::new();
                copy(text, $colon, name.as_mut_view())?;
                Ok(Self(name))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }
    };
}

name! {
    /// The name of a thing: 1 to 128 of `[a-zA-Z0-9:_-]`.
    ThingName, THING_NAME_LEN_MAX, true
}
name! {
    /// The id of a job: 1 to 64 of `[a-zA-Z0-9_-]`.
    JobId, JOB_ID_LEN_MAX, false
}
name! {
    /// The id of a namespace other than the default one: `[a-zA-Z0-9_-]+`.
    NamespaceId, NAMESPACE_LEN_MAX, false
}
name! {
    /// A token that ties an answer to its request: ours are ASCII and at most 64 bytes.
    ClientToken, CLIENT_TOKEN_LEN_MAX, true
}

macro_rules! borrowed {
    ($(#[$doc:meta])* $name:ident, $owned:ident, $max:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name<'a>(&'a str);

        impl<'a> $name<'a> {
            /// Parses `text`; the error says which rule it breaks.
            pub fn parse(text: &'a str) -> Result<Self, NameError> {
                check(text, $max, false)?;
                Ok(Self(text))
            }

            /// The name as text.
            pub const fn as_str(self) -> &'a str {
                self.0
            }

            /// A copy that outlives the message.
            pub fn to_owned(self) -> $owned {
                let mut name = String::new();
                let fits = name.push_str(self.0);
                debug_assert!(fits.is_ok(), "a checked name fits");
                $owned(name)
            }
        }

        impl<'a> From<&'a $owned> for $name<'a> {
            fn from(name: &'a $owned) -> Self {
                Self(name.as_str())
            }
        }

        impl PartialEq<$owned> for $name<'_> {
            fn eq(&self, other: &$owned) -> bool {
                self.0 == other.as_str()
            }
        }

        impl fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.0)
            }
        }

        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.0, f)
            }
        }
    };
}

borrowed! {
    /// A [`JobId`] that stands in a message.
    JobIdRef, JobId, JOB_ID_LEN_MAX
}
borrowed! {
    /// A [`NamespaceId`] that stands in a message.
    NamespaceIdRef, NamespaceId, NAMESPACE_LEN_MAX
}

/// The namespace that a job lives in.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Namespace {
    /// The one of jobs created without `namespaceId`.
    #[default]
    Default,
    /// One named by `namespaceId`.
    Named(NamespaceId),
}

/// Fills an empty `name`; once for names of every length.
#[inline(never)]
fn copy(text: &str, colon: bool, name: &mut StringView) -> Result<(), NameError> {
    let limit = name.capacity();
    check(text, limit, colon)?;
    name.push_str(text).map_err(|_| NameError::TooLong {
        len: text.len(),
        limit,
    })
}

#[inline(never)]
fn check(text: &str, limit: usize, colon: bool) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    let other = text.bytes().position(|byte| !is_allowed(byte, colon));
    if let Some(character) = other.and_then(|at| text.get(at..)?.chars().next()) {
        return Err(NameError::Character(character));
    }
    if text.len() > limit {
        return Err(NameError::TooLong {
            len: text.len(),
            limit,
        });
    }
    Ok(())
}

const fn is_allowed(byte: u8, colon: bool) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || (colon && byte == b':')
}

#[cfg(test)]
mod tests {
    use std::string::String;

    use super::*;

    #[test]
    fn a_job_id_of_64_characters_is_taken_and_one_of_65_is_not() {
        assert!(JobId::parse(&"j".repeat(64)).is_ok());
        assert_eq!(
            JobId::parse(&"j".repeat(65)),
            Err(NameError::TooLong { len: 65, limit: 64 })
        );
    }

    #[test]
    fn a_thing_name_may_hold_a_colon_and_a_job_id_may_not() {
        assert!(ThingName::parse("line:3").is_ok());
        assert_eq!(JobId::parse("line:3"), Err(NameError::Character(':')));
    }

    #[test]
    fn a_name_is_never_empty() {
        assert_eq!(NamespaceId::parse(""), Err(NameError::Empty));
    }

    #[test]
    fn the_first_character_that_is_not_allowed_is_named_whole() {
        assert_eq!(JobId::parse("päper/x"), Err(NameError::Character('ä')));
    }

    #[test]
    fn every_ascii_character_is_judged_as_the_service_does() {
        let allowed: String = (0..=127_u8)
            .map(char::from)
            .filter(|c| JobId::parse(&String::from(*c)).is_ok())
            .collect();
        assert_eq!(
            allowed,
            "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
        );
    }

    #[test]
    fn a_borrowed_id_equals_its_copy() {
        let borrowed = JobIdRef::parse("job-1").unwrap();
        assert_eq!(borrowed, borrowed.to_owned());
    }
}
