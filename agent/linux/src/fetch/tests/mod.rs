//! Downloads over real loopback sockets from a host that does everything wrong once.

mod server;
mod slots;

use core::cell::{Cell, RefCell};
use core::time::Duration;
use std::path::PathBuf;

use iot_jobs_handler::{Downloaded, Failure, FailureClass};
use sha2::{Digest as _, Sha256};

use super::error::RedirectError;
use super::http::LinkError;
use super::url::UrlError;
use super::*;
use server::{Server, Step, all, cut, head};

const ETAG: &str = "\"v1\"";
const BLOCK: usize = 8;
const CHECKPOINT: usize = 16;
/// Long enough for a loaded machine, short enough for a test that must run into it.
const STALL: Duration = Duration::from_millis(300);

#[tokio::test]
async fn an_artifact_arrives_whole() {
    let bench = Bench::new();
    let server = Server::start(|_, request| all(request, &artifact(), ETAG)).await;
    assert_eq!(bench.fetch(&server).await, Ok(first_time()));
    assert_eq!(bench.part(), artifact());
}

#[tokio::test]
async fn a_request_carries_no_credential_but_the_url() {
    let bench = Bench::new();
    let server = Server::start(|_, request| all(request, &artifact(), ETAG)).await;
    bench.fetch(&server).await.unwrap();

    let request = &server.seen()[0];
    assert_eq!(
        request.line,
        "GET /bucket/key.bin?X-Amz-Signature=secret HTTP/1.1"
    );
    let names: Vec<&str> = request.headers.keys().map(String::as_str).collect();
    assert_eq!(names, ["connection", "host", "user-agent"]);
    assert_eq!(request.headers["host"], server.address.to_string());
}

#[tokio::test]
async fn a_host_with_a_configured_root_is_trusted() {
    let bench = Bench::new();
    let server = Server::start_tls(|number, request| match number {
        0 => cut(request, &artifact(), ETAG, 33),
        _ => all(request, &artifact(), ETAG),
    })
    .await;
    assert_eq!(bench.fetch(&server).await, Ok(first_time()));
    assert_eq!(server.asked(), [0, 33]);
    assert_eq!(bench.part(), artifact());
}

#[tokio::test]
async fn a_host_with_an_unknown_root_is_not_trusted() {
    let bench = Bench::new();
    let server = Server::start_tls(|_, request| all(request, &artifact(), ETAG)).await;
    let other = Server::start_tls(|_, _| Vec::new()).await;
    let fetcher = Fetcher {
        root_ca: other.root_ca.clone(),
        ..bench.fetcher(&server)
    };
    let error = bench.run(&fetcher, bench.order(&server)).await.unwrap_err();

    assert!(
        matches!(
            error,
            FetchError::Link {
                attempts: 3,
                last: LinkError::Certificate { .. }
            }
        ),
        "{error}"
    );
    assert!(server.seen().is_empty(), "no request was sent");
}

#[tokio::test]
async fn a_lost_link_costs_no_byte_wherever_it_is_lost() {
    for lost_after in 0..artifact().len() {
        let bench = Bench::new();
        let server = Server::start(move |number, request| match number {
            0 => cut(request, &artifact(), ETAG, lost_after),
            _ => all(request, &artifact(), ETAG),
        })
        .await;
        assert_eq!(bench.fetch(&server).await, Ok(first_time()), "{lost_after}");
        assert_eq!(server.asked(), [0, lost_after]);
        assert_eq!(bench.part(), artifact());
        if lost_after > 0 {
            assert_eq!(server.seen()[1].headers["if-range"], ETAG);
        }
    }
}

#[tokio::test]
async fn a_link_that_is_lost_after_every_byte_costs_no_byte() {
    let bench = Bench::new();
    let server = Server::start(|_, request| cut(request, &artifact(), ETAG, 1)).await;
    assert_eq!(bench.fetch(&server).await, Ok(first_time()));
    assert_eq!(server.asked(), (0..artifact().len()).collect::<Vec<_>>());
    assert_eq!(bench.part(), artifact());
}

