//! A credential goes where the catalogue puts it, alone in its place, and nothing else of the call changes.

use base64::{Engine, engine::general_purpose::STANDARD};
use tollgate::refusal::Reason;

use crate::world::World;

/// The Basic credentials that `user` and `password` are (RFC 7617).
fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[tokio::test]
async fn a_secret_goes_as_the_password_of_a_fixed_user() {
    let world = World::new().role("reader", "GET git.test/**").start().await;
    let own = format!("Authorization: {}\r\n", basic("agent", "agents-own"));
    let answer = world
        .agent("reader")
        .call_with("GET http://git.test/acme/site.git/info/refs", &own, "")
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = world.upstream("git.test").only_request();
    assert_eq!(
        seen.head.values("authorization"),
        [basic("x-access-token", world.secret("git"))]
    );
    assert_eq!(seen.target(), "/acme/site.git/info/refs");
    world.finish().await;
}

#[tokio::test]
async fn a_secret_goes_as_the_user_with_an_empty_password() {
    let world = World::new()
        .role("reader", "GET payments.test/**")
        .start()
        .await;
    let answer = world
        .agent("reader")
        .call("GET http://payments.test/v1/charges")
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = world.upstream("payments.test").only_request();
    assert_eq!(
        seen.head.values("authorization"),
        [basic(world.secret("payments"), "")]
    );
    world.finish().await;
}

async fn weather() -> World {
    World::new()
        .role("reader", "GET weather.test/**")
        .vault()
        .start()
        .await
}

#[tokio::test]
async fn a_secret_goes_behind_the_query_that_the_agent_sent() {
    let world = weather().await;
    let agent = world.agent("reader");
    let secret = world.secret("weather");
    let encoded = secret
        .replace('/', "%2F")
        .replace('+', "%2B")
        .replace('=', "%3D");
    assert_ne!(encoded, secret);
    for (asked, sent) in [
        ("/now", "/now?"),
        ("/now?", "/now?&"),
        (
            "/now?q=Z%C3%BCrich;x&days=3",
            "/now?q=Z%C3%BCrich;x&days=3&",
        ),
        ("/now?q=%2f&", "/now?q=%2f&&"),
        ("/now?application_id=7", "/now?application_id=7&"),
    ] {
        let answer = agent.call(&format!("GET http://weather.test{asked}")).await;
        assert_eq!(answer.status, 200, "{asked}: {answer:?}");
        let seen = world.upstream("weather.test").requests().pop().unwrap();
        assert_eq!(seen.target(), format!("{sent}app_id={encoded}"));
        assert_eq!(seen.head.values("authorization"), Vec::<&str>::new());
    }
    world.finish().await;
}

#[tokio::test]
async fn the_record_of_a_call_has_the_query_of_the_agent_only() {
    let world = weather().await;
    let agent = world.agent("reader");
    agent.call("GET http://weather.test/now?days=3").await;
    let event = world
        .event_where("the end of the call", |event| event["kind"] == "ended")
        .await;
    assert_eq!(event["request"]["path"], "/now");
    assert_eq!(event["request"]["query_names"], serde_json::json!(["days"]));
    assert_eq!(event["credential"]["name"], "weather");
    world.finish().await;
}

#[tokio::test]
async fn refuses_a_parameter_that_some_reader_takes_for_the_credential() {
    let world = weather().await;
    let agent = world.agent("reader");
    for query in [
        "app_id=own",
        "app_id",
        "APP_ID=own",
        "appId=own",
        "app-id=own",
        "app.id=own",
    ] {
        let call = format!("GET http://weather.test/now?{query}");
        let answer = agent.call(&call).await;
        world.refused(&answer, Reason::QueryCredential).await;
    }
    // another agent's worth of refusals: above ten a second they are counted
    for query in [
        "app+id=own",
        "%61pp_id=own",
        "app%5Fid=own",
        "app_id[]=own",
        "[app_id]=own",
        "app_id[x]=own",
        "+app_id=own",
        "days=3&app_id=own",
        "days=3;app_id=own",
    ] {
        let call = format!("GET http://weather.test/now?{query}");
        World::says_no(&agent.call(&call).await, Reason::QueryCredential);
    }
    assert_eq!(world.upstream("weather.test").connections().len(), 0);
    assert_eq!(world.vault().reads_in_all(), 0);
    world.finish().await;
}

#[tokio::test]
async fn a_parameter_of_that_name_is_the_agents_where_the_credential_goes_elsewhere() {
    let world = World::new()
        .role("reader", "GET api.a.test/**")
        .start()
        .await;
    let answer = world
        .agent("reader")
        .call("GET http://api.a.test/now?app_id=7")
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = world.upstream("api.a.test").only_request();
    assert_eq!(seen.target(), "/now?app_id=7");
    world.finish().await;
}
