//! Things.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Model;
use super::error::ControlError;
use super::names::{MAX_THING_NAME, Scope, ThingName, WITH_COLON, is_colon_char};
use super::page::{self, page};
use super::request::{AttributePayload, CreateThing, ListThings, UpdateThing};
use super::status::ExecutionStatus;
use super::table::Record;
use super::time::Timestamp;
use super::validate::{Pattern, Text, Violations};
use super::view::{ThingDescription, ThingEntry, ThingIdentity, ThingList};

pub(super) const THING_NAME: Text = Text {
    min: 1,
    max: MAX_THING_NAME,
    pattern: Some(WITH_COLON),
};
/// Most attributes of one thing or group (AWS general reference, registry quotas).
const MAX_ATTRIBUTES: usize = 50;
const ATTRIBUTE_NAME: Text = Text {
    min: 1,
    max: 128,
    pattern: Some(Pattern {
        printed: "[a-zA-Z0-9_.,@/:#-]+",
        allows: is_attribute_char,
    }),
};
const ATTRIBUTE_VALUE: Text = Text {
    min: 0,
    max: 800,
    pattern: Some(Pattern {
        printed: "[a-zA-Z0-9_.,@/:#=\\[\\]-]*",
        allows: |c| is_attribute_char(c) || matches!(c, '=' | '[' | ']'),
    }),
};

#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct Thing {
    id: String,
    pub(super) attributes: BTreeMap<String, String>,
    version: u64,
}

impl Record for Thing {}

impl Model {
    /// CreateThing. The same request again finds the thing made.
    pub fn create_thing(
        &mut self,
        scope: &Scope,
        request: CreateThing,
        now: Timestamp,
    ) -> Result<ThingIdentity, ControlError> {
        let mut violations = Violations::default();
        violations.text("thingName", &request.thing_name, THING_NAME);
        check_attributes(&mut violations, "", request.attribute_payload.as_ref());
        let name = checked_name(&request.thing_name, violations)?;
        if request.thing_type_name.is_some() || request.billing_group_name.is_some() {
            return Err(unsupported("thingTypeName and billingGroupName"));
        }
        let payload = request.attribute_payload.unwrap_or_default();
        let attributes = without_empty(payload.attributes);
        if let Some(thing) = self.things.get(&name) {
            if thing.attributes == attributes {
                return Ok(thing.identity(&name, scope));
            }
            return Err(ControlError::ResourceAlreadyExists {
                message: format!(
                    "Thing {name} already exists in account with different attributes"
                ),
                resource_id: name.to_string(),
                resource_arn: scope.thing_arn(&name),
            });
        }
        let thing = Thing {
            id: self.derive_id(name.as_str(), now),
            attributes,
            version: 1,
        };
        let identity = thing.identity(&name, scope);
        self.things.insert(name, thing);
        Ok(identity)
    }

    /// DescribeThing.
    pub fn describe_thing(
        &self,
        scope: &Scope,
        name: &str,
    ) -> Result<ThingDescription, ControlError> {
        let name = self.existing_thing(name, Violations::default())?;
        let thing = self.things.get(&name);
        let thing = thing.ok_or_else(|| thing_not_found(&name))?;
        Ok(ThingDescription {
            default_client_id: name.to_string(),
            identity: thing.identity(&name, scope),
            attributes: thing.attributes.clone(),
            version: thing.version,
        })
    }

    /// ListThings.
    pub fn list_things(
        &self,
        scope: &Scope,
        request: &ListThings,
    ) -> Result<ThingList, ControlError> {
        let mut violations = Violations::default();
        page::check(&mut violations, request.max_results);
        let (name, value) = (&request.attribute_name, &request.attribute_value);
        violations.optional_text("attributeName", name.as_ref(), ATTRIBUTE_NAME);
        violations.optional_text("attributeValue", value.as_ref(), ATTRIBUTE_VALUE);
        violations
            .into_result()
            .map_err(ControlError::InvalidRequest)?;
        if request.thing_type_name.is_some() {
            return Err(unsupported("thingTypeName"));
        }
        let by_prefix = request.use_prefix_attribute_value;
        let chosen = self.things.iter().filter(|(_, thing)| {
            let value = request.attribute_name.as_ref();
            let value = value.map(|name| thing.attributes.get(name));
            let wanted = request.attribute_value.as_ref();
            let is_wanted = |value: &String| {
                wanted
                    .is_none_or(|wanted| value == wanted || by_prefix && value.starts_with(wanted))
            };
            value.is_none_or(|value| value.is_some_and(is_wanted))
        });
        let entries = chosen.map(|(name, thing)| (name.to_string(), thing.entry(name, scope)));
        let token = request.next_token.as_ref();
        let (things, next_token) = page(
            "things",
            entries,
            self.page_size(request.max_results),
            token,
        )?;
        Ok(ThingList { things, next_token })
    }

