//! What is counted and measured, each by the number that one known call makes of it, and never by a word of an agent's.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;
use time::OffsetDateTime;
use tollgate::refusal::Reason;

use crate::{
    deploy::vault::{self, asks_for_users, setup, with_users},
    world::{
        World,
        gate::Stdout,
        patience::patiently,
        script::{Answer, Hold},
        settings::Role,
        vault::Mood,
    },
};

async fn world() -> World {
    World::new()
        .role("agent", "GET api.a.test/v1/**")
        .admin()
        .start()
        .await
}

fn now_s() -> f64 {
    OffsetDateTime::now_utc().unix_timestamp() as f64
}

const DAY_S: f64 = 24.0 * 3600.0;

#[tokio::test]
async fn counts_calls_by_role_and_how_they_ended() {
    let world = world().await;
    let agent = world.agent("agent");
    let complete = "calls_total{role=\"agent\",outcome=\"complete\"}";
    assert_eq!(world.metric(complete).await, 0.0);
    assert_eq!(agent.call("GET http://api.a.test/v1/x").await.status, 200);
    world.metric_until(complete, |count| count == 1.0).await;
    let upstream = world.upstream("api.a.test");
    upstream.answers("/v1/none", Answer::with("404 Not Found", "", "no"));
    assert_eq!(
        agent.call("GET http://api.a.test/v1/none").await.status,
        404
    );
    world.metric_until(complete, |count| count == 2.0).await;
    for (status, count) in [("2xx", 1.0), ("4xx", 1.0), ("5xx", 0.0)] {
        let sample = format!("answers_total{{role=\"agent\",status=\"{status}\"}}");
        assert_eq!(world.metric(&sample).await, count, "{status}");
    }
    world.finish().await;
}

#[tokio::test]
async fn counts_a_call_that_is_under_way_and_one_that_breaks_off() {
    let world = world().await;
    let upstream = world.upstream("api.a.test");
    upstream.answers("/v1/never", Answer::Silence);
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    wire.send(agent.absolute("GET http://api.a.test/v1/never", "", ""))
        .await;
    let in_flight = "calls_in_flight{role=\"agent\"}";
    world.metric_until(in_flight, |now| now == 1.0).await;
    // room for its last line
    assert!(world.metric("event_queue_lines").await >= 1.0);
    assert!(world.metric("event_queue_lines_max").await > 8192.0);
    drop(wire);
    world.metric_until(in_flight, |now| now == 0.0).await;
    let aborted = "calls_total{role=\"agent\",outcome=\"aborted\"}";
    assert_eq!(world.metric(aborted).await, 1.0);
    world
        .metric_until("event_queue_lines", |lines| lines == 0.0)
        .await;
    world.finish().await;
}

#[tokio::test]
async fn counts_refusals_by_role_and_reason() {
    let world = world().await;
    let refused = world.agent("agent").call("GET http://evil.test/x").await;
    world.refused(&refused, Reason::NoRule).await;
    let stranger = world.agent("stranger").call("GET http://evil.test/x").await;
    world.refused(&stranger, Reason::IdentityUnknown).await;
    let of = |role: &str, reason: Reason| {
        format!(
            "refusals_total{{role=\"{role}\",reason=\"{}\"}}",
            reason.code()
        )
    };
    assert_eq!(world.metric(&of("agent", Reason::NoRule)).await, 1.0);
    assert_eq!(world.metric(&of("", Reason::IdentityUnknown)).await, 1.0);
    for reason in Reason::ALL {
        assert!(world.metric(&of("agent", *reason)).await <= 1.0);
    }
    world.finish().await;
}

