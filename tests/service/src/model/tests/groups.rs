//! Things and thing groups.

use crate::model::request::{
    ListThingGroups, ListThings, ListThingsInThingGroup, PageRequest, UpdateThing,
};

use super::*;

/// `site` with gw-1, and below it `hall` with gw-1 and gw-2.
fn site() -> Model {
    let mut model = model();
    add_thing(&mut model, "gw-2");
    create_group(&mut model, "site", None).unwrap();
    create_group(&mut model, "hall", Some("site")).unwrap();
    join(&mut model, "site", "gw-1", at(0));
    join(&mut model, "hall", "gw-1", at(0));
    join(&mut model, "hall", "gw-2", at(0));
    model
}

fn members(model: &Model, group: &str, recursive: bool) -> Vec<String> {
    let request = ListThingsInThingGroup {
        thing_group_name: group.to_owned(),
        recursive,
        ..ListThingsInThingGroup::default()
    };
    let list = model.list_things_in_thing_group(&request).unwrap();
    list.things.iter().map(ThingName::to_string).collect()
}

#[test]
fn a_job_for_a_group_reaches_the_groups_below_once_each() {
    let mut model = site();
    let targets = json!({"targets": [group_arn("site"), thing_arn("gw-2")]});
    create(&mut model, "J", targets, at(0));
    let details = model.describe_job(&scope(), "J", at(0)).unwrap().job;
    assert_eq!(details.job_process_details.number_of_queued_things, 2);
}

#[test]
fn who_joins_after_a_snapshot_is_not_reached() {
    let mut model = site();
    let targets = json!({"targets": [group_arn("site")]});
    create(&mut model, "J", targets, at(0));
    add_thing(&mut model, "gw-3");
    join(&mut model, "site", "gw-3", at(1));
    let details = model.describe_job(&scope(), "J", at(0)).unwrap().job;
    assert_eq!(details.job_process_details.number_of_queued_things, 2);
}

#[test]
fn a_job_for_nobody_is_completed_at_once() {
    let mut model = model();
    create_group(&mut model, "empty", None).unwrap();
    let targets = json!({"targets": [group_arn("empty")]});
    create(&mut model, "J", targets, at(0));
    let job = model.describe_job(&scope(), "J", at(0)).unwrap().job;
    assert_eq!(job.status.as_str(), "COMPLETED");
}

#[test]
fn members_of_groups_below_are_listed_on_request() {
    let model = site();
    assert_eq!(members(&model, "site", false), ["gw-1"]);
    assert_eq!(members(&model, "site", true), ["gw-1", "gw-2"]);
}

#[test]
fn who_leaves_a_group_is_no_member() {
    let mut model = site();
    leave(&mut model, "hall", "gw-1", at(1));
    assert_eq!(members(&model, "hall", true), ["gw-2"]);
    model.delete_thing("gw-2", None, at(1)).unwrap();
    assert_eq!(members(&model, "hall", true), [""; 0]);
}

#[test]
fn a_group_tells_the_groups_above_it() {
    let mut model = site();
    create_group(&mut model, "line", Some("hall")).unwrap();
    let group = model.describe_thing_group(&scope(), "line").unwrap();
    let above = group.thing_group_metadata.root_to_parent_thing_groups;
    let above: Vec<_> = above.into_iter().map(|group| group.group_name).collect();
    assert_eq!(above, ["site", "hall"]);
}

#[test]
fn groups_are_listed_by_their_parent() {
    let mut model = site();
    create_group(&mut model, "line", Some("hall")).unwrap();
    let list = |recursive| {
        let request = ListThingGroups {
            parent_group: Some("site".to_owned()),
            recursive,
            ..ListThingGroups::default()
        };
        let list = model.list_thing_groups(&scope(), &request).unwrap();
        let groups = list.thing_groups.into_iter();
        groups.map(|group| group.group_name).collect::<Vec<_>>()
    };
    assert_eq!(list(None), ["hall", "line"]);
    assert_eq!(list(Some(false)), ["hall"]);
}

