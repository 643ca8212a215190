//! Why there is no connection, in the words of whoever can mend it.
//!
//! MQTT 3.1.1 says nothing but a closed socket for most refusals. What was going on when it closed is the best hint there is
//! (AWS IoT developer guide, "MQTT", and "Lifecycle events": an operation that the policy does not allow ends the connection).

use core::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError, InvalidMessage};

/// What the connection was doing when it ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    /// TCP and TLS, and CONNECT until its CONNACK.
    #[default]
    Connecting,
    /// Nothing of ours was under way.
    Idle,
    /// A PUBLISH until its PUBACK.
    Publishing,
    /// A SUBSCRIBE until its SUBACK.
    Subscribing,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting => "before it was established",
            Self::Idle => "while it was idle",
            Self::Publishing => "after a PUBLISH",
            Self::Subscribing => "after a SUBSCRIBE",
        })
    }
}

/// Why the link is down. Equal causes are logged once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Cause {
    /// The endpoint knows none of the ALPN protocols that were offered.
    #[error("the endpoint refused the ALPN protocol")]
    Alpn,
    /// The endpoint refused our certificate with a TLS alert.
    #[error("the endpoint refused the device certificate (TLS alert {0})")]
    CertificateRefused(&'static str),
    /// The socket was closed without a word.
    #[error("the endpoint closed the connection {0}")]
    Closed(Stage),
    /// The files of our own TLS identity cannot be used.
    #[error("{0}")]
    Credentials(String),
    /// The name does not resolve.
    #[error("the endpoint's name does not resolve: {0}")]
    Dns(String),
    /// We closed it.
    #[error("the agent closed the connection")]
    Ended,
    /// The endpoint's certificate is not one that we trust.
    #[error("the endpoint's certificate is not trusted: {0}")]
    EndpointUntrusted(String),
    /// The endpoint speaks another protocol.
    #[error("the endpoint does not speak TLS")]
    NoTls,
    /// Nothing came back.
    #[error("no answer from the endpoint {0}")]
    NoAnswer(Stage),
    /// An error that has no better words.
    #[error("{0}")]
    Other(String),
    /// The broker said no to CONNECT.
    #[error("the broker refused the connection with code {code} ({name})", name = connack_name(*code))]
    Refused {
        /// The CONNACK's return code.
        code: u8,
    },
    /// The endpoint has no TLS version or cipher that we have.
    #[error("the endpoint has no TLS version and cipher in common with the agent ({0})")]
    TlsVersion(String),
    /// The operating system said no.
    #[error("the endpoint cannot be reached: {0}")]
    Unreachable(io::ErrorKind),
}