#[tokio::test]
async fn shows_what_the_limits_allow_and_what_is_taken_of_them() {
    let role = Role::from("GET api.a.test/v1/**")
        .rate("120/min")
        .rule_limit("{rate: 60/min, in_flight: 1}");
    let world = World::new().role("agent", role).admin().start().await;
    let hold = Hold::new();
    let slow = Answer::Held(hold.clone(), Box::new(Answer::Text("whole".into())));
    world.upstream("api.a.test").answers("/v1/slow", slow);
    assert_eq!(
        world.metric("limit_calls_per_second{role=\"agent\"}").await,
        2.0
    );
    assert_eq!(
        world.metric("limit_in_flight_max{role=\"agent\"}").await,
        1.0
    );
    assert_eq!(world.metric("limit_in_flight{role=\"agent\"}").await, 0.0);
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    wire.send(agent.absolute("GET http://api.a.test/v1/slow", "", ""))
        .await;
    let taken = "limit_in_flight{role=\"agent\"}";
    world.metric_until(taken, |now| now == 1.0).await;
    let refused = agent.call("GET http://api.a.test/v1/x").await;
    world.refused(&refused, Reason::TooManyInFlight).await;
    let reached = "refusals_total{role=\"agent\",reason=\"too_many_in_flight\"}";
    assert_eq!(world.metric(reached).await, 1.0);
    hold.release();
    assert_eq!(wire.answer().await.status, 200);
    world.metric_until(taken, |now| now == 0.0).await;
    world.finish().await;
}

#[tokio::test]
async fn sorts_durations_into_steps() {
    let world = world().await;
    let answer = world
        .agent("agent")
        .call("GET http://api.a.test/v1/x")
        .await;
    assert_eq!(answer.status, 200);
    for durations in ["call", "decide", "first_byte"] {
        let count = format!("{durations}_duration_seconds_count");
        world.metric_until(&count, |count| count == 1.0).await;
        let sum = world
            .metric(&format!("{durations}_duration_seconds_sum"))
            .await;
        assert!(sum > 0.0 && sum < 15.0, "{durations}: {sum}");
        let all = format!("{durations}_duration_seconds_bucket{{le=\"+Inf\"}}");
        assert_eq!(world.metric(&all).await, 1.0);
    }
    world.finish().await;
}

#[tokio::test]
async fn shows_how_old_a_credential_is_and_how_long_it_may_be_used() {
    let world = world().await;
    let remaining = "credential_remaining_seconds{credential=\"api-a\",class=\"static\"}";
    let fetched = "credential_fetches_total{credential=\"api-a\",outcome=\"ok\"}";
    assert_eq!(world.metric_if_any(remaining).await, None);
    assert_eq!(world.metric(fetched).await, 0.0);
    let answer = world
        .agent("agent")
        .call("GET http://api.a.test/v1/x")
        .await;
    assert_eq!(answer.status, 200);
    let left = world.metric(remaining).await;
    let age = world
        .metric("credential_age_seconds{credential=\"api-a\"}")
        .await;
    assert!(left > 3500.0 && left < 3600.0 && age > 0.0, "{left} {age}");
    assert!((left + age - 3600.0).abs() < 15.0, "{left} {age}");
    assert_eq!(world.metric(fetched).await, 1.0);
    assert_eq!(
        world
            .metric("credential_fetch_failing{credential=\"api-a\"}")
            .await,
        0.0
    );
    world.finish().await;
}

#[tokio::test]
async fn counts_what_goes_wrong_with_vault() {
    let world = World::new()
        .role("agent", "GET api.a.test/v1/**")
        .vault()
        .admin()
        .start()
        .await;
    world.vault().is(Mood::Sealed);
    let answer = world
        .agent("agent")
        .call("GET http://api.a.test/v1/x")
        .await;
    world.refused(&answer, Reason::CredentialUnavailable).await;
    let logins = "vault_logins_total{outcome=\"failed\"}";
    assert_eq!(world.metric(logins).await, 1.0);
    for operation in ["login", "read"] {
        let errors =
            format!("vault_errors_total{{operation=\"{operation}\",error=\"unavailable\"}}");
        assert_eq!(world.metric(&errors).await, 1.0, "{operation}");
    }
    let renew = "vault_errors_total{operation=\"renew\",error=\"unavailable\"}";
    assert_eq!(world.metric(renew).await, 0.0);
    assert_eq!(
        world
            .metric("credential_fetch_failing{credential=\"api-a\"}")
            .await,
        1.0
    );
    let failed = "credential_fetches_total{credential=\"api-a\",outcome=\"failed\"}";
    assert_eq!(world.metric(failed).await, 1.0);
    world.finish().await;
}

