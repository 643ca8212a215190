//! Thing groups: a forest, with things as members at any level.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Model;
use super::create::check_tags;
use super::error::ControlError;
use super::names::{GroupName, Scope, Target, ThingName};
use super::page::{self, page};
use super::registry::{THING_NAME, check_attributes, check_version};
use super::request::{
    CreateThingGroup, GroupMembership, ListThingGroups, ListThingsInThingGroup, PageRequest, Tag,
    ThingGroupProperties,
};
use super::table::{Record, Table};
use super::time::{self, Timestamp};
use super::validate::{PRINTABLE, Pattern, Text, Violations};
use super::view::{
    GroupAttributes, GroupDescription, GroupIdentity, GroupList, GroupMetadata, GroupProperties,
    GroupReference, MemberList,
};

/// Most levels of groups (AWS general reference, registry quotas).
const MAX_DEPTH: usize = 7;
const DESCRIPTION: Text = Text {
    min: 0,
    max: 2028,
    pattern: Some(Pattern {
        printed: "[\\p{Graph}\\x20]*",
        allows: |c| c == ' ' || !c.is_whitespace() && (PRINTABLE.allows)(c),
    }),
};

#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct Group {
    pub(super) id: String,
    #[serde(skip)]
    pub(super) members: Table<ThingName, ()>,
    pub(super) parent: Option<GroupName>,
    properties: GroupProperties,
    pub(super) tags: Vec<Tag>,
    #[serde(with = "time::kept")]
    created_at: Timestamp,
}

impl Record for Group {
    fn record(&mut self) {
        self.members.record();
    }
}

impl Model {
    /// CreateThingGroup. The same request again finds the group made.
    pub fn create_thing_group(
        &mut self,
        scope: &Scope,
        request: CreateThingGroup,
        now: Timestamp,
    ) -> Result<GroupIdentity, ControlError> {
        let mut violations = Violations::default();
        let properties = request.thing_group_properties.unwrap_or_default();
        let attributes = properties.attribute_payload.as_ref();
        check_attributes(&mut violations, "thingGroupProperties.", attributes);
        let parent = request.parent_group_name.as_ref();
        violations.optional_text("parentGroupName", parent, THING_NAME);
        let member = "thingGroupProperties.thingGroupDescription";
        let description = properties.thing_group_description.as_ref();
        violations.optional_text(member, description, DESCRIPTION);
        let name = checked_name(&request.thing_group_name, violations)?;
        check_tags(&request.tags)?;
        let parent = request.parent_group_name.map(|parent| self.known(&parent));
        // CreateThingGroup has no ResourceNotFoundException (API reference).
        let parent = parent.transpose().map_err(|missing| invalid(&missing))?;
        let properties = stored(properties);
        if let Some(group) = self.groups.get(&name) {
            if group.parent == parent && group.properties == properties {
                return Ok(group.identity(&name, scope));
            }
            return Err(ControlError::ResourceAlreadyExists {
                message: format!("Thing Group {name} already exists."),
                resource_id: name.to_string(),
                resource_arn: scope.group_arn(&name),
            });
        }
        if parent
            .as_ref()
            .is_some_and(|parent| self.lineage(parent).len() >= MAX_DEPTH)
        {
            let message = format!("Thing groups cannot be nested deeper than {MAX_DEPTH} levels.");
            return Err(ControlError::InvalidRequest(message));
        }
        let group = Group {
            id: self.derive_id(name.as_str(), now),
            members: Table::default(),
            parent,
            properties,
            tags: request.tags,
            created_at: now,
        };
        let identity = group.identity(&name, scope);
        self.groups.insert(name, group);
        Ok(identity)
    }

    /// DescribeThingGroup.
    pub fn describe_thing_group(
        &self,
        scope: &Scope,
        name: &str,
    ) -> Result<GroupDescription, ControlError> {
        let name = self.existing_group(name)?;
        let group = self.groups.get(&name).ok_or_else(|| not_found(&name))?;
        let lineage = self.lineage(&name);
        let above = lineage.iter().rev().filter(|above| **above != &name);
        Ok(GroupDescription {
            identity: group.identity(&name, scope),
            version: 1,
            thing_group_properties: group.properties.clone(),
            thing_group_metadata: GroupMetadata {
                parent_group_name: group.parent.as_ref().map(GroupName::to_string),
                root_to_parent_thing_groups: above.map(|above| reference(above, scope)).collect(),
                creation_date: group.created_at,
            },
        })
    }