impl Cause {
    /// Reads what an I/O error wraps, which is where TLS errors arrive.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what is not about a connection keeps the system's words"
    )]
    pub(crate) fn of_io(error: &io::Error, stage: Stage) -> Self {
        if let Some(inner) = error.get_ref() {
            if let Some(dns) = inner.downcast_ref::<Unresolved>() {
                return Self::Dns(dns.0.clone());
            }
            if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
                return Self::of_tls(tls, stage);
            }
        }
        match error.kind() {
            io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Self::Closed(stage),
            io::ErrorKind::TimedOut => Self::NoAnswer(stage),
            kind @ (io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::NetworkUnreachable) => Self::Unreachable(kind),
            _ => Self::Other(error.to_string()),
        }
    }

    /// Tells a refusal of our certificate from a refusal of theirs.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "rustls may add errors; they keep its own words"
    )]
    pub(crate) fn of_tls(error: &rustls::Error, stage: Stage) -> Self {
        match error {
            rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)
            | rustls::Error::NoApplicationProtocol => Self::Alpn,
            rustls::Error::AlertReceived(
                alert @ (AlertDescription::ProtocolVersion
                | AlertDescription::HandshakeFailure
                | AlertDescription::InsufficientSecurity),
            ) => Self::TlsVersion(format!("TLS alert {alert:?}")),
            rustls::Error::PeerIncompatible(why) => Self::TlsVersion(format!("{why:?}")),
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NoTls,
            rustls::Error::AlertReceived(alert) => refusal(*alert)
                .map_or_else(|| Self::Other(error.to_string()), Self::CertificateRefused),
            rustls::Error::InvalidCertificate(problem) => {
                Self::EndpointUntrusted(untrusted(problem))
            }
            rustls::Error::General(_) if stage != Stage::Connecting => Self::Closed(stage),
            other => Self::Other(other.to_string()),
        }
    }

    /// Whether it ended a link that was up, and not the attempt to get one.
    pub(crate) const fn is_of_a_link_that_was_up(&self) -> bool {
        matches!(
            self,
            Self::Closed(Stage::Idle | Stage::Publishing | Stage::Subscribing)
                | Self::NoAnswer(Stage::Idle | Stage::Publishing | Stage::Subscribing)
                | Self::Ended
        )
    }

    /// What to look at, in one sentence.
    pub(crate) const fn help(&self) -> Option<&'static str> {
        Some(match self {
            Self::Alpn => {
                "check `alpn` in [mqtt]: AWS IoT Core takes `x-amzn-mqtt-ca` on port 443 and none on 8883"
            }
            Self::CertificateRefused(_) => {
                "check that the certificate is registered and ACTIVE in AWS IoT, and that `certificate` and `private_key` are its files"
            }
            Self::Closed(Stage::Connecting) => {
                "check that the certificate is ACTIVE, that its policy allows iot:Connect for this client id, and that no other client uses the same id"
            }
            Self::Closed(Stage::Idle) => {
                "a second client with the same client id ends the first one's connection"
            }
            Self::Closed(Stage::Publishing) => {
                "check that the policy allows iot:Publish on topic/$aws/things/<thing>/jobs/*"
            }
            Self::Closed(Stage::Subscribing) | Self::NoAnswer(Stage::Subscribing) => {
                "check that the policy allows iot:Subscribe on topicfilter/$aws/things/<thing>/jobs/*"
            }
            Self::Credentials(_) => "check `certificate`, `private_key` and `root_ca` in [mqtt]",
            Self::Dns(_) => "check `endpoint` in [mqtt] and the device's name servers",
            Self::EndpointUntrusted(_) => {
                "check `root_ca` and `endpoint` in [mqtt], and the device's clock"
            }
            Self::NoTls => "check `endpoint` and `port` in [mqtt]: MQTT over TLS is on 8883 or 443",
            Self::TlsVersion(_) => {
                "the agent speaks TLS 1.2 and 1.3: raise the endpoint's security policy"
            }
            Self::NoAnswer(Stage::Connecting | Stage::Idle | Stage::Publishing)
            | Self::Unreachable(_) => {
                "check `endpoint` and `port` in [mqtt], the device's network and firewalls in between"
            }
            Self::Refused { code: 1 } => "the broker does not speak MQTT 3.1.1",
            Self::Refused { code: 2 } => "choose another `client_id` in [mqtt]",
            Self::Refused { code: 3 } => "the service is busy; the agent tries again",
            Self::Refused { .. } => {
                "check that the certificate is ACTIVE and that its policy allows iot:Connect for this client id"
            }
            Self::Ended | Self::Other(_) => return None,
        })
    }
}

/// A name that does not resolve; wrapped into an [`io::Error`], so that it is told apart from a refused connection.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unresolved(pub(crate) String);

/// Names the return codes of a CONNACK; 7 is AWS's own for "not authorized" (developer guide, "MQTT").
const fn connack_name(code: u8) -> &'static str {
    match code {
        1 => "unacceptable protocol version",
        2 => "identifier rejected",
        3 => "server unavailable",
        4 => "bad user name or password",
        5 | 7 => "not authorized",
        _ => "unknown",
    }
}

