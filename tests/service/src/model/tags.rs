//! Labels of jobs, job templates, thing groups, software packages and their versions.
//!
//! Messages were seen on the live service (notes of MiniStack 1.5.33). CreateJob and CreateThingGroup
//! refuse a bad label in other words.

use serde::Deserialize;

use super::Model;
use super::error::ControlError;
use super::names::{
    GroupName, JobId, PackageName, Scope, Target, TemplateId, TemplateName, VersionName,
};
use super::request::Tag;
use super::validate::{Pattern, Text, Violations};
use super::view::TagList;

/// Most tags of one resource (API reference, TagResource).
pub(super) const MAX_TAGS: usize = 50;
const RESERVED_TAG_PREFIX: &str = "aws:";
const ARN_KINDS: [&str; 4] = ["job", "jobtemplate", "package", "thinggroup"];
const UNTAGGED_KINDS: [&str; 2] = ["cert", "thing"];
pub(super) const KEY: Text = Text {
    min: 1,
    max: 128,
    pattern: Some(Pattern {
        printed: "^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)$",
        allows: is_key_char,
    }),
};
pub(super) const VALUE: Text = Text {
    min: 0,
    max: 256,
    pattern: None,
};
const EMPTY: &str = "The validated collection is empty";
const INVALID: &str = "Invalid request exception. Please check the input.";
const TOO_MANY: &str = "Too many tags provided in the request. Please check the input.";

/// TagResource.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TagResource {
    /// A job, a job template, a thing group, a software package or a version of one.
    pub resource_arn: Option<String>,
    /// The tags to add or replace.
    pub tags: Option<Vec<GivenTag>>,
}

/// A tag as it arrives.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GivenTag {
    /// Must be given.
    pub key: Option<String>,
    /// Must be given, too, though the service model does not say so.
    pub value: Option<String>,
}

/// ListTagsForResource.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListTagsForResource {
    /// A job, a job template or a thing group.
    pub resource_arn: Option<String>,
    /// Never given out: all tags of a resource fit into one page.
    pub next_token: Option<String>,
}

impl ListTagsForResource {
    /// The ARN that is asked about.
    pub fn arn(&self) -> Result<&str, ControlError> {
        let Some(arn) = &self.resource_arn else {
            let mut violations = Violations::default();
            violations.missing("resourceArn");
            let told = violations.into_result().map(|()| "");
            return told.map_err(ControlError::InvalidRequest);
        };
        match &self.next_token {
            Some(_) => Err(invalid("Next token is invalid.")),
            None => Ok(arn),
        }
    }
}

/// UntagResource.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UntagResource {
    /// A job, a job template, a thing group, a software package or a version of one.
    pub resource_arn: Option<String>,
    /// The keys of the tags to remove.
    pub tag_keys: Option<Vec<String>>,
}

impl Model {
    /// ListTagsForResource.
    pub fn list_tags_for_resource(
        &self,
        scope: &Scope,
        arn: &str,
    ) -> Result<TagList, ControlError> {
        let tags = self.tags(&labelled(scope, arn)?);
        let tags = tags.ok_or_else(|| not_found(arn))?.clone();
        Ok(TagList { tags })
    }

    /// TagResource. Of a key that is given twice, the last value counts.
    pub fn tag_resource(
        &mut self,
        scope: &Scope,
        request: TagResource,
    ) -> Result<(), ControlError> {
        let mut violations = Violations::default();
        violations.required("tags", request.tags.as_ref());
        let given = request.tags.unwrap_or_default();
        for (index, tag) in given.iter().enumerate() {
            let at = |name: &str| format!("tags.{}.member.{name}", index + 1);
            violations.required(&at("key"), tag.key.as_ref());
            violations.optional_text(&at("key"), tag.key.as_ref(), KEY);
            violations.optional_text(&at("value"), tag.value.as_ref(), VALUE);
        }
        violations.required("resourceArn", request.resource_arn.as_ref());
        violations
            .into_result()
            .map_err(ControlError::InvalidRequest)?;
        if given.is_empty() {
            return Err(invalid(EMPTY));
        }
        let tags = given.into_iter().map(|GivenTag { key, value }| Tag {
            key: key.unwrap_or_default(),
            value,
        });
        let tags: Vec<_> = tags.collect();
        if tags.iter().any(|tag| tag.value.is_none()) {
            return Err(invalid(INVALID));
        }
        refuse_reserved(tags.iter().map(|tag| &tag.key))?;
        let arn = request.resource_arn.unwrap_or_default();
        let resource = labelled(scope, &arn)?;
        let stored = self.tags(&resource).ok_or_else(|| not_found(&arn))?;
        let mut merged = stored.clone();
        for tag in tags {
            merged.retain(|old| old.key != tag.key);
            merged.push(tag);
        }
        if merged.len() > MAX_TAGS {
            return Err(invalid(TOO_MANY));
        }
        let stored = self.tags_mut(&resource).ok_or_else(|| not_found(&arn))?;
        *stored = merged;
        Ok(())
    }

