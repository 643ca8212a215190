//! Tags of jobs and thing groups.

use crate::model::request::{ListTagsForResource, TagResource, UntagResource};

use super::*;

const JOB_ARN: &str = "arn:aws:iot:eu-west-1:123456789012:job/J";

fn tagged() -> Model {
    let mut model = model();
    create(
        &mut model,
        "J",
        json!({"tags": [{"Key": "a", "Value": "1"}]}),
        at(0),
    );
    create_group(&mut model, "site", None).unwrap();
    model
}

fn tag(model: &mut Model, arn: &str, tags: Value) -> Result<(), ControlError> {
    let request: TagResource = parsed(json!({"resourceArn": arn, "tags": tags}));
    model.tag_resource(&scope(), request)
}

fn untag(model: &mut Model, arn: &str, keys: Value) -> Result<(), ControlError> {
    let request: UntagResource = parsed(json!({"resourceArn": arn, "tagKeys": keys}));
    model.untag_resource(&scope(), &request)
}

fn tags(model: &mut Model, arn: &str) -> Value {
    let list = model.list_tags_for_resource(&scope(), arn).unwrap();
    serde_json::to_value(list.tags).unwrap()
}

#[test]
fn tags_are_added_replaced_and_removed() {
    let mut model = tagged();
    let added = json!([{"Key": "b", "Value": ""}, {"Key": "a", "Value": "2"}]);
    tag(&mut model, JOB_ARN, added.clone()).unwrap();
    assert_eq!(tags(&mut model, JOB_ARN), added);
    untag(&mut model, JOB_ARN, json!(["b", "none"])).unwrap();
    assert_eq!(
        tags(&mut model, JOB_ARN),
        json!([{"Key": "a", "Value": "2"}])
    );
}

#[test]
fn groups_have_tags_too() {
    let mut model = tagged();
    let arn = group_arn("site");
    tag(&mut model, &arn, json!([{"Key": "k", "Value": "v"}])).unwrap();
    assert_eq!(tags(&mut model, &arn), json!([{"Key": "k", "Value": "v"}]));
}

#[test]
fn bad_tags_are_refused_in_the_words_of_aws() {
    let mut model = tagged();
    let legal = json!([{"Key": "k", "Value": "v"}]);
    let many = |from: u32| -> Value {
        (from..from + 50)
            .map(|n| json!({"Key": format!("k{n}"), "Value": "v"}))
            .collect()
    };
    for (arn, tags, message) in [
        (JOB_ARN, json!([]), "The validated collection is empty"),
        (
            JOB_ARN,
            json!([{"Key": "k"}]),
            "Invalid request exception. Please check the input.",
        ),
        (
            JOB_ARN,
            json!([{"Key": "AWS:k", "Value": "v"}]),
            "Tags cannot begin with \"aws:\", offending tag: AWS:k",
        ),
        (
            JOB_ARN,
            many(0),
            "Too many tags provided in the request. Please check the input.",
        ),
        (
            JOB_ARN,
            json!([{"Key": "", "Value": "v".repeat(257)}]),
            "2 validation errors detected: Value '' at 'tags.1.member.key' failed to satisfy \
             constraint: Member must have length greater than or equal to 1; ",
        ),
        ("job/J", legal.clone(), "Invalid arn in request"),
        (
            "arn:aws:s3:eu-west-1:123456789012:job/J",
            legal.clone(),
            "Invalid arn in request",
        ),
        (
            "arn:aws:iot:eu-west-1:999999999999:job/J",
            legal.clone(),
            "ResourceArn doesn't belong in requester's account",
        ),
        (
            "arn:aws:iot:eu-west-1:123456789012:thing/gw-1",
            legal.clone(),
            "Invalid resource type in ARN: thing",
        ),
        (
            "arn:aws:iot:eu-west-1:123456789012:job/none",
            legal,
            "Resource arn:aws:iot:eu-west-1:123456789012:job/none cannot be found.",
        ),
    ] {
        let refused = tag(&mut model, arn, tags).unwrap_err().to_string();
        assert!(refused.starts_with(message), "{refused}");
    }
    assert_eq!(
        tags(&mut model, JOB_ARN),
        json!([{"Key": "a", "Value": "1"}])
    );
}

#[test]
fn bad_keys_are_refused_in_the_words_of_aws() {
    let mut model = tagged();
    for (keys, message) in [
        (json!([]), "The validated collection is empty"),
        (
            json!(["aws:k"]),
            "Tags cannot begin with \"aws:\", offending tag: aws:k",
        ),
        (
            json!(["k", "*"]),
            "1 validation error detected: Value '[k, *]' at 'tagKeys' failed to satisfy \
             constraint: Member must satisfy constraint: [Member must have length less than or \
             equal to 128, ",
        ),
    ] {
        let refused = untag(&mut model, JOB_ARN, keys).unwrap_err().to_string();
        assert!(refused.starts_with(message), "{refused}");
    }
}

#[test]
fn a_tag_without_a_key_is_told_as_such() {
    let refused = tag(&mut tagged(), JOB_ARN, json!([{"Value": "v"}])).unwrap_err();
    let told =
        "Value null at 'tags.1.member.key' failed to satisfy constraint: Member must not be null";
    assert!(refused.to_string().ends_with(told), "{refused}");
}

#[test]
fn a_list_of_tags_has_one_page() {
    let request: ListTagsForResource = parsed(json!({"resourceArn": JOB_ARN}));
    assert_eq!(request.arn(), Ok(JOB_ARN));
    for wrong in [json!({}), json!({"resourceArn": JOB_ARN, "nextToken": "x"})] {
        let request: ListTagsForResource = parsed(wrong);
        assert!(matches!(
            request.arn(),
            Err(ControlError::InvalidRequest(_))
        ));
    }
}

#[test]
fn a_new_resource_takes_no_key_that_a_tag_cannot_have() {
    for key in ["no*stars", "aws:k", "AWS:k", ""] {
        let request = create_request("K", json!({"tags": [{"Key": key, "Value": ""}]}));
        let refused = tagged().create_job(&scope(), request, at(0));
        let refused = refused.map(|_| ()).map_err(|error| error.exception());
        assert_eq!(refused, Err("InvalidRequestException"), "{key:?}");
    }
}