    /// ListThingGroups.
    pub fn list_thing_groups(
        &self,
        scope: &Scope,
        request: &ListThingGroups,
    ) -> Result<GroupList, ControlError> {
        let parent = request.parent_group.as_ref();
        let filter = request.name_prefix_filter.as_ref();
        let mut violations = Violations::default();
        page::check(&mut violations, request.max_results);
        violations.optional_text("parentGroup", parent, THING_NAME);
        violations.optional_text("namePrefixFilter", filter, THING_NAME);
        violations
            .into_result()
            .map_err(ControlError::InvalidRequest)?;
        let parent = parent.map(|parent| self.known(parent)).transpose()?;
        let prefix = request.name_prefix_filter.as_deref().unwrap_or_default();
        let recursive = request.recursive.unwrap_or(true);
        let chosen = self.groups.iter().filter(|(name, group)| {
            let below = match &parent {
                Some(parent) if recursive => {
                    *name != parent && self.lineage(name).contains(&parent)
                }
                Some(_) => group.parent == parent,
                None => recursive || group.parent.is_none(),
            };
            below && name.as_str().starts_with(prefix)
        });
        let names = chosen.map(|(name, _)| name);
        let token = request.next_token.as_ref();
        list(scope, "groups", names, request.max_results, token)
    }

    /// DeleteThingGroup. A group with groups below it stays.
    pub fn delete_thing_group(
        &mut self,
        name: &str,
        expected_version: Option<i64>,
        now: Timestamp,
    ) -> Result<(), ControlError> {
        let name = checked_name(name, Violations::default())?;
        // AWS answers success for a group that does not exist.
        if !self.groups.contains_key(&name) {
            return Ok(());
        }
        check_version(expected_version, 1)?;
        let mut groups = self.groups.values();
        if groups.any(|group| group.parent.as_ref() == Some(&name)) {
            return Err(ControlError::InvalidRequest(format!(
                "Cannot delete thing group {name} when there are still child groups attached to it."
            )));
        }
        let group = self.groups.get(&name);
        let members = group.map(|group| group.members.keys().cloned().collect::<Vec<_>>());
        for thing in members.into_iter().flatten() {
            self.leave(&thing, now, |model| model.drop_member(&name, &thing));
        }
        self.groups.remove(&name);
        Ok(())
    }

    /// AddThingToThingGroup.
    pub fn add_thing_to_thing_group(
        &mut self,
        scope: &Scope,
        request: &GroupMembership,
        now: Timestamp,
    ) -> Result<(), ControlError> {
        let (group, thing) = self.sides(scope, request)?;
        self.join(&group, &thing, now);
        Ok(())
    }

    /// RemoveThingFromThingGroup.
    pub fn remove_thing_from_thing_group(
        &mut self,
        scope: &Scope,
        request: &GroupMembership,
        now: Timestamp,
    ) -> Result<(), ControlError> {
        let (group, thing) = self.sides(scope, request)?;
        self.leave(&thing, now, |model| model.drop_member(&group, &thing));
        Ok(())
    }

    pub(super) fn drop_member(&mut self, group: &GroupName, thing: &ThingName) {
        if let Some(group) = self.groups.get_mut(group) {
            group.members.remove(thing);
        }
    }

    /// ListThingsInThingGroup.
    pub fn list_things_in_thing_group(
        &self,
        request: &ListThingsInThingGroup,
    ) -> Result<MemberList, ControlError> {
        let mut violations = Violations::default();
        page::check(&mut violations, request.max_results);
        let name = checked_name(&request.thing_group_name, violations)?;
        let name = self.known(name.as_str())?;
        let members = if request.recursive {
            self.members(&name)
        } else {
            let group = self.groups.get(&name);
            let members = group.into_iter().flat_map(|group| group.members.keys());
            members.cloned().collect()
        };
        let entries = members.into_iter().map(|thing| (thing.to_string(), thing));
        let token = request.next_token.as_ref();
        let (things, next_token) = page(
            &format!("members/{name}"),
            entries,
            request.max_results,
            token,
        )?;
        Ok(MemberList { things, next_token })
    }

    /// ListThingGroupsForThing: those it is itself a member of.
    pub fn list_thing_groups_for_thing(
        &self,
        scope: &Scope,
        name: &str,
        request: &PageRequest,
    ) -> Result<GroupList, ControlError> {
        let mut violations = Violations::default();
        page::check(&mut violations, request.max_results);
        let thing = self.existing_thing(name, violations)?;
        let groups = self.groups.iter();
        let names = groups
            .filter(|(_, group)| group.members.contains_key(&thing))
            .map(|(name, _)| name);
        let token = request.next_token.as_ref();
        list(
            scope,
            &format!("of/{thing}"),
            names,
            request.max_results,
            token,
        )
    }