#[tokio::test]
async fn v30_shows_how_vault_does_and_for_how_long_a_credential_is_served_without_it() {
    let ((bao, _postgres), made_in) = (with_users("10s").await, TempDir::new().unwrap());
    let dir = made_in.path().join("vault");
    let world = vault::world(&bao, &dir).admin().start().await;
    asks_for_users(&world).await;
    setup(&bao, &dir, &world.dir().join("tollgate.yaml"), &[]);
    let heard = "vault_last_contact_timestamp_seconds";
    assert_eq!(world.metric_if_any(heard).await, None);
    assert_eq!(
        world.metric("vault_logins_total{outcome=\"ok\"}").await,
        0.0
    );

    let agent = world.agent("reader");
    let call = "GET http://api.a.test/v1/x";
    assert_eq!(agent.call(call).await.status, 200);
    assert_eq!(agent.call(call).await.status, 200);
    for (sample, count) in [
        ("vault_logins_total{outcome=\"ok\"}", 1.0),
        ("vault_logins_total{outcome=\"failed\"}", 0.0),
        ("vault_token_renewals_total{outcome=\"ok\"}", 0.0),
        ("credential_mints_total{credential=\"api-a\"}", 1.0),
        ("credential_waits_total{credential=\"api-a\"}", 1.0),
        ("credential_stale_seconds{credential=\"api-a\"}", 0.0),
    ] {
        assert_eq!(world.metric(sample).await, count, "{sample}");
    }
    let left = "credential_remaining_seconds{credential=\"api-a\",class=\"dynamic\"}";
    assert!((5.0..10.0).contains(&world.metric(left).await));
    assert!((world.metric(heard).await - now_s()).abs() < 15.0);

    bao.seal().await;
    let stale = "credential_stale_seconds{credential=\"api-a\"}";
    patiently("a renewal that fails while the lease is served", async {
        while world.metric(stale).await == 0.0 {
            assert_eq!(agent.call(call).await.status, 200);
        }
    })
    .await;
    let failed = "vault_lease_renewals_total{outcome=\"failed\"}";
    assert!(world.metric(failed).await >= 1.0);
    assert_eq!(
        world
            .metric("credential_fetch_failing{credential=\"api-a\"}")
            .await,
        1.0
    );
    drop(bao);
    world.finish().await;
}

#[tokio::test]
async fn shows_when_certificates_and_bundles_end_and_how_many_were_made() {
    let world = world().await;
    for certificate in [
        "certificate_expiry_timestamp_seconds{kind=\"gate\"}",
        "certificate_expiry_timestamp_seconds{kind=\"interception\"}",
        "bundle_expiry_timestamp_seconds{trust_domain=\"agents.test\"}",
    ] {
        let certificate = certificate.replace("agents.test", crate::world::pki::TRUST_DOMAIN);
        let end = world.metric(&certificate).await;
        assert!(end > now_s() && end < now_s() + 10_000.0 * DAY_S, "{end}");
    }
    assert_eq!(world.metric("certificates_minted_total").await, 0.0);
    let agent = world.agent("agent");
    for _ in 0..2 {
        let mut tunnel = agent.tunnel("api.a.test").await;
        assert_eq!(tunnel.call("GET /v1/x", "api.a.test").await.status, 200);
    }
    assert_eq!(world.metric("certificates_minted_total").await, 1.0);
    world.finish().await;
}

