//! The operations of `iot` by their requests, so that a fault can name them.
//!
//! Facts: botocore's service model of `iot`, whose labels are left out here.

use axum::http::Method;

/// An operation: its name, its method, and its path with empty labels.
type Row = (&'static str, Method, &'static str);

const LABEL: &str = "{}";

/// By name.
static OPERATIONS: [Row; 74] = [
    (
        "AddThingToThingGroup",
        Method::PUT,
        "/thing-groups/addThingToThingGroup",
    ),
    (
        "AssociateSbomWithPackageVersion",
        Method::PUT,
        "/packages/{}/versions/{}/sbom",
    ),
    ("AssociateTargetsWithJob", Method::POST, "/jobs/{}/targets"),
    ("AttachPolicy", Method::PUT, "/target-policies/{}"),
    ("AttachThingPrincipal", Method::PUT, "/things/{}/principals"),
    ("CancelJob", Method::PUT, "/jobs/{}/cancel"),
    (
        "CancelJobExecution",
        Method::PUT,
        "/things/{}/jobs/{}/cancel",
    ),
    (
        "CreateDynamicThingGroup",
        Method::POST,
        "/dynamic-thing-groups/{}",
    ),
    ("CreateJob", Method::PUT, "/jobs/{}"),
    ("CreateJobTemplate", Method::PUT, "/job-templates/{}"),
    (
        "CreateKeysAndCertificate",
        Method::POST,
        "/keys-and-certificate",
    ),
    ("CreatePackage", Method::PUT, "/packages/{}"),
    (
        "CreatePackageVersion",
        Method::PUT,
        "/packages/{}/versions/{}",
    ),
    ("CreatePolicy", Method::POST, "/policies/{}"),
    ("CreateThing", Method::POST, "/things/{}"),
    ("CreateThingGroup", Method::POST, "/thing-groups/{}"),
    ("CreateThingType", Method::POST, "/thing-types/{}"),
    (
        "DeleteDynamicThingGroup",
        Method::DELETE,
        "/dynamic-thing-groups/{}",
    ),
    ("DeleteJob", Method::DELETE, "/jobs/{}"),
    (
        "DeleteJobExecution",
        Method::DELETE,
        "/things/{}/jobs/{}/executionNumber/{}",
    ),
    ("DeleteJobTemplate", Method::DELETE, "/job-templates/{}"),
    ("DeletePackage", Method::DELETE, "/packages/{}"),
    (
        "DeletePackageVersion",
        Method::DELETE,
        "/packages/{}/versions/{}",
    ),
    ("DeletePolicy", Method::DELETE, "/policies/{}"),
    ("DeleteThing", Method::DELETE, "/things/{}"),
    ("DeleteThingGroup", Method::DELETE, "/thing-groups/{}"),
    ("DeleteThingType", Method::DELETE, "/thing-types/{}"),
    ("DescribeEndpoint", Method::GET, "/endpoint"),
    (
        "DescribeEventConfigurations",
        Method::GET,
        "/event-configurations",
    ),
    ("DescribeJob", Method::GET, "/jobs/{}"),
    ("DescribeJobExecution", Method::GET, "/things/{}/jobs/{}"),
    ("DescribeJobTemplate", Method::GET, "/job-templates/{}"),
    (
        "DescribeManagedJobTemplate",
        Method::GET,
        "/managed-job-templates/{}",
    ),
    ("DescribeThing", Method::GET, "/things/{}"),
    ("DescribeThingGroup", Method::GET, "/thing-groups/{}"),
    ("DescribeThingType", Method::GET, "/thing-types/{}"),
    ("DetachPolicy", Method::POST, "/target-policies/{}"),
    (
        "DetachThingPrincipal",
        Method::DELETE,
        "/things/{}/principals",
    ),
    (
        "DisassociateSbomFromPackageVersion",
        Method::DELETE,
        "/packages/{}/versions/{}/sbom",
    ),
    ("GetJobDocument", Method::GET, "/jobs/{}/job-document"),
    ("GetPackage", Method::GET, "/packages/{}"),
    (
        "GetPackageConfiguration",
        Method::GET,
        "/package-configuration",
    ),
    ("GetPackageVersion", Method::GET, "/packages/{}/versions/{}"),
    ("GetPolicy", Method::GET, "/policies/{}"),
    ("ListJobExecutionsForJob", Method::GET, "/jobs/{}/things"),
    ("ListJobExecutionsForThing", Method::GET, "/things/{}/jobs"),
    ("ListJobTemplates", Method::GET, "/job-templates"),
    ("ListJobs", Method::GET, "/jobs"),
    (
        "ListManagedJobTemplates",
        Method::GET,
        "/managed-job-templates",
    ),
    ("ListPackageVersions", Method::GET, "/packages/{}/versions"),
    ("ListPackages", Method::GET, "/packages"),
    ("ListPolicies", Method::GET, "/policies"),
    (
        "ListSbomValidationResults",
        Method::GET,
        "/packages/{}/versions/{}/sbom-validation-results",
    ),
    ("ListTagsForResource", Method::GET, "/tags"),
    ("ListThingGroups", Method::GET, "/thing-groups"),
    (
        "ListThingGroupsForThing",
        Method::GET,
        "/things/{}/thing-groups",
    ),
    ("ListThingPrincipals", Method::GET, "/things/{}/principals"),
    ("ListThingTypes", Method::GET, "/thing-types"),
    ("ListThings", Method::GET, "/things"),
    (
        "ListThingsInThingGroup",
        Method::GET,
        "/thing-groups/{}/things",
    ),
    ("RegisterThing", Method::POST, "/things"),
    (
        "RemoveThingFromThingGroup",
        Method::PUT,
        "/thing-groups/removeThingFromThingGroup",
    ),
    ("TagResource", Method::POST, "/tags"),
    ("UntagResource", Method::POST, "/untag"),
    (
        "UpdateDynamicThingGroup",
        Method::PATCH,
        "/dynamic-thing-groups/{}",
    ),
    (
        "UpdateEventConfigurations",
        Method::PATCH,
        "/event-configurations",
    ),
    ("UpdateJob", Method::PATCH, "/jobs/{}"),
    ("UpdatePackage", Method::PATCH, "/packages/{}"),
    (
        "UpdatePackageConfiguration",
        Method::PATCH,
        "/package-configuration",
    ),
    (
        "UpdatePackageVersion",
        Method::PATCH,
        "/packages/{}/versions/{}",
    ),
    ("UpdateThing", Method::PATCH, "/things/{}"),
    ("UpdateThingGroup", Method::PATCH, "/thing-groups/{}"),
    (
        "UpdateThingGroupsForThing",
        Method::PUT,
        "/thing-groups/updateThingGroupsForThing",
    ),
    ("UpdateThingType", Method::PATCH, "/thing-types/{}"),
];