    /// UntagResource. A key that is not there is no error.
    pub fn untag_resource(
        &mut self,
        scope: &Scope,
        request: &UntagResource,
    ) -> Result<(), ControlError> {
        let mut violations = Violations::default();
        violations.required("tagKeys", request.tag_keys.as_ref());
        let keys = request.tag_keys.as_deref().unwrap_or_default();
        if !keys.iter().all(|key| KEY.allows(key)) {
            let rule = format!("Member must satisfy constraint: [{}]", KEY.in_words());
            violations.note(format!("[{}]", keys.join(", ")), "tagKeys", rule);
        }
        violations.required("resourceArn", request.resource_arn.as_ref());
        violations
            .into_result()
            .map_err(ControlError::InvalidRequest)?;
        if keys.is_empty() {
            return Err(invalid(EMPTY));
        }
        refuse_reserved(keys.iter())?;
        let arn = request.resource_arn.as_deref().unwrap_or_default();
        let stored = self.tags_mut(&labelled(scope, arn)?);
        let stored = stored.ok_or_else(|| not_found(arn))?;
        stored.retain(|tag| !keys.contains(&tag.key));
        Ok(())
    }

    fn tags(&self, resource: &Labelled) -> Option<&Vec<Tag>> {
        match resource {
            Labelled::Group(name) => self.groups.get(name).map(|group| &group.tags),
            Labelled::Job(id) => self.jobs.get(id).map(|job| &job.terms.tags),
            Labelled::Nothing => None,
            Labelled::Package(name) => {
                let package = self.packages.packages.get(name);
                package.map(|package| &package.tags)
            }
            Labelled::Template(id) => {
                let template = self.templates.get(id);
                template.map(|template| &template.members.tags)
            }
            Labelled::Version(key) => {
                let version = self.packages.versions.get(key);
                version.map(|version| &version.tags)
            }
        }
    }

    fn tags_mut(&mut self, resource: &Labelled) -> Option<&mut Vec<Tag>> {
        match resource {
            Labelled::Group(name) => self.groups.get_mut(name).map(|group| &mut group.tags),
            Labelled::Job(id) => self.jobs.get_mut(id).map(|job| &mut job.terms.tags),
            Labelled::Nothing => None,
            Labelled::Package(name) => {
                let package = self.packages.packages.get_mut(name);
                package.map(|package| &mut package.tags)
            }
            Labelled::Template(id) => {
                let template = self.templates.get_mut(id);
                template.map(|template| &mut template.members.tags)
            }
            Labelled::Version(key) => {
                let version = self.packages.versions.get_mut(key);
                version.map(|version| &mut version.tags)
            }
        }
    }
}

/// What can have tags.
enum Labelled {
    Group(GroupName),
    Job(JobId),
    /// A name that nothing has.
    Nothing,
    Package(PackageName),
    Template(TemplateId),
    Version((PackageName, VersionName)),
}

/// What `arn` names, if it is of a kind that can have tags.
fn labelled(scope: &Scope, arn: &str) -> Result<Labelled, ControlError> {
    let mut fields = arn.splitn(6, ':').skip(2);
    let (service, _, account) = (fields.next(), fields.next(), fields.next());
    let kind = fields.next().and_then(|resource| resource.split_once('/'));
    let known = |kind: &str| ARN_KINDS.contains(&kind) || UNTAGGED_KINDS.contains(&kind);
    let Some((kind, _)) = kind.filter(|(kind, name)| known(kind) && !name.is_empty()) else {
        return Err(invalid("Invalid arn in request"));
    };
    if service != Some("iot") {
        return Err(invalid("Invalid arn in request"));
    }
    if account != Some(scope.account.as_str()) {
        return Err(invalid("ResourceArn doesn't belong in requester's account"));
    }
    if UNTAGGED_KINDS.contains(&kind) {
        return Err(invalid(&format!("Invalid resource type in ARN: {kind}")));
    }
    if let Some(id) = scope.job(arn) {
        return Ok(Labelled::Job(id));
    }
    if let Some(Target::Group(name)) = scope.target(arn) {
        return Ok(Labelled::Group(name));
    }
    if let Some(TemplateName::Own(id)) = scope.template(arn) {
        return Ok(Labelled::Template(id));
    }
    Ok(match scope.package(arn) {
        Some((package, None)) => Labelled::Package(package),
        Some((package, Some(version))) => match VersionName::parse(version) {
            Some(version) => Labelled::Version((package, version)),
            None => Labelled::Nothing,
        },
        None => Labelled::Nothing,
    })
}

fn not_found(arn: &str) -> ControlError {
    ControlError::ResourceNotFound(format!("Resource {arn} cannot be found."))
}

/// Whether a key begins as those do that AWS keeps for itself.
pub(super) fn is_reserved(key: &str) -> bool {
    let prefix = key.get(..RESERVED_TAG_PREFIX.len());
    prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(RESERVED_TAG_PREFIX))
}

fn refuse_reserved<'a>(mut keys: impl Iterator<Item = &'a String>) -> Result<(), ControlError> {
    match keys.find(|key| is_reserved(key)) {
        Some(key) => Err(invalid(&format!(
            "Tags cannot begin with \"aws:\", offending tag: {key}"
        ))),
        None => Ok(()),
    }
}

fn is_key_char(c: char) -> bool {
    c.is_alphanumeric() || c.is_whitespace() && !c.is_control() || "_.:/=+-@".contains(c)
}

fn invalid(message: &str) -> ControlError {
    ControlError::InvalidRequest(message.to_owned())
}