#[test]
fn the_groups_of_a_thing_are_those_it_joined() {
    let model = site();
    let page = PageRequest::default();
    let list = model.list_thing_groups_for_thing(&scope(), "gw-2", &page);
    let groups = list.unwrap().thing_groups.into_iter();
    let groups: Vec<_> = groups.map(|group| group.group_name).collect();
    assert_eq!(groups, ["hall"]);
}

#[test]
fn groups_nest_seven_deep() {
    let mut model = model();
    create_group(&mut model, "g1", None).unwrap();
    for level in 2..=7 {
        let parent = format!("g{}", level - 1);
        create_group(&mut model, &format!("g{level}"), Some(&parent)).unwrap();
    }
    let refused = create_group(&mut model, "g8", Some("g7")).unwrap_err();
    assert_eq!(refused.exception(), "InvalidRequestException");
    let targets = json!({"targets": [group_arn("g1")]});
    join(&mut model, "g7", "gw-1", at(0));
    create(&mut model, "J", targets, at(0));
    assert_eq!(status(&model, "J"), "QUEUED");
}

#[test]
fn a_group_with_groups_below_it_stays() {
    let mut model = site();
    assert!(model.delete_thing_group("site", None, at(1)).is_err());
    model.delete_thing_group("hall", None, at(1)).unwrap();
    model.delete_thing_group("site", None, at(1)).unwrap();
    let gone = model.describe_thing_group(&scope(), "site").unwrap_err();
    assert_eq!(gone.to_string(), "Thing Group site cannot be found.");
}

#[test]
fn making_the_same_again_finds_what_is_there() {
    let mut model = site();
    let id = create_group(&mut model, "hall", Some("site")).unwrap();
    assert_eq!(create_group(&mut model, "hall", Some("site")), Ok(id));
    let other = create_group(&mut model, "hall", None).unwrap_err();
    assert_eq!(other.exception(), "ResourceAlreadyExistsException");
}

#[test]
fn a_thing_with_other_attributes_already_exists() {
    let mut model = model();
    let request = |value: &str| {
        let payload = json!({"attributePayload": {"attributes": {"site": value}}});
        let mut request: CreateThing = serde_json::from_value(payload).unwrap();
        request.thing_name = "gw-3".to_owned();
        request
    };
    let made = model.create_thing(&scope(), request("a"), at(0));
    assert_eq!(model.create_thing(&scope(), request("a"), at(1)), made);
    let refused = model.create_thing(&scope(), request("b"), at(2));
    assert_eq!(
        refused.unwrap_err().exception(),
        "ResourceAlreadyExistsException"
    );
}

#[test]
fn things_are_listed_by_their_attributes() {
    let mut model = model();
    let mut request: CreateThing =
        serde_json::from_value(json!({"attributePayload": {"attributes": {"site": "a"}}})).unwrap();
    request.thing_name = "gw-3".to_owned();
    model.create_thing(&scope(), request, at(0)).unwrap();
    let list = |name: Option<&str>, value: Option<&str>| {
        let request = ListThings {
            attribute_name: name.map(str::to_owned),
            attribute_value: value.map(str::to_owned),
            ..ListThings::default()
        };
        let list = model.list_things(&scope(), &request).unwrap();
        let things = list.things.into_iter();
        things.map(|thing| thing.thing_name).collect::<Vec<_>>()
    };
    assert_eq!(list(None, None), ["gw-1", "gw-3"]);
    assert_eq!(list(Some("site"), Some("a")), ["gw-3"]);
    assert_eq!(list(Some("site"), Some("b")), [""; 0]);
}

#[test]
fn every_thing_has_an_id_of_its_own() {
    let mut model = model();
    let first = model.describe_thing(&scope(), "gw-1").unwrap().identity;
    model.delete_thing("gw-1", None, at(0)).unwrap();
    add_thing(&mut model, "gw-1");
    let second = model.describe_thing(&scope(), "gw-1").unwrap().identity;
    assert_ne!(first.thing_id, second.thing_id);
    assert_eq!(second.thing_id.len(), 36);
}

