//! The job templates that AWS manages: eight, all in version 1.0, for Linux.
//!
//! Names, documents and the parameters' patterns: developer guide, job-templates-managed and
//! job-template-manage-cli-create. Only one template is printed there in full, AWS-Download-File: the
//! words that describe the parameters of the others are ours.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Model;
use super::error::ControlError;
use super::names::Scope;
use super::page::{self, page};
use super::validate::{Text, Violations};
use super::view::{
    DocumentParameter, ManagedJobTemplate, ManagedJobTemplateList, ManagedJobTemplateSummary,
};

const VERSION: &str = "1.0";
const ENVIRONMENT: &str = "LINUX";
const NAME: Text = Text {
    min: 1,
    max: 64,
    pattern: None,
};
const OPEN: &str = "${aws:iot:parameter:";
const CLOSE: char = '}';

/// DescribeManagedJobTemplate.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DescribeManagedJobTemplate {
    /// From the path.
    #[serde(skip)]
    pub template_name: String,
    /// The default one unless said otherwise.
    pub template_version: Option<String>,
}

/// ListManagedJobTemplates.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListManagedJobTemplates {
    /// Only this template.
    pub template_name: Option<String>,
    /// 1 to 250.
    pub max_results: Option<i64>,
    /// Where the page before ended.
    pub next_token: Option<String>,
}

/// A template by what differs from one to the next.
#[derive(Debug)]
pub(super) struct Managed {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    /// What its action is called.
    action: &'static str,
    runs: Runs,
    /// The parameters that must be given.
    required: &'static [Parameter],
}

/// What the action of a template runs.
#[derive(Debug, Clone, Copy)]
enum Runs {
    /// What the job gives.
    Command,
    /// A script on the device, with the parameters as its arguments.
    Handler(&'static str),
}

/// A parameter of a template's document.
#[derive(Debug, Clone, Copy)]
struct Parameter {
    key: &'static str,
    description: &'static str,
    example: &'static str,
    /// Most characters, if there is a limit.
    max: Option<usize>,
}

const RUN_AS_USER: Parameter = Parameter {
    key: "runAsUser",
    description: "Execute handler as another user. If not specified, then handler is executed as \
                  the same user as device client.",
    example: "user1",
    max: Some(256),
};
const PATH_TO_HANDLER: Parameter = Parameter {
    key: "pathToHandler",
    description: "Path to handler on the device. If not specified, then device client will use \
                  the current working directory.",
    example: "/path/to/handler/script",
    max: Some(4096),
};
const PACKAGES: Parameter = Parameter {
    key: "packages",
    description: "Space separated list of packages.",
    example: "package1 package2",
    max: None,
};
const SERVICES: Parameter = Parameter {
    key: "services",
    description: "Space separated list of system services.",
    example: "service1 service2",
    max: None,
};

const TEMPLATES: [Managed; 8] = [
    Managed {
        name: "AWS-Download-File",
        description: "A managed job template for downloading a file.",
        action: "Download-File",
        runs: Runs::Handler("download-file.sh"),
        required: &[
            Parameter {
                key: "downloadUrl",
                description: "URL of file to download.",
                example: "http://www.example.com/index.html",
                max: None,
            },
            Parameter {
                key: "filePath",
                description: "Path on the device where downloaded file is written.",
                example: "/path/to/file",
                max: None,
            },
        ],
    },
    Managed {
        name: "AWS-Install-Application",
        description: "A managed job template for installing one or more applications.",
        action: "Install-Application",
        runs: Runs::Handler("install-packages.sh"),
        required: &[PACKAGES],
    },
    Managed {
        name: "AWS-Reboot",
        description: "A managed job template for rebooting the device.",
        action: "Reboot",
        runs: Runs::Handler("reboot.sh"),
        required: &[],
    },
    Managed {
        name: "AWS-Remove-Application",
        description: "A managed job template for uninstalling one or more applications.",
        action: "Remove-Application",
        runs: Runs::Handler("remove-packages.sh"),
        required: &[PACKAGES],
    },
    Managed {
        name: "AWS-Restart-Application",
        description: "A managed job template for restarting one or more system services.",
        action: "Restart-Application",
        runs: Runs::Handler("restart-services.sh"),
        required: &[SERVICES],
    },
    Managed {
        name: "AWS-Run-Command",
        description: "A managed job template for running a shell command.",
        action: "Run-Command",
        runs: Runs::Command,
        required: &[Parameter {
            key: "command",
            description: "Comma separated command and its arguments. A comma within them is \
                          escaped.",
            example: "echo,hello",
            max: None,
        }],
    },
    Managed {
        name: "AWS-Start-Application",
        description: "A managed job template for starting one or more system services.",
        action: "Start-Application",
        runs: Runs::Handler("start-services.sh"),
        required: &[SERVICES],
    },
    Managed {
        name: "AWS-Stop-Application",
        description: "A managed job template for stopping one or more system services.",
        action: "Stop-Application",
        runs: Runs::Handler("stop-services.sh"),
        required: &[SERVICES],
    },
];

impl Model {
    /// DescribeManagedJobTemplate.
    pub fn describe_managed_job_template(
        &self,
        scope: &Scope,
        request: &DescribeManagedJobTemplate,
    ) -> Result<ManagedJobTemplate, ControlError> {
        let mut violations = Violations::default();
        violations.text("templateName", &request.template_name, NAME);
        if let Some(version) = request.template_version.as_ref()
            && !is_version(version)
        {
            let rule = "Member must satisfy regular expression pattern: ^[1-9]+.[0-9]+";
            violations.note(version, "templateVersion", rule);
        }
        violations
            .into_result()
            .map_err(ControlError::InvalidRequest)?;
        let version = request.template_version.as_deref().unwrap_or(VERSION);
        let template = Managed::find(&request.template_name, version);
        let template = template.ok_or_else(|| not_found(&request.template_name))?;
        Ok(ManagedJobTemplate {
            template_name: template.name,
            template_arn: template.arn(scope),
            description: template.description,
            template_version: VERSION,
            environments: [ENVIRONMENT],
            document_parameters: template.views(),
            document: template.document(),
        })
    }