    /// UpdateThing.
    pub fn update_thing(&mut self, request: UpdateThing) -> Result<(), ControlError> {
        let mut violations = Violations::default();
        check_attributes(&mut violations, "", request.attribute_payload.as_ref());
        let name = self.existing_thing(&request.thing_name, violations)?;
        if request.thing_type_name.is_some() {
            return Err(unsupported("thingTypeName"));
        }
        let Some(thing) = self.things.get_mut(&name) else {
            return Err(thing_not_found(&name));
        };
        check_version(request.expected_version, thing.version)?;
        if let Some(payload) = request.attribute_payload {
            let mut attributes = BTreeMap::new();
            if payload.merge {
                attributes.clone_from(&thing.attributes);
            }
            attributes.extend(payload.attributes);
            let attributes = without_empty(attributes);
            // The limit is AWS's, the words are ours.
            if attributes.len() > MAX_ATTRIBUTES {
                return Err(ControlError::InvalidRequest(format!(
                    "Thing {name} cannot have more than {MAX_ATTRIBUTES} attributes."
                )));
            }
            thing.attributes = attributes;
        }
        thing.version += 1;
        Ok(())
    }

    /// DeleteThing. What is open on it becomes REMOVED, as the API reference of Job says.
    pub fn delete_thing(
        &mut self,
        name: &str,
        expected_version: Option<i64>,
        now: Timestamp,
    ) -> Result<(), ControlError> {
        let mut violations = Violations::default();
        violations.text("thingName", name, THING_NAME);
        let name = checked_name(name, violations)?;
        // AWS answers success for a thing that does not exist.
        let Some(thing) = self.things.get(&name) else {
            return Ok(());
        };
        check_version(expected_version, thing.version)?;
        for id in self.executions_on(&name) {
            let status = self.execution(&id).map(|execution| execution.status);
            if status.is_some_and(ExecutionStatus::is_pending) {
                self.change(&id, now, |execution| execution.remove(now));
            }
        }
        let groups = self.groups.iter();
        let groups = groups.filter(|(_, group)| group.members.contains_key(&name));
        let groups: Vec<_> = groups.map(|(group, _)| group.clone()).collect();
        for group in groups {
            self.drop_member(&group, &name);
        }
        let ids: Vec<_> = self.jobs.keys().cloned().collect();
        for id in ids {
            self.no_longer_reach(&id, &name, now);
        }
        self.things.remove(&name);
        self.seen.remove(&name);
        Ok(())
    }

    /// The thing called `name`, once that and what `violations` found before is in order.
    pub(super) fn existing_thing(
        &self,
        name: &str,
        mut violations: Violations,
    ) -> Result<ThingName, ControlError> {
        violations.text("thingName", name, THING_NAME);
        let name = checked_name(name, violations)?;
        if self.things.contains_key(&name) {
            return Ok(name);
        }
        Err(thing_not_found(&name))
    }

    /// A UUID that no other resource of this model has.
    pub(super) fn derive_id(&mut self, name: &str, now: Timestamp) -> String {
        let seed = format!("{name}/{}/{}", now.as_millis(), self.next_order());
        let digest: [u8; 32] = Sha256::digest(seed.as_bytes()).into();
        let mut bytes = [0; 16];
        bytes
            .iter_mut()
            .zip(digest)
            .for_each(|(to, from)| *to = from);
        uuid::Builder::from_custom_bytes(bytes)
            .into_uuid()
            .to_string()
    }
}

impl Thing {
    fn identity(&self, name: &ThingName, scope: &Scope) -> ThingIdentity {
        ThingIdentity {
            thing_name: name.to_string(),
            thing_arn: scope.thing_arn(name),
            thing_id: self.id.clone(),
        }
    }

    fn entry(&self, name: &ThingName, scope: &Scope) -> ThingEntry {
        ThingEntry {
            thing_name: name.to_string(),
            thing_arn: scope.thing_arn(name),
            attributes: self.attributes.clone(),
            version: self.version,
        }
    }
}

/// Checks what AWS's service model says of attributes; `within` is the path of the member that holds them.
pub(super) fn check_attributes(
    violations: &mut Violations,
    within: &str,
    payload: Option<&AttributePayload>,
) {
    if let Some(payload) = payload {
        violations.map(
            &format!("{within}attributePayload.attributes"),
            &payload.attributes,
            MAX_ATTRIBUTES,
            ATTRIBUTE_NAME,
            ATTRIBUTE_VALUE,
        );
    }
}

pub(super) fn check_version(expected: Option<i64>, found: u64) -> Result<(), ControlError> {
    match expected {
        Some(expected) if u64::try_from(expected) != Ok(found) => {
            Err(ControlError::VersionConflict { expected, found })
        }
        Some(_) | None => Ok(()),
    }
}

fn thing_not_found(name: impl core::fmt::Display) -> ControlError {
    ControlError::ResourceNotFound(format!("Thing {name} cannot be found."))
}

fn checked_name(name: &str, violations: Violations) -> Result<ThingName, ControlError> {
    violations
        .into_result()
        .map_err(ControlError::InvalidRequest)?;
    ThingName::parse(name).ok_or_else(|| thing_not_found(name))
}

/// An attribute that is set to nothing is not there.
fn without_empty(mut attributes: BTreeMap<String, String>) -> BTreeMap<String, String> {
    attributes.retain(|_, value| !value.is_empty());
    attributes
}

fn unsupported(what: &str) -> ControlError {
    ControlError::InvalidRequest(format!("{what} is not supported yet by this service."))
}

fn is_attribute_char(c: char) -> bool {
    is_colon_char(c) || matches!(c, '.' | ',' | '@' | '/' | '#')
}