/// The name of an alert by which a server refuses the client's certificate.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "every other alert is about something else"
)]
const fn refusal(alert: AlertDescription) -> Option<&'static str> {
    Some(match alert {
        AlertDescription::AccessDenied => "access_denied",
        AlertDescription::BadCertificate => "bad_certificate",
        AlertDescription::CertificateExpired => "certificate_expired",
        AlertDescription::CertificateRequired => "certificate_required",
        AlertDescription::CertificateRevoked => "certificate_revoked",
        AlertDescription::CertificateUnknown => "certificate_unknown",
        AlertDescription::UnknownCA => "unknown_ca",
        AlertDescription::UnsupportedCertificate => "unsupported_certificate",
        _ => return None,
    })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "rustls may add problems; they keep its own words"
)]
fn untrusted(problem: &CertificateError) -> String {
    match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired by the device's clock".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet by the device's clock".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name".to_owned()
        }
        CertificateError::UnknownIssuer => "no root in `root_ca` vouches for it".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(error: rustls::Error) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }

    #[test]
    fn an_alert_about_our_certificate_is_a_refusal_of_it() {
        let error = tls(rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired,
        ));

        assert_eq!(
            Cause::of_io(&error, Stage::Connecting),
            Cause::CertificateRefused("certificate_required")
        );
    }

    #[test]
    fn an_alert_about_something_else_keeps_its_own_words() {
        let error = tls(rustls::Error::AlertReceived(
            AlertDescription::InternalError,
        ));

        assert!(matches!(
            Cause::of_io(&error, Stage::Connecting),
            Cause::Other(words) if words.contains("InternalError")
        ));
    }

    #[test]
    fn a_server_that_refuses_the_handshake_is_told_with_what_to_look_at() {
        let cases = [
            (
                rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol),
                "`alpn`",
            ),
            (
                rustls::Error::AlertReceived(AlertDescription::ProtocolVersion),
                "TLS 1.2 and 1.3",
            ),
            (
                rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType),
                "`port`",
            ),
        ];
        for (error, hint) in cases {
            let cause = Cause::of_io(&tls(error), Stage::Connecting);
            let help = cause.help().unwrap_or_default();
            assert!(help.contains(hint), "{cause}: {help}");
        }
    }

    #[test]
    fn an_unknown_issuer_points_to_the_root_file() {
        let cause = Cause::of_io(
            &tls(rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer,
            )),
            Stage::Connecting,
        );

        assert_eq!(
            cause,
            Cause::EndpointUntrusted("no root in `root_ca` vouches for it".to_owned())
        );
        assert!(cause.help().is_some_and(|help| help.contains("root_ca")));
    }

    #[test]
    fn a_socket_closed_after_subscribe_hints_at_the_policy() {
        let cause = Cause::of_io(
            &io::Error::from(io::ErrorKind::ConnectionReset),
            Stage::Subscribing,
        );

        assert_eq!(cause, Cause::Closed(Stage::Subscribing));
        assert!(
            cause
                .help()
                .is_some_and(|help| help.contains("iot:Subscribe"))
        );
    }

    #[test]
    fn a_socket_closed_before_connack_hints_at_connect() {
        let cause = Cause::of_io(
            &io::Error::from(io::ErrorKind::UnexpectedEof),
            Stage::Connecting,
        );

        assert!(
            cause
                .help()
                .is_some_and(|help| help.contains("iot:Connect"))
        );
    }

    #[test]
    fn a_name_that_does_not_resolve_is_no_refused_connection() {
        let error = io::Error::other(Unresolved("no such host".to_owned()));

        assert_eq!(
            Cause::of_io(&error, Stage::Connecting),
            Cause::Dns("no such host".to_owned())
        );
    }

    #[test]
    fn awss_own_connack_code_for_not_authorized_is_named() {
        assert_eq!(
            Cause::Refused { code: 7 }.to_string(),
            "the broker refused the connection with code 7 (not authorized)"
        );
    }
}