    /// ListManagedJobTemplates, by name.
    pub fn list_managed_job_templates(
        &self,
        scope: &Scope,
        request: &ListManagedJobTemplates,
    ) -> Result<ManagedJobTemplateList, ControlError> {
        let mut violations = Violations::default();
        let name = request.template_name.as_ref();
        violations.optional_text("templateName", name, NAME);
        page::check(&mut violations, request.max_results);
        violations
            .into_result()
            .map_err(ControlError::InvalidRequest)?;
        if let Some(name) = name.filter(|name| Managed::find(name, VERSION).is_none()) {
            return Err(not_found(name));
        }
        let chosen = TEMPLATES
            .iter()
            .filter(|template| name.is_none_or(|name| name == template.name));
        let entries = chosen.map(|template| {
            let summary = ManagedJobTemplateSummary {
                template_arn: template.arn(scope),
                template_name: template.name,
                description: template.description,
                environments: [ENVIRONMENT],
                template_version: VERSION,
            };
            (template.name.to_owned(), summary)
        });
        let token = request.next_token.as_ref();
        let (managed_job_templates, next_token) = page(
            "managed",
            entries,
            self.page_size(request.max_results),
            token,
        )?;
        Ok(ManagedJobTemplateList {
            managed_job_templates,
            next_token,
        })
    }
}

impl Managed {
    /// The template called `name`, in `version`.
    pub(super) fn find(name: &str, version: &str) -> Option<&'static Self> {
        let mut templates = TEMPLATES.iter();
        templates.find(|template| template.name == name && version == VERSION)
    }

    fn arn(&self, scope: &Scope) -> String {
        scope.managed_template_arn(self.name, VERSION)
    }

    /// Its document, with the parameters' placeholders.
    pub(super) fn document(&self) -> String {
        let placeholder = |key: &str| format!("\"{OPEN}{key}{CLOSE}\"");
        let (kind, input) = match self.runs {
            Runs::Command => (
                "runCommand",
                format!("{{\"command\":{}}}", placeholder("command")),
            ),
            Runs::Handler(handler) => {
                let args = self.required.iter().map(|arg| placeholder(arg.key));
                let args = args.collect::<Vec<_>>().join(",");
                let args = if args.is_empty() {
                    args
                } else {
                    format!("\"args\":[{args}],")
                };
                let path = placeholder(PATH_TO_HANDLER.key);
                (
                    "runHandler",
                    format!("{{\"handler\":\"{handler}\",{args}\"path\":{path}}}"),
                )
            }
        };
        let action = self.action;
        let user = placeholder(RUN_AS_USER.key);
        format!(
            "{{\"version\":\"{VERSION}\",\"steps\":[{{\"action\":{{\"name\":\"{action}\",\
             \"type\":\"{kind}\",\"input\":{input},\"runAsUser\":{user}}}}}]}}"
        )
    }

    /// Checks that `given` are parameters of this template, and all that must be.
    pub(super) fn check(&self, given: &BTreeMap<String, String>) -> Result<(), ControlError> {
        if let Some(missing) = self.required.iter().find(|it| !given.contains_key(it.key)) {
            return Err(ControlError::InvalidRequest(format!(
                "Document parameter {} of managed template {} is missing.",
                missing.key, self.name
            )));
        }
        for (key, value) in given {
            let mut parameters = self.parameters();
            let Some(parameter) = parameters.find(|(parameter, _)| parameter.key == key) else {
                return Err(ControlError::InvalidRequest(format!(
                    "Managed template {} has no document parameter {key}.",
                    self.name
                )));
            };
            if !parameter.0.allows(value) {
                return Err(ControlError::InvalidRequest(format!(
                    "The value of document parameter {key} must match {}.",
                    parameter.0.regex()
                )));
            }
        }
        Ok(())
    }