#[tokio::test]
async fn a_kill_costs_at_most_one_chunk_whenever_it_happens() {
    for killed_after in 0..artifact().len() {
        let bench = Bench::new();
        let server = Server::start(move |number, request| match number {
            0 => {
                let mut steps = cut(request, &artifact(), ETAG, killed_after);
                steps.push(Step::Hold);
                steps
            }
            _ => all(request, &artifact(), ETAG),
        })
        .await;
        let whole_blocks = killed_after / BLOCK * BLOCK;
        bench.kill_once_written(&server, whole_blocks).await;
        let found = bench.fetch(&server).await.unwrap();

        assert_eq!(bench.part(), artifact(), "{killed_after}");
        let resumed_at = server.asked()[server.asked().len() - 1];
        assert!(
            resumed_at + CHECKPOINT + BLOCK > killed_after,
            "{killed_after}: {resumed_at}"
        );
        assert!(found.refetched <= CHECKPOINT as u64, "{found:?}");
    }
}

#[tokio::test]
async fn a_finished_part_is_not_fetched_again() {
    let bench = Bench::new();
    let server = Server::start(|_, request| all(request, &artifact(), ETAG)).await;
    bench.fetch(&server).await.unwrap();
    assert!(!bench.resume_file().exists(), "nothing is left beside it");

    assert_eq!(bench.fetch(&server).await, Ok(first_time()));
    assert_eq!(server.asked(), [0]);
}

