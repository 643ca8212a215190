//! Requests with a client token are done once, however often they arrive.
//!
//! Whoever got no answer asks again with the same token, and is answered as the first time. Another
//! request with a token that was used is refused (API reference, the `clientToken` of the package
//! operations). Only requests that were granted use their token up.
//!
//! How long AWS remembers a token is unknown; here it is until [`MAX_TOKENS`] others were used.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::PackageError;
use super::table::{Record, Table};
use super::validate::{Pattern, Text, Violations};

/// The tokens that are remembered.
const MAX_TOKENS: usize = 1000;
const CLIENT_TOKEN: Text = Text {
    min: 36,
    max: 64,
    pattern: Some(Pattern {
        printed: "\\S{36,64}",
        allows: is_token_char,
    }),
};

/// The tokens that were used, and for what.
#[derive(Debug, Clone, Default)]
pub(super) struct Tokens {
    /// By operation and token.
    pub(super) used: Table<String, Used>,
    /// How many were used: tells their order.
    count: u64,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct Used {
    /// The digest of the request.
    request: String,
    order: u64,
}

impl Record for Used {}

/// A request that is to be done once.
#[derive(Debug)]
pub(super) struct Once {
    /// Operation and token, if there is a token.
    key: Option<String>,
    request: String,
}

impl Once {
    /// `request` to `operation`, told by its members.
    pub(super) fn new<T: Serialize>(operation: &str, token: Option<&String>, request: &T) -> Self {
        // Maps of strings always serialize.
        let members = serde_json::to_vec(request).unwrap_or_default();
        Self {
            key: token.map(|token| format!("{operation}/{token}")),
            request: STANDARD.encode(Sha256::digest(members)),
        }
    }
}

impl Tokens {
    /// Whether the request was granted before. Refuses another one with the same token.
    pub(super) fn was_granted(&self, once: &Once) -> Result<bool, PackageError> {
        let used = once.key.as_ref().and_then(|key| self.used.get(key));
        match used {
            None => Ok(false),
            Some(used) if used.request == once.request => Ok(true),
            Some(_) => Err(PackageError::Conflict {
                message: "The client token was used for a request with other parameters."
                    .to_owned(),
                resource_id: once.token().to_owned(),
            }),
        }
    }

    /// Takes back a token that was used.
    pub(super) fn restore(&mut self, key: String, used: Used) {
        self.count = self.count.max(used.order);
        self.used.insert(key, used);
    }

    /// Notes that the request was granted.
    pub(super) fn grant(&mut self, once: Once) {
        let Some(key) = once.key else { return };
        self.count = self.count.saturating_add(1);
        let (request, order) = (once.request, self.count);
        self.used.insert(key, Used { request, order });
        if self.used.len() > MAX_TOKENS {
            let oldest = self.used.iter().min_by_key(|(_, used)| used.order);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.used.remove(&oldest);
            }
        }
    }
}

impl Once {
    fn token(&self) -> &str {
        let key = self.key.as_deref().unwrap_or_default();
        key.split_once('/').map_or("", |(_, token)| token)
    }
}

/// Checks the form of a token.
pub(super) fn check_token(violations: &mut Violations, token: Option<&String>) {
    violations.optional_text("clientToken", token, CLIENT_TOKEN);
}

fn is_token_char(c: char) -> bool {
    !c.is_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn once(token: &str, request: u32) -> Once {
        Once::new("CreatePackage", Some(&token.to_owned()), &request)
    }

    #[test]
    fn a_token_stands_for_one_request_of_one_operation() {
        let mut tokens = Tokens::default();
        assert_eq!(tokens.was_granted(&once("t", 1)), Ok(false));
        tokens.grant(once("t", 1));
        assert_eq!(tokens.was_granted(&once("t", 1)), Ok(true));
        let refused = tokens.was_granted(&once("t", 2)).unwrap_err();
        assert_eq!(refused.exception(), "ConflictException");
        let elsewhere = Once::new("DeletePackage", Some(&"t".to_owned()), &2);
        assert_eq!(tokens.was_granted(&elsewhere), Ok(false));
    }

    #[test]
    fn a_request_without_a_token_is_always_new() {
        let mut tokens = Tokens::default();
        tokens.grant(Once::new("CreatePackage", None, &1));
        let again = Once::new("CreatePackage", None, &1);
        assert_eq!(tokens.was_granted(&again), Ok(false));
    }

    #[test]
    fn the_oldest_token_is_forgotten_first() {
        let mut tokens = Tokens::default();
        for token in 0..=MAX_TOKENS {
            tokens.grant(once(&token.to_string(), 1));
        }
        assert_eq!(tokens.used.len(), MAX_TOKENS);
        assert_eq!(tokens.was_granted(&once("0", 1)), Ok(false));
        assert_eq!(tokens.was_granted(&once("1", 1)), Ok(true));
    }
}
