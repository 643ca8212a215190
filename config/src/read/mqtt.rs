//! `[mqtt]`

use core::net::IpAddr;
use std::path::PathBuf;

use iot_jobs_proto::names::ThingName;

use crate::Mqtt;
use crate::files::Need;
use crate::reader::At;
use crate::table::{Section, Unit};

const PORT: u64 = 8883;
const PORT_WITH_ALPN: u16 = 443;
/// What AWS IoT Core asks for on port 443 with a client certificate (AWS IoT developer guide, "Device communication protocols").
const ALPN: &str = "x-amzn-mqtt-ca";
/// A protocol's name has one byte for its length (RFC 7301).
const ALPN_LEN_MAX: usize = 255;
/// Longest client id (AWS IoT Core endpoints and quotas, "Client ID size").
const CLIENT_ID_LEN_MAX: usize = 128;
/// Longest host name (RFC 1035).
const HOST_LEN_MAX: usize = 253;
const HOST_LABEL_LEN_MAX: usize = 63;

pub(super) fn read(mut section: Section<'_, '_>) -> Option<Mqtt> {
    let endpoint = endpoint(&mut section);
    let port = section.number("port", 1..=u64::from(u16::MAX), Some(PORT));
    let port = port.and_then(|port| u16::try_from(port).ok());
    let alpn = alpn(&mut section, port);
    let thing_name = thing_name(&mut section);
    let client_id = client_id(&mut section);
    let certificate = file(
        &mut section,
        "certificate",
        Need::Certificates,
        "set it to the PEM file with the device's certificate",
    );
    let private_key = file(
        &mut section,
        "private_key",
        Need::PrivateKey,
        "set it to the PEM file with the device's private key",
    );
    let root_ca = file(
        &mut section,
        "root_ca",
        Need::Certificates,
        "set it to a PEM file with Amazon Root CA 1 and 3",
    );
    let keep_alive = section.duration("keep_alive_secs", Unit::Seconds, 30.0..=1200.0, 60.0);
    section.finish();

    let thing_name = thing_name?;
    Some(Mqtt {
        endpoint: endpoint?,
        port: port?,
        alpn,
        client_id: client_id.unwrap_or_else(|| thing_name.as_str().to_owned()),
        thing_name,
        certificate: certificate?,
        private_key: private_key?,
        root_ca: root_ca?,
        keep_alive,
    })
}

fn endpoint(section: &mut Section<'_, '_>) -> Option<String> {
    let help = "set it to what `aws iot describe-endpoint --endpoint-type iot:Data-ATS` prints";
    let text = section.required_text("endpoint", help)?;
    let (scheme, rest) = text
        .value
        .split_once("://")
        .map_or((None, text.value), |(scheme, rest)| (Some(scheme), rest));
    let (authority, path) = rest
        .split_once('/')
        .map_or((rest, None), |(host, path)| (host, Some(path)));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, Some(port)),
        Some(_) | None => (authority, None),
    };

    let help = format!("write the bare host name: `{host}`");
    let mut refuse = |problem: String, help: String| {
        section.reader.problem(text.offset, problem, help);
        None
    };
    if !is_host(host) {
        let problem = format!("`endpoint` {:?} is no host name", text.value);
        return refuse(
            problem,
            "write a host name such as `localhost`, without scheme, port and path".to_owned(),
        );
    }
    if let Some(scheme) = scheme {
        return refuse(format!("`endpoint` begins with `{scheme}://`"), help);
    }
    if path.is_some() {
        return refuse("`endpoint` has a path".to_owned(), help);
    }
    if let Some(port) = port {
        return refuse(
            format!("`endpoint` ends with port `:{port}`"),
            format!("{help}, and `port = {port}` on a line of its own"),
        );
    }
    Some(host.to_owned())
}

fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=HOST_LABEL_LEN_MAX).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    text.parse::<IpAddr>().is_ok() || (name.len() <= HOST_LEN_MAX && name.split('.').all(label))
}

fn alpn(section: &mut Section<'_, '_>, port: Option<u16>) -> Option<String> {
    let Some(text) = section.text("alpn") else {
        return (port == Some(PORT_WITH_ALPN)).then(|| ALPN.to_owned());
    };
    if text.value.len() > ALPN_LEN_MAX || !text.value.chars().all(|c| c.is_ascii_graphic()) {
        let problem = format!("`alpn` {:?} is no protocol name", text.value);
        let help = format!("write `{ALPN}`, or remove the line");
        section.reader.problem(text.offset, problem, help);
    }
    Some(text.value.to_owned())
}

fn thing_name(section: &mut Section<'_, '_>) -> Option<ThingName> {
    let help = "set it to the thing's name in AWS IoT";
    let At { value, offset } = section.required_text("thing_name", help)?;
    match ThingName::parse(value) {
        Ok(name) => Some(name),
        Err(error) => {
            let problem = format!("`thing_name`: {error}");
            let help = "use 1 to 128 of a-z A-Z 0-9 : _ - as AWS IoT does";
            section.reader.problem(offset, problem, help);
            None
        }
    }
}

fn client_id(section: &mut Section<'_, '_>) -> Option<String> {
    let At { value, offset } = section.text("client_id")?;
    let wrong = if value.len() > CLIENT_ID_LEN_MAX {
        Some(format!("`client_id` has {} bytes", value.len()))
    } else if value.starts_with('$') || value.contains(char::is_control) {
        Some(format!("`client_id` {value:?} is refused by AWS IoT Core"))
    } else {
        None
    };
    if let Some(problem) = wrong {
        let help = format!(
            "use at most {CLIENT_ID_LEN_MAX} bytes without a leading $, or remove the line: then it is the thing's name"
        );
        section.reader.problem(offset, problem, help);
    }
    Some(value.to_owned())
}

fn file(
    section: &mut Section<'_, '_>,
    key: &'static str,
    need: Need,
    help: &str,
) -> Option<PathBuf> {
    let path = section.required_path(key, help)?;
    section.reader.demand(key, &path, need);
    Some(path.value)
}
