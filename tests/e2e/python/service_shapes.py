"""What botocore's service model says of a value, as rules that a test can apply and break.

The model is AWS's own description of the API. Nothing here comes from the service under test.
"""

import re
import unicodedata

# Values that AWS writes as null, though the model knows no null. Source: MiniStack 1.5.33, captured live.
WRITTEN_AS_NULL = {
    "DescribeJob": {"job.jobProcessDetails.processingTargets"},
    "DescribeJobTemplate": {
        "description", "documentSource", "document", "abortConfig", "jobExecutionsRetryConfig", "maintenanceWindows",
        "destinationPackageVersions", "presignedUrlConfig.roleArn", "presignedUrlConfig.expiresInSec",
        "jobExecutionsRolloutConfig.maximumPerMinute", "jobExecutionsRolloutConfig.exponentialRate",
        "timeoutConfig.inProgressTimeoutInMinutes",
    },
}


def in_category(*categories):
    return lambda c: unicodedata.category(c).startswith(categories)


def every(is_legal, least=1):
    return lambda text: len(text) >= least and all(map(is_legal, text))


def printed(pattern):
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


# Each pattern of the model: what obeys it, and a text of ordinary length that does not. Java's \p classes
# are not Python's, so they are written out; a pattern that is missing here fails the test that needs it.
PATTERNS = {
    "[a-zA-Z0-9_-]+": (printed("[a-zA-Z0-9_-]+"), "no blanks"),
    "[a-zA-Z0-9:_-]+": (printed("[a-zA-Z0-9:_-]+"), "no blanks"),
    "[a-zA-Z0-9-_.]+": (printed("[a-zA-Z0-9_.-]+"), "no blanks"),
    "[a-zA-Z0-9_.,@/:#-]+": (printed("[a-zA-Z0-9_.,@/:#-]+"), "no blanks"),
    r"[a-zA-Z0-9_.,@/:#=\[\]-]*": (printed(r"[a-zA-Z0-9_.,@/:#=\[\]-]*"), "no blanks"),
    r"[a-zA-Z0-9\-]+": (printed("[a-zA-Z0-9-]+"), "no:colons"),
    r"[a-zA-Z0-9_-]+|^\$next": (printed(r"[a-zA-Z0-9_-]+|\$next"), "$other"),
    r"[^\p{C}]+": (every(lambda c: not in_category("C")(c)), "two\nlines"),
    r"[\p{Graph}\x20]*": (every(lambda c: c == " " or not in_category("C", "Z")(c), 0), "a\ttab"),
    r"[\p{Upper}\p{Digit}_]+": (printed("[A-Z0-9_]+"), "lower"),
    r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$": (
        every(lambda c: in_category("L", "Z", "N")(c) or c in "_.:/=+-@", 0), "no*stars",
    ),
    "^arn:[!-~]+$": (printed("arn:[!-~]+"), "not-an-arn-at-all-but-long-enough"),
    "^[1-9]+.[0-9]+": (printed("[1-9]+.[0-9]+"), "x"),
    r"[\s\S]*": (every(lambda c: True, 0), None),
    # How many they may be, min and max say as well; here that is told once.
    r"\S{36,64}": (every(lambda c: not c.isspace()), " " * 36),
}

NUMBERS = {"integer": int, "long": int, "double": (int, float), "timestamp": (int, float)}


def broken(shape, value, at=""):
    """The constraints of `shape` that `value` breaks, as (member, words of AWS's message)."""
    kind, rules = shape.type_name, shape.metadata
    found = []
    if kind == "string":
        found += [(at, words) for words in of_text(rules, value)]
    elif kind in ("integer", "long", "double"):
        if "max" in rules and value > rules["max"]:
            found.append((at, f"Member must have value less than or equal to {rules['max']}"))
        if "min" in rules and value < rules["min"]:
            found.append((at, f"Member must have value greater than or equal to {rules['min']}"))
    elif kind == "list":
        found += [(at, words) for words in of_length(rules, value)]
        for index, element in enumerate(value, 1):
            found += broken(shape.member, element, f"{at}.{index}.member")
    elif kind == "map":
        found += [(at, words) for words in of_length(rules, value)]
        if any(list(of_text(shape.key.metadata, key)) for key in value):
            found.append((at, "Map keys must satisfy constraint: ["))
        texts = value.values() if shape.value.type_name == "string" else ()
        if any(list(of_text(shape.value.metadata, each)) for each in texts):
            found.append((at, "Map value must satisfy constraint: ["))
    elif kind == "structure":
        dot = f"{at}." if at else ""
        found += [(dot + name, "Member must not be null") for name in shape.required_members if name not in value]
        for name, member in shape.members.items():
            if name in value:
                found += broken(member, value[name], dot + name)
    return found


def of_length(rules, value):
    if "max" in rules and len(value) > rules["max"]:
        yield f"Member must have length less than or equal to {rules['max']}"
    if "min" in rules and len(value) < rules["min"]:
        yield f"Member must have length greater than or equal to {rules['min']}"


def of_text(rules, value):
    yield from of_length(rules, value)
    if "pattern" in rules and not PATTERNS[rules["pattern"]][0](value):
        yield f"Member must satisfy regular expression pattern: {rules['pattern']}"
    if "enum" in rules and value not in rules["enum"]:
        yield "Member must satisfy enum value set: ["


def misshapen(shape, value, nulls=(), at=""):
    """What is wrong with a value that a service wrote as JSON: wrong types, members that the model does not
    know or misses, texts and numbers out of their bounds."""
    kind = shape.type_name
    if value is None:
        return [] if at in nulls else [f"{at} is null"]
    if kind == "structure":
        return in_structure(shape, value, nulls, at)
    if kind == "list":
        if not isinstance(value, list):
            return [f"{at} is no list"]
        return [fault for each in value for fault in misshapen(shape.member, each, nulls, f"{at}[]")]
    if kind == "map":
        if not isinstance(value, dict):
            return [f"{at} is no map"]
        keys = [fault for key in value for fault in misshapen(shape.key, key, nulls, f"{at}{{key}}")]
        return keys + [fault for each in value.values() for fault in misshapen(shape.value, each, nulls, f"{at}{{}}")]
    if kind == "boolean":
        return [] if isinstance(value, bool) else [f"{at} is no boolean"]
    expected = NUMBERS.get(kind, str)
    if isinstance(value, bool) or not isinstance(value, expected):
        return [f"{at} is {value!r}, no {kind}"]
    return [f"{where} is {value!r}: {words}" for where, words in broken(shape, value, at)]


def in_structure(shape, value, nulls, at):
    if not isinstance(value, dict):
        return [f"{at or 'the body'} is no object"]
    dot = f"{at}." if at else ""
    faults = [f"{dot}{name} is missing" for name in shape.required_members if name not in value]
    for name, each in value.items():
        if name in shape.members:
            faults += misshapen(shape.members[name], each, nulls, dot + name)
        else:
            faults.append(f"{dot}{name} is no member of {shape.name}")
    return faults


def members_of(value, at=""):
    """The members that a value has, lists and maps left out of their paths."""
    if isinstance(value, dict):
        for name, each in value.items():
            if each is not None:
                yield at + name
                yield from members_of(each, f"{at}{name}.")
    elif isinstance(value, list):
        for each in value:
            yield from members_of(each, at)


def members(shape, at=""):
    """The members of a structure and of those in it, spelled as `members_of` does; maps are not entered."""
    for name, member in shape.members.items():
        yield at + name
        inner = member.member if member.type_name == "list" else member
        if inner.type_name == "structure":
            yield from members(inner, f"{at}{name}.")