    /// Each parameter, and whether it may be left out.
    fn parameters(&self) -> impl Iterator<Item = (Parameter, bool)> {
        let required = self.required.iter().map(|parameter| (*parameter, false));
        let path = match self.runs {
            Runs::Command => None,
            Runs::Handler(_) => Some((PATH_TO_HANDLER, true)),
        };
        required.chain([(RUN_AS_USER, true)]).chain(path)
    }

    fn views(&self) -> Vec<DocumentParameter> {
        let views = self
            .parameters()
            .map(|(parameter, optional)| DocumentParameter {
                key: parameter.key,
                description: parameter.description,
                regex: parameter.regex(),
                example: parameter.example,
                optional,
            });
        views.collect()
    }
}

impl Parameter {
    fn regex(&self) -> String {
        match self.max {
            Some(max) => format!("(.){{0,{max}}}"),
            None => "(.*?)".to_owned(),
        }
    }

    /// Whether the pattern matches; that no value has a line break was checked before.
    fn allows(&self, value: &str) -> bool {
        self.max.is_none_or(|max| value.chars().count() <= max)
    }
}

/// Puts the values of parameters into a document. One that was left out is empty.
pub(super) fn substitute(document: &str, values: &BTreeMap<String, String>) -> String {
    let mut text = String::with_capacity(document.len());
    let mut rest = document;
    while let Some((before, opened)) = rest.split_once(OPEN)
        && let Some((key, after)) = opened.split_once(CLOSE)
    {
        text.push_str(before);
        let value = values.get(key).map(String::as_str).unwrap_or_default();
        // The placeholder stands within a string of JSON.
        let quoted = serde_json::Value::from(value).to_string();
        let inner = quoted
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        text.push_str(inner.unwrap_or_default());
        rest = after;
    }
    text + rest
}

fn is_version(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.').is_some_and(|(major, minor)| {
        digits(major) && digits(minor) && !major.bytes().any(|byte| byte == b'0')
    })
}

fn not_found(name: &str) -> ControlError {
    ControlError::ResourceNotFound(format!("Managed Job Template {name} cannot be found."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_template_is_the_guides() {
        let template = Managed::find("AWS-Download-File", "1.0").unwrap();
        assert_eq!(
            template.document(),
            "{\"version\":\"1.0\",\"steps\":[{\"action\":{\"name\":\"Download-File\",\
             \"type\":\"runHandler\",\"input\":{\"handler\":\"download-file.sh\",\"args\":\
             [\"${aws:iot:parameter:downloadUrl}\",\"${aws:iot:parameter:filePath}\"],\
             \"path\":\"${aws:iot:parameter:pathToHandler}\"},\
             \"runAsUser\":\"${aws:iot:parameter:runAsUser}\"}}]}"
        );
    }

    #[test]
    fn a_command_has_no_path_and_a_reboot_no_arguments() {
        let document = |name| Managed::find(name, VERSION).unwrap().document();
        assert_eq!(
            document("AWS-Run-Command"),
            "{\"version\":\"1.0\",\"steps\":[{\"action\":{\"name\":\"Run-Command\",\
             \"type\":\"runCommand\",\"input\":{\"command\":\"${aws:iot:parameter:command}\"},\
             \"runAsUser\":\"${aws:iot:parameter:runAsUser}\"}}]}"
        );
        assert!(document("AWS-Reboot").contains("{\"handler\":\"reboot.sh\",\"path\":"));
    }

    #[test]
    fn every_document_is_json_and_has_every_parameter() {
        for template in &TEMPLATES {
            let document = template.document();
            serde_json::from_str::<serde_json::Value>(&document).unwrap();
            for (parameter, _) in template.parameters() {
                let placeholder = format!("{OPEN}{}{CLOSE}", parameter.key);
                assert_eq!(
                    document.matches(&placeholder).count(),
                    1,
                    "{}",
                    template.name
                );
            }
        }
    }

    #[test]
    fn values_are_put_in_as_json_and_what_is_left_out_is_empty() {
        let values = BTreeMap::from([("a".to_owned(), r#"say "\n" ${x}"#.to_owned())]);
        let document = r#"{"a":"${aws:iot:parameter:a}","b":"<${aws:iot:parameter:b}>"}"#;
        let document: serde_json::Value =
            serde_json::from_str(&substitute(document, &values)).unwrap();
        assert_eq!(
            document,
            serde_json::json!({"a": r#"say "\n" ${x}"#, "b": "<>"})
        );
    }

    #[test]
    fn versions_have_two_numbers() {
        for (version, legal) in [
            ("1.0", true),
            ("12.34", true),
            ("1", false),
            ("0.1", false),
            ("1.", false),
        ] {
            assert_eq!(is_version(version), legal, "{version}");
        }
    }
}
