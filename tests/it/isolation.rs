//! What deploy/compose.yaml says of networks, shown with the kernel's own: an agent in a network namespace of its own
//! has one link, to the gate's, and reaches an API through the gate and nothing besides.
//!
//! No engine is needed, and no root where users may make namespaces: the test runs itself again inside new ones.

use std::{
    env, fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use crate::{
    deploy::compose,
    world::{
        World,
        patience::until,
        programs::{in_network, installed},
    },
};

/// Tells the test that it runs inside the namespaces.
const INSIDE: &str = "TOLLGATE_TEST_INSIDE";

/// The gate's and the agent's ends of their link.
const GATE: &str = "10.99.0.1";
const AGENT: &str = "10.99.0.2";

/// A host of the network that only the gate is in, and the gate's own address there.
const OUTSIDE: &str = "198.51.100.2";
const GATE_OUTSIDE: &str = "198.51.100.1";

#[tokio::test]
async fn an_agent_whose_only_link_is_the_gate_reaches_an_api_through_it_and_nothing_else() {
    if env::var_os(INSIDE).is_none() {
        return run_inside_namespaces(
            "isolation::an_agent_whose_only_link_is_the_gate_reaches_an_api_through_it_and_nothing_else",
        );
    }
    ip("link set lo up");
    fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap();
    let agents = Network::linked("agents", GATE, AGENT).await;
    let _outside = Network::linked("out", GATE_OUTSIDE, OUTSIDE).await;
    let world = World::new()
        .role("coder", "GET api.a.test/v1/**")
        .setting(&format!("listen: {GATE}:0"))
        .start()
        .await;
    let door = world
        .connect_with("coder", Some(&agents.path()), &connector(&world))
        .await;

    // through the gate: the name is the gate's to resolve, the credential the gate's to add
    let url = format!("https://{}/v1/x", world.at("api.a.test"));
    let output = world
        .client(&door, "curl", &["-sS", "--max-time", "10", &url])
        .await;
    assert_eq!(output.stdout, b"ok", "{output:?}");
    let refused = url.replace("/v1/", "/v2/");
    let output = world
        .client(&door, "curl", &["-sS", "--max-time", "10", &refused])
        .await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("no_rule"), "{output:?}");

    // and nothing else: no route to any address, no name server, no other host's loopback
    assert_eq!(attempts(None), REACHED, "from where the gate is");
    assert_eq!(
        attempts(Some(&agents)),
        UNREACHED,
        "from where the agent is"
    );
    does_not_forward(true);
    // the same question is answered otherwise where the gate's host forwards, so it can tell
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
    does_not_forward(false);

    drop(door);
    world.finish().await;
}

/// Tries to leave, and prints what the kernel said to each attempt.
const ATTEMPTS: &str = r#"
import errno, socket, sys
def tried(kind, address):
    with socket.socket(socket.AF_INET, kind) as tried:
        tried.settimeout(10)
        try:
            tried.connect(address)
            return "reached"
        except OSError as error:
            return errno.errorcode.get(error.errno, repr(error))
outside = sys.argv[1]
print("tcp", tried(socket.SOCK_STREAM, (outside, 9)))
print("udp", tried(socket.SOCK_DGRAM, (outside, 53)))
"#;

/// Nothing listens at the host outside; who hears that has reached it.
const REACHED: &str = "tcp ECONNREFUSED\nudp reached\n";
const UNREACHED: &str = "tcp ENETUNREACH\nudp ENETUNREACH\n";

fn attempts(from: Option<&Network>) -> String {
    let path = from.map(Network::path);
    let mut python = in_network(path.as_deref(), "python3");
    let output = python.args(["-c", ATTEMPTS, OUTSIDE]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Whether the kernel where the gate is would take a packet of the agent's further, had the agent a route to it.
fn does_not_forward(expected: bool) {
    let route = format!("route get {OUTSIDE} from {AGENT} iif agents");
    let output = Command::new(installed("ip", "iproute2"))
        .args(route.split(' '))
        .output()
        .unwrap();
    assert_eq!(!output.status.success(), expected, "{output:?}");
}

/// The command of the connector in deploy/compose.yaml, with this world's places for those of its containers.
fn connector(world: &World) -> Vec<String> {
    let command = compose::connector_command();
    let mut args: Vec<_> = command
        .iter()
        .map(|arg| {
            arg.replace("gate:8443", &world.listen().to_string())
                .replace("/etc/tollgate/gate-ca.crt", "gates-ca.crt")
                .replace("/etc/tollgate/agent.crt", "coder.crt")
                .replace("/run/secrets/agent.key", "coder.key")
        })
        .collect();
    args.push("--gate-name=gate.test".into());
    args
}

/// A network namespace with one link to this process's; gone when it is dropped.
struct Network {
    holder: Child,
}

impl Network {
    /// `name` is our end of the link, with the address `ours`.
    async fn linked(name: &str, ours: &str, theirs: &str) -> Network {
        let holder = Command::new(installed("unshare", "util-linux"))
            .args(["--net", "sleep", "infinity"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let network = Network { holder };
        let own = fs::read_link("/proc/self/ns/net").unwrap();
        until("a network namespace", || {
            (fs::read_link(network.path()).ok()? != own).then_some(())
        })
        .await;
        let pid = network.holder.id();
        ip(&format!(
            "link add {name} type veth peer name eth0 netns {pid}"
        ));
        ip(&format!("addr add {ours}/24 dev {name}"));
        ip(&format!("link set {name} up"));
        network.ip(&format!("addr add {theirs}/24 dev eth0"));
        network.ip("link set eth0 up");
        network.ip("link set lo up");
        network
    }

    fn path(&self) -> PathBuf {
        format!("/proc/{}/ns/net", self.holder.id()).into()
    }

    fn ip(&self, args: &str) {
        succeed(in_network(Some(&self.path()), installed("ip", "iproute2")).args(args.split(' ')));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn ip(args: &str) {
    succeed(Command::new(installed("ip", "iproute2")).args(args.split(' ')));
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// Runs the test of this name again, in a network that is this run's alone.
fn run_inside_namespaces(test: &str) {
    let unshare = installed("unshare", "util-linux");
    let as_user = ["--user", "--map-root-user", "--net"].as_slice();
    let as_root = ["--net"].as_slice();
    let possible = |args: &&&[&str]| {
        let tried = Command::new(&unshare).args(**args).arg("true").output();
        tried.unwrap().status.success()
    };
    let args = [as_user, as_root].iter().find(possible).copied();
    let args = args.expect(
        "no network namespace can be made here, which this test needs: run it as root, or allow users their own \
         namespaces (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0)",
    );
    let output = Command::new(&unshare)
        .args(args)
        .arg(env::current_exe().unwrap())
        .args(["--exact", "--nocapture", test])
        .env(INSIDE, "yes")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let passed = output.status.success() && said.contains("1 passed");
    let speech = String::from_utf8_lossy(&output.stderr);
    assert!(passed, "inside the namespaces: {said}{speech}");
}