#[test]
fn things_are_listed_by_the_beginning_of_an_attribute_on_request() {
    let mut model = model();
    let mut request: CreateThing =
        parsed(json!({"attributePayload": {"attributes": {"site": "hall-2"}}}));
    request.thing_name = "gw-3".to_owned();
    model.create_thing(&scope(), request, at(0)).unwrap();
    let list = |by_prefix: bool| {
        let request: ListThings = parsed(json!({
            "attributeName": "site",
            "attributeValue": "hall",
            "usePrefixAttributeValue": by_prefix,
        }));
        model.list_things(&scope(), &request).unwrap().things.len()
    };
    assert_eq!((list(true), list(false)), (1, 0));
}

#[test]
fn an_attribute_value_has_the_characters_of_the_registry() {
    let create = |value: &str| {
        let payload = json!({"attributePayload": {"attributes": {"site": value}}});
        let mut request: CreateThing = parsed(payload);
        request.thing_name = "gw-3".to_owned();
        model().create_thing(&scope(), request, at(0)).map(|_| ())
    };
    for value in ["", "aZ0_.,@/:#=[]-"] {
        assert_eq!(create(value), Ok(()), "{value:?}");
    }
    for value in ["a b", "é", "a\n", "a+b"] {
        let refused = create(value).unwrap_err();
        assert_eq!(refused.exception(), "InvalidRequestException", "{value:?}");
    }
}

#[test]
fn attributes_that_are_merged_count_together() {
    let mut model = model();
    let mut merge = |names: core::ops::Range<usize>| {
        let attributes: Map<_, _> = names.map(|n| (n.to_string(), json!("v"))).collect();
        let payload = json!({"attributes": attributes, "merge": true});
        let mut request: UpdateThing = parsed(json!({ "attributePayload": payload }));
        request.thing_name = "gw-1".to_owned();
        model.update_thing(request)
    };
    assert_eq!(merge(0..49), Ok(()));
    assert_eq!(
        merge(49..51).unwrap_err().exception(),
        "InvalidRequestException"
    );
    assert_eq!(merge(48..50), Ok(()));
}

#[test]
fn the_description_of_a_group_is_visible_text() {
    let create = |description: &str| {
        let properties = json!({ "thingGroupDescription": description });
        let mut request: CreateThingGroup = parsed(json!({ "thingGroupProperties": properties }));
        request.thing_group_name = "site".to_owned();
        let made = model().create_thing_group(&scope(), request, at(0));
        made.map(|_| ())
    };
    for description in ["", "Hall 2, übrig", &"d".repeat(2028)] {
        assert_eq!(create(description), Ok(()));
    }
    for description in ["two\nlines", "a\u{a0}b", &"d".repeat(2029)] {
        let refused = create(description).unwrap_err();
        assert_eq!(refused.exception(), "InvalidRequestException");
    }
}

#[test]
fn a_parent_that_is_not_there_is_an_invalid_request() {
    let refused = create_group(&mut model(), "hall", Some("nowhere"));
    let message = "Thing Group nowhere cannot be found.".to_owned();
    assert_eq!(refused.err(), Some(ControlError::InvalidRequest(message)));
}

#[test]
fn every_member_of_a_filter_is_checked() {
    let model = site();
    let things: ListThings = parsed(json!({"attributeName": "a b", "attributeValue": "c d"}));
    let groups = json!({"parentGroup": "a b", "namePrefixFilter": "c d", "maxResults": 0});
    let groups: ListThingGroups = parsed(groups);
    let things = model.list_things(&scope(), &things).unwrap_err();
    let groups = model.list_thing_groups(&scope(), &groups).unwrap_err();
    for (refused, count) in [(things, "2"), (groups, "3")] {
        let begins = format!("{count} validation errors detected: ");
        assert!(refused.to_string().starts_with(&begins), "{refused}");
    }
}

#[test]
fn both_sides_of_a_membership_are_checked_at_once() {
    let request: GroupMembership = parsed(json!({"thingGroupName": "a b", "thingName": "c d"}));
    let refused = model().add_thing_to_thing_group(&scope(), &request, at(0));
    let refused = refused.unwrap_err().to_string();
    assert!(refused.starts_with("2 validation errors"), "{refused}");
}
