//! Names that have an address which no agent may reach.

use tollgate::refusal::Reason;

use super::Trap;
use crate::world::{World, settings::in_days};

#[tokio::test]
async fn ss_01_refuses_the_first_a_middle_and_the_last_address_of_each_ipv4_range() {
    let trap = Trap::set().await;
    let world = trap.world().guarded("trap.test").start().await;
    for [first, middle, last] in [
        ["0.0.0.0", "0.127.0.1", "0.255.255.255"],
        ["10.0.0.0", "10.127.0.1", "10.255.255.255"],
        ["100.64.0.0", "100.100.0.1", "100.127.255.255"],
        ["127.0.0.0", "127.0.0.1", "127.255.255.255"],
        ["169.254.0.0", "169.254.127.1", "169.254.255.255"],
        ["172.16.0.0", "172.24.0.1", "172.31.255.255"],
        ["192.0.0.0", "192.0.0.10", "192.0.0.255"],
        ["192.0.2.0", "192.0.2.127", "192.0.2.255"],
        ["192.31.196.0", "192.31.196.127", "192.31.196.255"],
        ["192.52.193.0", "192.52.193.127", "192.52.193.255"],
        ["192.88.99.0", "192.88.99.127", "192.88.99.255"],
        ["192.168.0.0", "192.168.127.1", "192.168.255.255"],
        ["192.175.48.0", "192.175.48.127", "192.175.48.255"],
        ["198.18.0.0", "198.19.0.1", "198.19.255.255"],
        ["198.51.100.0", "198.51.100.127", "198.51.100.255"],
        ["203.0.113.0", "203.0.113.127", "203.0.113.255"],
        ["224.0.0.0", "232.0.0.1", "239.255.255.255"],
        ["240.0.0.0", "248.0.0.1", "255.255.255.254"],
        ["255.255.255.255", "255.255.255.255", "255.255.255.255"],
    ] {
        trap.is_refused_at(&world, &[first, middle, last]).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn ss_02_refuses_each_special_ipv6_range_and_every_way_to_carry_an_ipv4_address() {
    let trap = Trap::set().await;
    let world = trap.world().guarded("trap.test").start().await;
    let special = [
        "::",
        "::1",
        "::7f00:1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:0:10.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::a00:1",
        "64:ff9b:1:a00:0:100::",
        "100::1",
        "100:0:0:1::1",
        "2001::1",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:a00:1::1",
        "2002:808:808::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "fe80::5efe:10.0.0.1",
        "2606:4700::5efe:10.0.0.1",
        "4000::1",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ];
    trap.is_refused_at(&world, &special).await;
    world.finish().await;
}

/// Services of clouds that hand out the machine's own credentials.
const METADATA: [&str; 15] = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "169.254.0.23",
    "169.254.42.42",
    "fd00:42::42",
    "fd00:a9fe:a9fe::1",
    "fd00:c1::a9fe:a9fe",
    "fe80::a9fe:a9fe",
];

#[tokio::test]
async fn ss_03_refuses_metadata_services_by_address_and_by_name_whatever_is_excepted() {
    let trap = Trap::set().await;
    let names = ["metadata.google.internal", "metadata", "instance-data"];
    let rules: Vec<String> = names.iter().map(|name| trap.rule(name)).collect();
    let world = trap
        .world()
        .role("clouds", rules.join("; ").as_str())
        .setting(&excepting(&trap, "10.0.0.0/8, 127.0.0.0/8, fd00:1::/32"))
        .start()
        .await;
    trap.is_refused_at(&world, &METADATA).await;
    for name in names {
        world.dns.answers(name, &["169.254.169.254"]);
        let call = format!("GET http://{name}:{}/computeMetadata/v1/", trap.port());
        let answer = world.agent("clouds").call(&call).await;
        World::says_no(&answer, Reason::AddressForbidden);
    }
    // nor can settings open one: what was read before stays in force
    for block in ["169.254.169.254/32", "169.254.0.0/16", "100.100.100.200/32"] {
        world.becomes(trap.world().setting(&excepting(&trap, block)));
        let said = world.reload().await;
        assert!(said.contains("not reloaded"), "{block}: {said}");
        trap.is_refused_at(&world, &METADATA[..1]).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn an_exception_opens_neither_what_carries_an_ipv4_address_nor_the_machine_itself() {
    let trap = Trap::set().await;
    let world = trap
        .world()
        .setting(&excepting(&trap, "127.0.0.0/8, fd00:1::/32"))
        .start()
        .await;
    let closed = [
        "fd00:1::5efe:7f00:1",
        "fd00:1::200:5efe:127.0.0.1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "0.0.0.0",
        "::",
    ];
    trap.is_refused_at(&world, &closed).await;
    world.dns.answers("trap.test", &["127.0.0.1"]);
    let answer = world.agent("r1").call(&trap.call()).await;
    World::says_no(&answer, Reason::UpstreamTimeout);
    world.finish().await;
}

/// An exception that opens `blocks` to `r1` at `trap.test`.
fn excepting(trap: &Trap, blocks: &str) -> String {
    format!(
        "exceptions: [{{role: r1, host: trap.test, port: {}, addresses: [{blocks}], reason: a test, until: {}}}]",
        trap.port(),
        in_days(30)
    )
}