/// The operation of a request, by its method and its path.
pub(super) fn named(method: &Method, path: &str) -> Option<&'static str> {
    let fitting = OPERATIONS
        .iter()
        .filter(|(_, its_method, its_path)| method == its_method && fits(path, its_path));
    // A path may be a literal one and one with a label at the same time; then it is the literal one.
    let literal = fitting.min_by_key(|(.., its_path)| its_path.matches(LABEL).count());
    literal.map(|(name, ..)| *name)
}

/// Whether there is an operation of this name.
pub(super) fn is_known(name: &str) -> bool {
    OPERATIONS.iter().any(|(known, ..)| *known == name)
}

fn fits(path: &str, its_path: &str) -> bool {
    let mut segments = path.split('/');
    let fits = its_path.split('/').all(|expected| {
        let segment = segments.next();
        segment.is_some_and(|segment| segment == expected || expected == LABEL)
    });
    fits && segments.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_known_by_its_method_and_path() {
        for (method, path, name) in [
            (Method::PUT, "/jobs/a%2Fb", Some("CreateJob")),
            (Method::GET, "/jobs/j", Some("DescribeJob")),
            (Method::GET, "/jobs", Some("ListJobs")),
            (
                Method::GET,
                "/things/gw-1/jobs/j",
                Some("DescribeJobExecution"),
            ),
            (
                Method::PUT,
                "/thing-groups/addThingToThingGroup",
                Some("AddThingToThingGroup"),
            ),
            (Method::PUT, "/jobs", None),
            (Method::GET, "/jobs/j/", None),
            (Method::GET, "/nothing", None),
        ] {
            assert_eq!(named(&method, path), name, "{method} {path}");
        }
    }

    #[test]
    fn no_two_operations_share_a_request() {
        for (name, method, path) in &OPERATIONS {
            assert_eq!(named(method, path), Some(*name));
        }
    }
}
