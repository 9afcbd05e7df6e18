//! Name servers that lie, ramble or talk nonsense.

use std::net::Ipv4Addr;

use tollgate::refusal::Reason;

use crate::world::{
    World,
    dns::{
        Over,
        forged::{A, THE_NAME, head, kind, name, record, truncated},
    },
};

/// Names of the role, each for one kind of answer.
const RULES: &str = "GET api.a.test/v1/public/**; GET *.a.test/**";

async fn world() -> World {
    World::new().role("r1", RULES).start().await
}

/// The address of `api.a.test` as a record's value.
fn own(world: &World) -> [u8; 4] {
    match world.upstream("api.a.test").address.ip() {
        std::net::IpAddr::V4(ip) => ip.octets(),
        std::net::IpAddr::V6(ip) => panic!("{ip}"),
    }
}

/// As many A records of these values as there are, by TCP alone; other types have none.
fn many(values: Vec<[u8; 4]>) -> impl Fn(&[u8], Over) -> Vec<u8> {
    move |query, over| match (kind(query), over) {
        (A, Over::Udp) => truncated(query),
        (A, Over::Tcp) => {
            let count = u16::try_from(values.len()).unwrap();
            let records = values.iter().flat_map(|ip| record(&THE_NAME, A, 0, ip));
            head(query, count).into_iter().chain(records).collect()
        }
        _ => head(query, 0),
    }
}

/// One A record of this owner and value.
fn one(owner: Vec<u8>, seconds: u32, ip: [u8; 4]) -> impl Fn(&[u8], Over) -> Vec<u8> {
    move |query, _| match kind(query) {
        A => [head(query, 1), record(&owner, A, seconds, &ip)].concat(),
        _ => head(query, 0),
    }
}

#[tokio::test]
async fn ss_11_lives_through_large_wrong_and_broken_answers_and_believes_none() {
    let world = world().await;
    let (agent, own) = (world.agent("r1"), own(&world));
    let call = "GET http://api.a.test/v1/public/x";

    // the same good address 500 times, and as often as 64 KiB hold it
    for count in [500, 4000] {
        world.dns.forges("api.a.test", many(vec![own; count]));
        assert_eq!(agent.call(call).await.status, 200, "{count}");
    }
    // 500 addresses, one of them internal and not excepted
    let mut mixed = vec![own; 499];
    mixed.insert(1, [10, 0, 0, 5]);
    world.dns.forges("api.a.test", many(mixed));
    World::says_no(&agent.call(call).await, Reason::AddressForbidden);
    // a good address, of another name
    world
        .dns
        .forges("api.a.test", one(name("evil.test"), 0, own));
    World::says_no(&agent.call(call).await, Reason::UpstreamUnresolved);
    // lives of 2^31 seconds and of 2^32 - 1
    for (host, seconds) in [("half.a.test", 1 << 31), ("all.a.test", u32::MAX)] {
        let lasting = one(THE_NAME.to_vec(), seconds, [10, 0, 0, 5]);
        world.dns.forges(host, lasting);
        let answer = agent.call(&format!("GET http://{host}/x")).await;
        World::says_no(&answer, Reason::AddressForbidden);
    }
    nonsense(&world).await;
    // and goes on
    let own = Ipv4Addr::from(own).to_string();
    world.dns.answers("api.a.test", &[&own]);
    assert_eq!(agent.call(call).await.status, 200);
    world.finish().await;
}

/// Names that point to themselves, to each other and ahead; counts and lengths that are not so; hardly anything.
async fn nonsense(world: &World) {
    let tail = |record: Vec<u8>| move |query: &[u8]| [head(query, 1), record.clone()].concat();
    let ip = own(world);
    // the record begins where the question ends: 12 bytes of head, the name, type and class
    let at = |label: &str| 12 + name(&format!("{label}.a.test")).len() + 4;
    let pointer = |to: usize| {
        [
            0xc0 | u8::try_from(to >> 8).unwrap(),
            u8::try_from(to & 0xff).unwrap(),
        ]
    };
    let itself = record(&pointer(at("itself")), A, 0, &ip);
    let ahead = record(&pointer(at("ahead") + 16), A, 0, &ip);
    let others = [pointer(at("others") + 2), pointer(at("others"))].concat();
    let short = record(&THE_NAME, A, 0, &ip[..3]);
    let long = record(&THE_NAME, A, 0, &[1; 64]);
    let forge = |label: &str, bytes: Vec<u8>| {
        let forged = tail(bytes);
        let full = format!("{label}.a.test");
        world.dns.forges(&full, move |query, _| forged(query));
    };
    forge("itself", itself);
    forge("ahead", ahead);
    forge("others", others);
    forge("short", short);
    forge("long", long);
    world
        .dns
        .forges("counts.a.test", |query, _| head(query, u16::MAX));
    world
        .dns
        .forges("hardly.a.test", |query, _| query[..3].to_vec());
    let labels = [
        "itself", "ahead", "others", "short", "long", "counts", "hardly",
    ];
    let mut calls = tokio::task::JoinSet::new();
    for label in labels {
        let agent = world.agent("r1");
        calls.spawn(async move {
            (
                label,
                agent.call(&format!("GET http://{label}.a.test/x")).await,
            )
        });
    }
    for (label, answer) in calls.join_all().await {
        assert_eq!(answer.status, 502, "{label}: {answer:?}");
        World::says_no(&answer, Reason::UpstreamUnresolved);
    }
}

#[tokio::test]
async fn a_flood_of_names_that_do_not_exist_takes_no_room_and_nothing_from_others() {
    let world = world().await;
    let mut tunnel = world.agent("r1").wire().await;
    let agent = world.agent("r1");
    let before = world.gate.resident_bytes();
    for number in 0..500 {
        let call = format!("GET http://n{number}.a.test/x");
        tunnel.send(agent.absolute(&call, "", "")).await;
        World::says_no(&tunnel.answer().await, Reason::UpstreamUnresolved);
    }
    let grown = world.gate.resident_bytes().saturating_sub(before);
    assert!(grown < 16 * 1024 * 1024, "{grown} bytes");
    assert_eq!(
        agent.call("GET http://api.a.test/v1/public/x").await.status,
        200
    );
    world.finish().await;
}

#[tokio::test]
async fn addresses_beside_the_answer_are_not_believed() {
    let world = world().await;
    let own = own(&world);
    // no answer, but the name's address among the additional records, and as the authority's
    world.dns.forges("api.a.test", move |query, _| {
        let mut bytes = head(query, 0);
        bytes[9] = 1;
        bytes[11] = 1;
        let record = record(&THE_NAME, A, 300, &own);
        [bytes, record.clone(), record].concat()
    });
    let answer = world
        .agent("r1")
        .call("GET http://api.a.test/v1/public/x")
        .await;
    World::says_no(&answer, Reason::UpstreamUnresolved);
    assert_eq!(world.upstream("api.a.test").connections().len(), 0);
    world.finish().await;
}
