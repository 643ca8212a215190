"""The operations of the software package catalog, for service_world.py."""

from service_case import BUCKET, IOT, ROLE, arn

TOKEN = "0123456789-0123456789-0123456789-0123"
PACKAGE, VERSION = {"packageName": "app"}, {"packageName": "app", "versionName": "1.0"}
DRAFT = {"packageName": "other", "versionName": "0.1"}
TAG_MAP = {"team": "edge"}
LOCATION = {"s3Location": {"bucket": BUCKET, "key": "image.bin", "version": "v1"}}
NEW_PACKAGE = {"packageName": "new", "description": "an app", "tags": TAG_MAP, "clientToken": TOKEN}
NEW_VERSION = {
    "packageName": "app", "versionName": "2.0", "description": "the second", "attributes": {"sha256": "00"},
    "artifact": LOCATION, "recipe": "{}", "tags": TAG_MAP, "clientToken": TOKEN,
}
UPDATED_PACKAGE = {**PACKAGE, "description": "another", "defaultVersionName": "1.0", "clientToken": TOKEN}
UNSET_PACKAGE = {**PACKAGE, "unsetDefaultVersion": True}
UPDATED_VERSION = {
    **DRAFT, "description": "changed", "attributes": {"sha256": "11"}, "artifact": LOCATION, "recipe": "[]",
    "clientToken": TOKEN,
}
DEPRECATED_VERSION = {**VERSION, "action": "DEPRECATE"}
CONFIGURATION = {"versionUpdateByJobsConfig": {"enabled": True, "roleArn": ROLE}, "clientToken": TOKEN}
DESTINATION = arn("package", "app/version/1.0")


def build_packages():
    """A package with a published version, which is its default, and one with a draft."""
    IOT.create_package(packageName="app", description="in the world")
    IOT.create_package_version(**VERSION, attributes={"sha256": "00"})
    IOT.update_package_version(**VERSION, action="PUBLISH")
    IOT.update_package(packageName="app", defaultVersionName="1.0")
    IOT.create_package(packageName="other")
    IOT.create_package_version(**DRAFT)
    IOT.create_package(packageName="empty")
    IOT.update_package_configuration(versionUpdateByJobsConfig={"enabled": False, "roleArn": ROLE})


def has(test, request, found, *unlike):
    for member in request.keys() - {"clientToken", *unlike}:
        test.assertEqual(found.get(member), request[member], member)


def tags_of(resource):
    return IOT.list_tags_for_resource(resourceArn=resource)["tags"]


def package_was_made(test, request, answer):
    has(test, request, answer, "tags")
    has(test, request, IOT.get_package(packageName="new"), "tags")
    test.assertEqual(tags_of(answer["packageArn"]), [{"Key": "team", "Value": "edge"}])


def version_was_made(test, request, answer):
    has(test, request, answer, "artifact", "recipe", "tags")
    has(test, request, IOT.get_package_version(packageName="app", versionName="2.0"), "tags")
    test.assertEqual(answer["status"], "DRAFT")
    test.assertEqual(tags_of(answer["packageVersionArn"]), [{"Key": "team", "Value": "edge"}])


def package_was_updated(test, request, _):
    found = IOT.get_package(packageName="app")
    has(test, request, found, "unsetDefaultVersion")
    if request.get("unsetDefaultVersion"):
        test.assertNotIn("defaultVersionName", found)


def version_was_updated(test, request, _):
    found = IOT.get_package_version(packageName=request["packageName"], versionName=request["versionName"])
    has(test, request, found, "action")
    test.assertEqual(found["status"], "DEPRECATED" if "action" in request else "DRAFT")


def package_is_gone(test, *_):
    test.missing(IOT.get_package, packageName="empty")


def version_is_gone(test, *_):
    test.missing(IOT.get_package_version, **DRAFT)


def configuration_was_updated(test, request, _):
    has(test, request, IOT.get_package_configuration())