    /// The members of a group and of all groups below it.
    pub(super) fn members(&self, group: &GroupName) -> BTreeSet<ThingName> {
        let groups = self.groups.iter();
        groups
            .filter(|(name, _)| self.lineage(name).contains(&group))
            .flat_map(|(_, group)| group.members.keys().cloned())
            .collect()
    }

    /// A group and all groups above it, the root last.
    pub(super) fn lineage<'a>(&'a self, name: &'a GroupName) -> Vec<&'a GroupName> {
        let above = |name: &&GroupName| self.groups.get(*name)?.parent.as_ref();
        core::iter::successors(Some(name), above)
            .take(MAX_DEPTH)
            .collect()
    }

    fn sides(
        &self,
        scope: &Scope,
        request: &GroupMembership,
    ) -> Result<(GroupName, ThingName), ControlError> {
        let mut violations = Violations::default();
        let (group, thing) = (&request.thing_group_name, &request.thing_name);
        violations.optional_text("thingGroupName", group.as_ref(), THING_NAME);
        violations.optional_text("thingName", thing.as_ref(), THING_NAME);
        violations
            .into_result()
            .map_err(ControlError::InvalidRequest)?;
        let by_arn = |arn: &Option<String>| arn.as_ref().and_then(|arn| scope.target(arn));
        let group = match (&request.thing_group_name, by_arn(&request.thing_group_arn)) {
            (Some(name), _) => name.clone(),
            (None, Some(Target::Group(name))) => name.to_string(),
            (None, Some(Target::Thing(_)) | None) => return Err(one_side_missing("thingGroup")),
        };
        let thing = match (&request.thing_name, by_arn(&request.thing_arn)) {
            (Some(name), _) => name.clone(),
            (None, Some(Target::Thing(name))) => name.to_string(),
            (None, Some(Target::Group(_)) | None) => return Err(one_side_missing("thing")),
        };
        let group = self.existing_group(&group)?;
        let thing = self.existing_thing(&thing, Violations::default())?;
        Ok((group, thing))
    }

    fn existing_group(&self, name: &str) -> Result<GroupName, ControlError> {
        let name = checked_name(name, Violations::default())?;
        self.known(name.as_str())
    }

    fn known(&self, name: &str) -> Result<GroupName, ControlError> {
        let found = self.groups.get_key_value(name);
        found
            .map(|(name, _)| name.clone())
            .ok_or_else(|| not_found(name))
    }
}

impl Group {
    fn identity(&self, name: &GroupName, scope: &Scope) -> GroupIdentity {
        GroupIdentity {
            thing_group_name: name.to_string(),
            thing_group_arn: scope.group_arn(name),
            thing_group_id: self.id.clone(),
        }
    }
}

fn list<'a>(
    scope: &Scope,
    list: &str,
    names: impl Iterator<Item = &'a GroupName>,
    max_results: Option<i64>,
    token: Option<&String>,
) -> Result<GroupList, ControlError> {
    let entries = names.map(|name| (name.to_string(), reference(name, scope)));
    let (thing_groups, next_token) = page(list, entries, max_results, token)?;
    Ok(GroupList {
        thing_groups,
        next_token,
    })
}

fn reference(name: &GroupName, scope: &Scope) -> GroupReference {
    GroupReference {
        group_name: name.to_string(),
        group_arn: scope.group_arn(name),
    }
}

fn stored(properties: ThingGroupProperties) -> GroupProperties {
    let attributes = properties.attribute_payload.map(|payload| GroupAttributes {
        attributes: payload.attributes,
    });
    GroupProperties {
        thing_group_description: properties.thing_group_description,
        attribute_payload: attributes,
    }
}

fn checked_name(name: &str, mut violations: Violations) -> Result<GroupName, ControlError> {
    violations.text("thingGroupName", name, THING_NAME);
    violations
        .into_result()
        .map_err(ControlError::InvalidRequest)?;
    GroupName::parse(name).ok_or_else(|| not_found(name))
}

fn not_found(name: impl core::fmt::Display) -> ControlError {
    ControlError::ResourceNotFound(format!("Thing Group {name} cannot be found."))
}

fn invalid(reason: &ControlError) -> ControlError {
    ControlError::InvalidRequest(reason.to_string())
}

fn one_side_missing(side: &str) -> ControlError {
    ControlError::InvalidRequest(format!("Either {side}Name or {side}Arn must be provided."))
}