#[tokio::test]
async fn shows_which_settings_are_in_force_and_what_came_of_a_reload() {
    let other = || World::new().role("other", "GET api.b.test/**").admin();
    let world = other().role("agent", "GET api.a.test/v1/**").start().await;
    let version = |world: &World| {
        let started = world.events.of_kind("started").pop().unwrap();
        started["snapshot"].as_str().unwrap().to_owned()
    };
    let in_force = format!("settings_info{{snapshot=\"{}\"}}", version(&world));
    let ok = "settings_last_reload_successful";
    assert_eq!(world.metric(&in_force).await, 1.0);
    assert_eq!(world.metric(ok).await, 1.0);
    let applied_at = world
        .metric("settings_last_success_timestamp_seconds")
        .await;
    assert!((applied_at - now_s()).abs() < 60.0, "{applied_at}");
    std::fs::write(world.dir().join("roles/agent.yaml"), "purpose: none").unwrap();
    world.gate.signal("HUP");
    world.metric_until(ok, |ok| ok == 0.0).await;
    assert!(
        world
            .metric("settings_reloads_total{outcome=\"refused\"}")
            .await
            >= 1.0
    );
    assert_eq!(world.metric(&in_force).await, 1.0);
    world.becomes(other());
    world.gate.signal("HUP");
    world.metric_until(ok, |ok| ok == 1.0).await;
    assert!(
        world
            .metric("settings_reloads_total{outcome=\"applied\"}")
            .await
            >= 1.0
    );
    assert_eq!(world.metric_if_any(&in_force).await, None);
    // the role is gone, and what was counted of it
    let told = world.told("/metrics").await;
    assert!(!told.body.contains("role=\"agent\""), "{}", told.body);
    assert!(!told.body.contains("api-a"), "{}", told.body);
    assert!(told.body.contains("role=\"other\""), "{}", told.body);
    world.finish().await;
}

#[tokio::test]
async fn counts_refusals_that_have_no_line_of_their_own() {
    let world = world().await;
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    for _ in 0..40 {
        wire.send(agent.absolute("GET http://evil.test/x", "", ""))
            .await;
        assert_eq!(wire.answer().await.status, 403);
    }
    let counted = world.metric("refusals_counted_total").await;
    assert!((1.0..=30.0).contains(&counted), "{counted}");
    let refused = "refusals_total{role=\"agent\",reason=\"no_rule\"}";
    assert_eq!(world.metric(refused).await, 40.0);
    world.finish().await;
}

