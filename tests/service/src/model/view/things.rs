//! Answers about things and thing groups.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::names::ThingName;
use crate::model::time::Timestamp;

/// CreateThing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ThingIdentity {
    /// Its name.
    pub thing_name: String,
    /// Its ARN.
    pub thing_arn: String,
    /// A UUID.
    pub thing_id: String,
}

/// DescribeThing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ThingDescription {
    /// The client id that AWS suggests.
    pub default_client_id: String,
    /// Name, ARN and id.
    #[serde(flatten)]
    pub identity: ThingIdentity,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// Grows with every change.
    pub version: u64,
}

/// ListThings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ThingList {
    /// One page of things.
    pub things: Vec<ThingEntry>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// One thing of ListThings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ThingEntry {
    /// Its name.
    pub thing_name: String,
    /// Its ARN.
    pub thing_arn: String,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// Grows with every change.
    pub version: u64,
}

/// CreateThingGroup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupIdentity {
    /// Its name.
    pub thing_group_name: String,
    /// Its ARN.
    pub thing_group_arn: String,
    /// A UUID.
    pub thing_group_id: String,
}

/// DescribeThingGroup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupDescription {
    /// Name, ARN and id.
    #[serde(flatten)]
    pub identity: GroupIdentity,
    /// Grows with every change.
    pub version: u64,
    /// Description and attributes.
    pub thing_group_properties: GroupProperties,
    /// Where the group stands.
    pub thing_group_metadata: GroupMetadata,
}

/// Description and attributes of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GroupProperties {
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thing_group_description: Option<String>,
    /// Attributes of the group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute_payload: Option<GroupAttributes>,
}

/// Attributes of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupAttributes {
    /// Name to value.
    pub attributes: BTreeMap<String, String>,
}

/// Where a group stands in the tree of groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupMetadata {
    /// The group above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_group_name: Option<String>,
    /// All groups above, the root first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub root_to_parent_thing_groups: Vec<GroupReference>,
    /// When it was made.
    pub creation_date: Timestamp,
}

/// A group by name and ARN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupReference {
    /// Its name.
    pub group_name: String,
    /// Its ARN.
    pub group_arn: String,
}

/// ListThingGroups and ListThingGroupsForThing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupList {
    /// One page of groups.
    pub thing_groups: Vec<GroupReference>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// ListThingsInThingGroup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberList {
    /// One page of thing names.
    pub things: Vec<ThingName>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}
