//! What is off unless it is asked for.

use super::*;

const ADMIN: [&str; 9] = [
    "GET /_local/clock",
    "POST /_local/clock",
    "POST /_local/connections/close",
    "GET /_local/faults",
    "POST /_local/faults",
    "GET /_local/faults/log",
    "GET /_local/knobs",
    "POST /_local/knobs",
    "POST /_local/reset",
];

#[tokio::test]
async fn the_admin_api_is_off_unless_asked_for() {
    let client = Client::start(Settings::default()).await;
    client.iot("POST /things/gw-1", json!({})).await.ok();
    for line in ADMIN {
        let answer = client.local(line, json!({})).await;
        let says = answer.body["message"].as_str().unwrap().to_owned();
        assert!(says.contains("with --admin"), "{line}: {says}");
        assert_eq!(answer.refused(), refusal(403, "AccessDeniedException"));
    }
    let status = client.local("GET /_local/status", json!({})).await.ok();
    assert_eq!(status["things"], 1);
    let certificate = "POST /_local/things/gw-1/certificate";
    client.local(certificate, json!({})).await.ok();
}

#[tokio::test]
async fn other_machines_get_no_certificate_without_the_admin_api() {
    for (admin, status) in [(false, 403), (true, 200)] {
        let settings = Settings {
            http: "0.0.0.0:0".parse().unwrap(),
            allow_remote: true,
            admin,
            ..Settings::default()
        };
        let client = Client::start(settings).await;
        let certificate = "POST /_local/things/gw-1/certificate";
        let answer = client.local(certificate, json!({})).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
}

#[tokio::test]
async fn a_clock_is_scaled_and_says_so() {
    let client = Client::new().await;
    let scaled = client.local(
        "POST /_local/clock",
        json!({"scale": 3600, "frozen": false}),
    );
    let shown = scaled.await.ok();
    assert_eq!(shown["scale"], 3600.0);
    assert_eq!(shown["frozen"], false);
    for scale in [json!(0), json!(-1), json!(100_001), json!("fast")] {
        let answer = client.local("POST /_local/clock", json!({"scale": scale}));
        assert_eq!(
            answer.await.refused(),
            refusal(400, "InvalidRequestException")
        );
    }
}