#[tokio::test]
async fn tells_that_the_log_cannot_be_written_to() {
    let world = World::new()
        .role("agent", "GET api.a.test/v1/**")
        .stdout(Stdout::Refusing)
        .admin()
        .start()
        .await;
    assert_eq!(world.metric("event_sink_failing").await, 0.0);
    assert_eq!(world.metric("ready").await, 1.0);
    let agent = world.agent("agent");
    let call = "GET http://api.a.test/v1/x";
    agent.call_until(call, |answer| answer.status == 503).await;
    assert_eq!(world.metric("event_sink_failing").await, 1.0);
    assert_eq!(world.metric("ready").await, 0.0);
    let told = world.told("/readyz").await;
    assert_eq!(told.status, 503);
    assert!(told.body.contains("failing  log"), "{}", told.body);
    // the first 503 may be of a call whose line had room and was not taken; the next ones have none
    while world.metric("refusals_unrecorded_total").await < 1.0 {
        assert_eq!(agent.call(call).await.status, 503);
    }
    let refused = "refusals_total{role=\"\",reason=\"audit_unavailable\"}";
    assert!(world.metric(refused).await >= 1.0);
    world.gate.read_on();
    agent.call_until(call, |answer| answer.status == 200).await;
    assert_eq!(world.told("/readyz").await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn shows_connections_on_both_sides() {
    let world = world().await;
    assert_eq!(world.metric("connections").await, 0.0);
    assert_eq!(world.metric("connections_max").await, 4096.0);
    let agent = world.agent("agent");
    let mut wire = agent.wire().await;
    wire.send(agent.absolute("GET http://api.a.test/v1/x", "", ""))
        .await;
    assert_eq!(wire.answer().await.status, 200);
    assert_eq!(world.metric("connections").await, 1.0);
    world
        .metric_until("upstream_connections_idle", |idle| idle == 1.0)
        .await;
    drop(wire);
    world.metric_until("connections", |open| open == 0.0).await;
    world.finish().await;
}

#[tokio::test]
async fn names_its_version() {
    let world = world().await;
    let build = format!("build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(world.metric(&build).await, 1.0);
    world.finish().await;
}

#[tokio::test]
async fn has_no_label_of_an_agents_making() {
    let world = world().await;
    let agent = world.agent("agent");
    agent.call("GET http://api.a.test/v1/x").await;
    let calls = "calls_total{role=\"agent\",outcome=\"complete\"}";
    world.metric_until(calls, |count| count == 1.0).await;
    let samples = |text: &str| {
        let names = text.lines().filter_map(|line| line.rsplit_once(' '));
        let names = names.map(|(name, _)| name.to_owned());
        names.collect::<Vec<_>>()
    };
    let before = world.told("/metrics").await.body;
    for number in 0..5 {
        agent
            .call(&format!("GET http://host-{number}.test/path-{number}"))
            .await;
        agent
            .call(&format!("BREW-{number} http://api.a.test/v1/path-{number}"))
            .await;
        let stranger = world.agent(&format!("stranger-{number}"));
        stranger.call("GET http://api.a.test/v1/x").await;
    }
    let after = world.told("/metrics").await.body;
    assert_eq!(samples(&before), samples(&after));
    for word in ["host-", "path-", "BREW", "stranger", "spiffe", "api.a.test"] {
        assert!(!after.contains(word), "{word} in {after}");
    }
    world.finish().await;
}

#[tokio::test]
async fn promtool_finds_nothing_to_say_about_the_page() {
    let world = world().await;
    assert_eq!(
        world
            .agent("agent")
            .call("GET http://api.a.test/v1/x")
            .await
            .status,
        200
    );
    let told = world.told("/metrics").await;
    assert!(
        told.head
            .contains("content-type: text/plain; version=0.0.4; charset=utf-8")
    );
    let said = promtool(&["check", "metrics"], &told.body);
    let words = String::from_utf8_lossy(&said.stdout) + String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success() && words.is_empty(), "{words}");
    world.finish().await;
}

#[tokio::test]
async fn speaks_openmetrics_to_who_asks_for_it() {
    let world = world().await;
    let accept = "Accept: application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.5\r\n";
    let request = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{accept}\r\n");
    let told = world.told_to(&request).await;
    assert!(
        told.head
            .contains("content-type: application/openmetrics-text; version=1.0.0")
    );
    assert!(told.body.ends_with("# EOF\n"));
    assert!(told.body.contains("# TYPE tollgate_calls counter\n"));
    world.finish().await;
}

#[test]
fn promtool_takes_the_alerts() {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/alerts.yaml");
    let said = promtool(&["check", "rules", rules.to_str().unwrap()], "");
    let words = String::from_utf8_lossy(&said.stdout) + String::from_utf8_lossy(&said.stderr);
    assert!(
        said.status.success() && words.contains("SUCCESS"),
        "{words}"
    );
}

#[tokio::test]
async fn every_metric_is_in_the_readme_and_every_alert_is_about_one_that_exists() {
    let world = world().await;
    let page = world.told("/metrics").await.body;
    let mut names: Vec<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    names.sort_unstable();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    for name in &names {
        assert!(
            readme.contains(&format!("`{name}`")),
            "{name} is not in the README"
        );
    }
    let alerts = std::fs::read_to_string(root.join("deploy/alerts.yaml")).unwrap();
    let words = alerts.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    for word in words.filter(|word| word.starts_with("tollgate_")) {
        let family = word.trim_end_matches("_bucket");
        assert!(
            names.contains(&family),
            "{word} is alerted on and does not exist"
        );
    }
    world.finish().await;
}

fn promtool(args: &[&str], input: &str) -> Output {
    let mut promtool = Command::new("promtool")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed: tests/run does it");
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    promtool.wait_with_output().unwrap()
}