#[tokio::test]
async fn the_resume_file_holds_no_query() {
    let bench = Bench::new();
    let server = Server::start(|_, request| {
        let mut steps = cut(request, &artifact(), ETAG, 40);
        steps.push(Step::Hold);
        steps
    })
    .await;
    bench.kill_once_written(&server, 40).await;

    let text = std::fs::read_to_string(bench.resume_file()).unwrap();
    assert!(text.contains("/bucket/key.bin"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn an_artifact_that_changed_is_fetched_from_its_first_byte() {
    let bench = Bench::new();
    let server = Server::start(|number, request| match number {
        0 => cut(request, &[9; 97], "\"v0\"", 50),
        _ => all(request, &artifact(), ETAG),
    })
    .await;
    let found = bench.fetch(&server).await.unwrap();

    assert_eq!(bench.part(), artifact());
    assert_eq!(found.refetched, 50);
    assert_eq!(server.seen()[1].headers["if-range"], "\"v0\"");
}

#[tokio::test]
async fn a_rest_of_another_version_is_not_appended() {
    let bench = Bench::new();
    let server = Server::start(|number, request| match number {
        0 => cut(request, &[9; 97], "\"v0\"", 50),
        _ => {
            // A server that knows ranges and ignores If-Range.
            let mut request = request.clone();
            request.headers.remove("if-range");
            all(&request, &artifact(), ETAG)
        }
    })
    .await;
    bench.fetch(&server).await.unwrap();

    assert_eq!(server.asked(), [0, 50, 0]);
    assert_eq!(bench.part(), artifact());
}

#[tokio::test]
async fn a_server_without_ranges_begins_anew() {
    let bench = Bench::new();
    let server = Server::start(|number, request| {
        let mut plain = request.clone();
        plain.headers.remove("range");
        match number {
            0 => cut(&plain, &artifact(), ETAG, 60),
            _ => all(&plain, &artifact(), ETAG),
        }
    })
    .await;
    assert_eq!(bench.fetch(&server).await.unwrap().refetched, 60);
    assert_eq!(server.asked(), [0, 60]);
    assert_eq!(bench.part(), artifact());
}

#[tokio::test]
async fn beginning_anew_without_end_uses_up_the_attempts() {
    let bench = Bench::new();
    let server = Server::start(|_, request| {
        let mut plain = request.clone();
        plain.headers.remove("range");
        cut(&plain, &artifact(), ETAG, 60)
    })
    .await;
    let error = bench.fetch(&server).await.unwrap_err();

    assert_eq!(
        (error.code, error.class),
        ("download_failed", FailureClass::Transient)
    );
    assert_eq!(server.asked().len(), 1 + 5);
}

#[tokio::test]
async fn a_range_that_was_not_asked_for_is_not_used() {
    for range in [
        "bytes 41-96/97",
        "bytes 0-96/97",
        "bytes 40-96/1000",
        "bytes 40-39/97",
        "bytes 40-97/97",
        "bytes 96-40/97",
        "bytes -40/97",
        "items 40-96/97",
        "bytes */97",
        "bytes 40-99999999999999999999/97",
        "",
    ] {
        let bench = Bench::new();
        let server = Server::start(move |number, request| match number {
            0 => cut(request, &artifact(), ETAG, 40),
            1 => {
                let mut answer = head("206 Partial Content", &[("Content-Range", range)]);
                answer.extend([7; 57]);
                vec![Step::Send(answer)]
            }
            _ => all(request, &artifact(), ETAG),
        })
        .await;
        bench.fetch(&server).await.unwrap();
        assert_eq!(server.asked(), [0, 40, 0], "{range}");
        assert_eq!(bench.part(), artifact());
    }
}

#[tokio::test]
async fn a_range_that_cannot_be_served_begins_anew() {
    let bench = Bench::new();
    let server = Server::start(|number, request| match number {
        0 => cut(request, &artifact(), ETAG, 40),
        1 => vec![Step::Send(head("416 Range Not Satisfiable", &[]))],
        _ => all(request, &artifact(), ETAG),
    })
    .await;
    bench.fetch(&server).await.unwrap();
    assert_eq!(server.asked(), [0, 40, 0]);
}

#[tokio::test]
async fn a_silent_connection_is_replaced() {
    let bench = Bench::new();
    let server = Server::start(|number, request| match number {
        0 => vec![Step::Hold],
        1 => {
            let mut steps = cut(request, &artifact(), ETAG, 21);
            steps.push(Step::Hold);
            steps
        }
        _ => all(request, &artifact(), ETAG),
    })
    .await;
    assert_eq!(bench.fetch(&server).await, Ok(first_time()));
    assert_eq!(server.asked(), [0, 0, 21]);
}

#[tokio::test]
async fn an_answer_that_looks_whole_and_is_short_is_asked_for_again() {
    for (short, refetched) in [(plain(40), 0), (chunked(40), 40)] {
        let bench = Bench::new();
        let server = Server::start(move |number, request| match number {
            0 => short.clone(),
            _ => all(request, &artifact(), ETAG),
        })
        .await;
        let refetched = Downloaded {
            refetched,
            ..first_time()
        };
        assert_eq!(bench.fetch(&server).await, Ok(refetched));
        assert_eq!(server.asked(), [0, 0]);
        assert_eq!(bench.part(), artifact());
    }
}

#[tokio::test]
async fn a_short_answer_does_not_cost_what_is_there() {
    let bench = Bench::new();
    let server = Server::start(|number, request| match number {
        0 => cut(request, &artifact(), ETAG, 48),
        1 => plain(40),
        _ => all(request, &artifact(), ETAG),
    })
    .await;
    assert_eq!(bench.fetch(&server).await, Ok(first_time()));
    assert_eq!(server.asked(), [0, 48, 48]);
}

#[tokio::test]
async fn a_size_below_the_promised_one_ends_the_download_the_third_time() {
    for steps in [plain(96), chunked(96), chunked(0)] {
        let bench = Bench::new();
        let server = Server::start(move |_, _| steps.clone()).await;
        let error = bench.fetch(&server).await.unwrap_err();

        assert_eq!(
            (error.code, error.class),
            ("size_mismatch", FailureClass::Failed)
        );
        assert_eq!(server.asked(), [0, 0, 0]);
    }
}

#[tokio::test]
async fn a_size_above_the_promised_one_ends_the_download() {
    for steps in [chunked(98), plain(98)] {
        let bench = Bench::new();
        let server = Server::start(move |_, _| steps.clone()).await;
        let error = bench.fetch(&server).await.unwrap_err();

        assert_eq!(
            (error.code, error.class),
            ("size_mismatch", FailureClass::Failed)
        );
        assert_eq!(server.asked(), [0]);
    }
}

#[tokio::test]
async fn an_artifact_without_a_promised_size_is_capped() {
    for announced in [true, false] {
        let bench = Bench::new();
        let server = Server::start(move |_, request| {
            if announced {
                return all(request, &artifact(), ETAG);
            }
            let mut answer = head("200 OK", &[]);
            answer.extend(artifact());
            vec![Step::Send(answer)]
        })
        .await;
        let order = Order {
            size: None,
            size_max: 96,
            ..bench.order(&server)
        };
        let error = bench.run(&bench.fetcher(&server), order).await.unwrap_err();
        assert!(
            matches!(
                error,
                FetchError::TooLarge {
                    found: 97,
                    limit: 96
                }
            ),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_artifact_without_any_size_arrives_whole() {
    let bench = Bench::new();
    let server = Server::start(|_, _| {
        let mut answer = head("200 OK", &[]);
        answer.extend(artifact());
        vec![Step::Send(answer)]
    })
    .await;
    let order = Order {
        size: None,
        ..bench.order(&server)
    };
    let found = bench.run(&bench.fetcher(&server), order).await.unwrap();
    assert_eq!(found, first_time());
}

#[tokio::test]
async fn an_expired_url_is_renewed_and_the_download_goes_on() {
    for status in ["403 Forbidden", "401 Unauthorized", "400 Bad Request"] {
        let bench = Bench::new();
        let server = Server::start(move |number, request| match number {
            0 => cut(request, &artifact(), ETAG, 40),
            1 => denied(status, "ExpiredToken"),
            _ => all(request, &artifact(), ETAG),
        })
        .await;
        bench
            .renewals
            .borrow_mut()
            .push(server.url().replace("secret", "fresh"));
        assert_eq!(bench.fetch(&server).await, Ok(first_time()));

        assert_eq!(server.asked(), [0, 40, 40]);
        assert!(server.seen()[2].line.contains("fresh"));
    }
}

#[tokio::test]
async fn a_url_that_is_refused_again_and_again_ends_the_download() {
    let bench = Bench::new();
    let server = Server::start(|_, _| denied("403 Forbidden", "AccessDenied")).await;
    for _ in 0..10 {
        bench.renewals.borrow_mut().push(server.url());
    }
    let error = bench.fetch(&server).await.unwrap_err();

    assert_eq!(
        (error.code, error.class),
        ("http_403", FailureClass::Failed)
    );
    assert_eq!(error.message, "the server answered 403 (AccessDenied)");
    assert_eq!(server.asked().len(), 1 + 3);
}

#[tokio::test]
async fn a_renewal_that_fails_ends_the_download_with_its_failure() {
    let bench = Bench::new();
    let server = Server::start(|_, _| denied("403 Forbidden", "AccessDenied")).await;
    let error = bench.fetch(&server).await.unwrap_err();
    assert_eq!((error.code, error.class), ("gone", FailureClass::Cancelled));
}

#[tokio::test]
async fn a_status_that_waiting_does_not_mend_ends_the_download() {
    for (status, code) in [
        ("404 Not Found", "http_404"),
        ("410 Gone", "http_410"),
        ("451 Unavailable For Legal Reasons", "http_error"),
        ("204 No Content", "http_error"),
        ("400 Bad Request", "http_400"),
    ] {
        let bench = Bench::new();
        let server =
            Server::start(move |_, _| vec![Step::Send(head(status, &[("Content-Length", "0")]))])
                .await;
        let error = bench.fetch(&server).await.unwrap_err();
        assert_eq!((error.code, error.class), (code, FailureClass::Failed));
        assert_eq!(server.asked(), [0]);
    }
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let bench = Bench::new();
    let server = Server::start(|number, request| match number {
        0 => vec![Step::Send(head("503 Slow Down", &[("Retry-After", "0")]))],
        1 => vec![Step::Send(head("429 Too Many Requests", &[]))],
        2 => vec![Step::Send(head("500 Internal Server Error", &[]))],
        _ => all(request, &artifact(), ETAG),
    })
    .await;
    assert_eq!(bench.fetch(&server).await, Ok(first_time()));
}

#[tokio::test]
async fn what_is_not_http_uses_up_the_attempts() {
    let mut huge = head("200 OK", &[]);
    huge.truncate(huge.len() - 2);
    huge.extend(b"X-Huge: ");
    huge.resize(2 * 1024 * 1024, b'x');
    let mut many = b"HTTP/1.1 200 OK\r\n".to_vec();
    for number in 0..1000 {
        many.extend(format!("X-{number}: y\r\n").bytes());
    }
    many.extend(b"\r\n");
    for garbage in [
        Vec::new(),
        b"\x16\x03\x01\x02\x00".to_vec(),
        b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 97\r\nContent-Length: 98\r\n\r\n".to_vec(),
        b"HTTP/1.1 302 Found\r\n\r\n".to_vec(),
        huge,
        many,
    ] {
        let bench = Bench::new();
        let shown = String::from_utf8_lossy(&garbage[..garbage.len().min(60)]).into_owned();
        let server = Server::start(move |_, _| vec![Step::Send(garbage.clone())]).await;
        let error = bench.fetch(&server).await.unwrap_err();
        assert_eq!(
            (error.code, error.class),
            ("download_failed", FailureClass::Transient),
            "{shown}"
        );
        assert_eq!(server.asked().len(), 5, "{shown}");
    }
}

#[tokio::test]
async fn a_host_that_is_not_there_uses_up_the_attempts() {
    let bench = Bench::new();
    let server = Server::start(|_, _| Vec::new()).await;
    let order = bench.order(&server);
    let fetcher = bench.fetcher(&server);
    drop(server);
    tokio::task::yield_now().await;
    let error = bench.run(&fetcher, order).await.unwrap_err();
    assert!(
        matches!(
            error,
            FetchError::Link {
                attempts: 5,
                last: LinkError::Connect { .. } | LinkError::Http { .. }
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_redirect_is_followed_each_time() {
    let bench = Bench::new();
    let server = Server::start(|number, request| {
        if request.line.starts_with("GET /other?y=1 ") {
            match number {
                1 => cut(request, &artifact(), ETAG, 40),
                _ => all(request, &artifact(), ETAG),
            }
        } else {
            vec![Step::Send(head(
                "307 Temporary Redirect",
                &[("Location", "/other?y=1")],
            ))]
        }
    })
    .await;
    assert_eq!(bench.fetch(&server).await, Ok(first_time()));
    assert_eq!(server.asked(), [0, 0, 40, 40]);
}

#[tokio::test]
async fn an_error_whose_body_never_ends_is_still_an_error() {
    let bench = Bench::new();
    let server = Server::start(|_, _| {
        let headers = [("Content-Length", "1000000")];
        vec![Step::Send(head("404 Not Found", &headers)), Step::Trickle]
    })
    .await;
    let order = Order {
        left: Some(3 * STALL),
        ..bench.order(&server)
    };

    let error = bench.run(&bench.fetcher(&server), order).await.unwrap_err();

    assert!(matches!(error, FetchError::Refused(_)), "{error}");
}

#[tokio::test]
async fn a_redirect_to_nowhere_ends_the_download() {
    for (location, reason) in [
        ("http://127.0.0.1:1/x", RedirectError::Downgrade),
        ("ftp://127.0.0.1/x", RedirectError::Url(UrlError::Scheme)),
        (
            "https://user:pw@127.0.0.1/x",
            RedirectError::Url(UrlError::Credentials),
        ),
        ("/again", RedirectError::Endless),
    ] {
        let bench = Bench::new();
        let server = Server::start_tls(move |_, _| {
            vec![Step::Send(head("302 Found", &[("Location", location)]))]
        })
        .await;
        let error = bench
            .run(&bench.fetcher(&server), bench.order(&server))
            .await
            .unwrap_err();
        assert!(
            matches!(error, FetchError::Redirect(found) if found == reason),
            "{location}: {error}"
        );
    }
}

#[tokio::test]
async fn plain_http_is_refused_unless_configured() {
    let bench = Bench::new();
    let server = Server::start(|_, request| all(request, &artifact(), ETAG)).await;
    let fetcher = Fetcher {
        allow_http: false,
        ..bench.fetcher(&server)
    };
    let error = bench.run(&fetcher, bench.order(&server)).await.unwrap_err();
    assert!(matches!(error, FetchError::PlainHttp), "{error}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_wrong_digest_leaves_nothing_behind() {
    let bench = Bench::new();
    let server = Server::start(|_, request| all(request, &[9; 97], ETAG)).await;
    let error = bench.fetch(&server).await.unwrap_err();

    assert_eq!(
        (error.code, error.class),
        ("digest_mismatch", FailureClass::Failed)
    );
    assert_eq!(server.asked(), [0], "the network is not to blame");
    assert!(!bench.path().exists() && !bench.resume_file().exists());
}

#[tokio::test]
async fn damaged_bytes_of_an_earlier_run_are_fetched_once_more() {
    let bench = Bench::new();
    let server = Server::start(|number, request| match number {
        0 => {
            let mut steps = cut(request, &artifact(), ETAG, 48);
            steps.push(Step::Hold);
            steps
        }
        _ => all(request, &artifact(), ETAG),
    })
    .await;
    bench.kill_once_written(&server, 48).await;
    let mut part = bench.part();
    part[3] ^= 1;
    std::fs::write(bench.path(), part).unwrap();

    bench.fetch(&server).await.unwrap();
    assert_eq!(bench.part(), artifact());
    assert_eq!(server.asked()[server.asked().len() - 1], 0);
}

#[tokio::test]
async fn a_full_disk_is_noticed_before_the_first_request() {
    let bench = Bench::new();
    let server = Server::start(|_, request| all(request, &artifact(), ETAG)).await;
    let mut sink = FileSink::open(&bench.path(), u64::MAX).await.unwrap();
    let error = bench
        .fetcher(&server)
        .fetch(&bench.order(&server), &mut sink, &bench, 1)
        .await
        .unwrap_err();

    assert!(
        matches!(
            error,
            FetchError::NoSpace {
                needed: 97,
                free: 0
            }
        ),
        "{error}"
    );
    assert_eq!(Failure::from(error).code, "no_space");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_download_ends_when_the_job_must() {
    let bench = Bench::new();
    let server = Server::start(|_, _| vec![Step::Hold]).await;
    let order = Order {
        left: Some(Duration::from_millis(20)),
        ..bench.order(&server)
    };
    let error = bench.run(&bench.fetcher(&server), order).await.unwrap_err();
    assert!(matches!(error, FetchError::Deadline), "{error}");
}

#[tokio::test]
async fn a_part_is_never_written_through_a_link() {
    let bench = Bench::new();
    let precious = bench.directory.path().join("precious");
    std::fs::write(&precious, "kept").unwrap();
    std::os::unix::fs::symlink(&precious, bench.path()).unwrap();
    FileSink::open(&bench.path(), 0).await.unwrap_err();

    std::fs::remove_file(bench.path()).unwrap();
    std::fs::hard_link(&precious, bench.path()).unwrap();
    FileSink::open(&bench.path(), 0).await.unwrap_err();
    assert_eq!(std::fs::read_to_string(precious).unwrap(), "kept");
}

#[tokio::test]
async fn one_download_at_a_time_writes_a_file() {
    let bench = Bench::new();
    let first = FileSink::open(&bench.path(), 0).await.unwrap();
    let second = FileSink::open(&bench.path(), 0).await.unwrap_err();
    assert_eq!(second.kind(), std::io::ErrorKind::ResourceBusy);

    drop(first);
    FileSink::open(&bench.path(), 0).await.unwrap();
}

/// 97 bytes, no two blocks alike.
fn artifact() -> Vec<u8> {
    (0..97).collect()
}

fn first_time() -> Downloaded {
    Downloaded {
        bytes: 97,
        refetched: 0,
    }
}

/// As many bytes as its head says.
fn plain(length: usize) -> Vec<Step> {
    let mut answer = head("200 OK", &[("Content-Length", &length.to_string())]);
    answer.extend(artifact().iter().cycle().take(length));
    vec![Step::Send(answer)]
}

/// As many bytes, in one chunk, and the mark that there are no more.
fn chunked(length: usize) -> Vec<Step> {
    let mut answer = head("200 OK", &[("Transfer-Encoding", "chunked")]);
    if length > 0 {
        answer.extend(format!("{length:x}\r\n").bytes());
        answer.extend(artifact().iter().cycle().take(length));
        answer.extend(b"\r\n");
    }
    answer.extend(b"0\r\n\r\n");
    vec![Step::Send(answer)]
}

fn denied(status: &str, code: &str) -> Vec<Step> {
    let body =
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no</Message></Error>");
    let mut answer = head(status, &[("Content-Length", &body.len().to_string())]);
    answer.extend(body.bytes());
    vec![Step::Send(answer)]
}

/// Where one test downloads to, and who waits for it.
struct Bench {
    directory: tempfile::TempDir,
    renewals: RefCell<Vec<String>>,
    written: Cell<u64>,
    progressed: tokio::sync::Notify,
}

impl Watch for Bench {
    async fn renew(&self) -> Result<Url, Failure> {
        match self.renewals.borrow_mut().pop() {
            Some(url) => Ok(Url::parse(&url).unwrap()),
            None => Err(Failure::new(FailureClass::Cancelled, "gone", "gone")),
        }
    }

    fn progress(&self, bytes: u64, _: Option<u64>) {
        self.written.set(bytes);
        self.progressed.notify_one();
    }
}

impl Bench {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            renewals: RefCell::new(Vec::new()),
            written: Cell::new(0),
            progressed: tokio::sync::Notify::new(),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("artifact.part")
    }

    fn resume_file(&self) -> PathBuf {
        self.directory.path().join("artifact.part.resume")
    }

    fn part(&self) -> Vec<u8> {
        std::fs::read(self.path()).unwrap()
    }

    fn fetcher(&self, server: &Server) -> Fetcher {
        Fetcher {
            root_ca: server.root_ca.clone(),
            allow_http: true,
            pace: Pace {
                block: BLOCK,
                checkpoint: CHECKPOINT as u64,
                backoff_first: Duration::from_millis(1),
                backoff_most: Duration::from_millis(2),
                attempts: 5,
                ..Pace::new(STALL)
            },
        }
    }

    fn order(&self, server: &Server) -> Order {
        Order {
            url: Url::parse(&server.url()).unwrap(),
            size: Some(97),
            size_max: 1000,
            sha256: Sha256::digest(artifact()).into(),
            left: Some(Duration::from_secs(60)),
        }
    }

    async fn run(&self, fetcher: &Fetcher, order: Order) -> Result<Downloaded, FetchError> {
        let mut sink = FileSink::open(&self.path(), 0).await.unwrap();
        fetcher.fetch(&order, &mut sink, self, 1).await
    }

    async fn fetch(&self, server: &Server) -> Result<Downloaded, Failure> {
        Ok(self.run(&self.fetcher(server), self.order(server)).await?)
    }

    /// Ends a download as a kill does: whatever it is at, once it has written `bytes`.
    async fn kill_once_written(&self, server: &Server, bytes: usize) {
        let killed = async {
            while self.written.get() < bytes as u64 {
                self.progressed.notified().await;
            }
        };
        let (fetcher, order) = (self.fetcher(server), self.order(server));
        tokio::select! {
            () = killed => {}
            ended = self.run(&fetcher, order) => panic!("ended: {ended:?}"),
        }
    }
}
