//! The certificates that the gate mints for tunnels: clients of the strictest kind accept them, for one host each.

use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::world::World;

async fn world() -> World {
    World::new()
        .role("agent", "GET api.a.test/v1/**; GET api.b.test/**")
        .start()
        .await
}

#[tokio::test]
async fn a_leaf_names_exactly_the_host_of_its_tunnel() {
    let world = world().await;
    let agent = world.agent("agent");
    let mut serials = Vec::new();
    for host in ["api.a.test", "api.b.test", "evil.test"] {
        let tunnel = agent.tunnel(host).await;
        let (_, leaf) = X509Certificate::from_der(&tunnel.peer[0]).unwrap();
        let names = leaf.subject_alternative_name().unwrap().unwrap();
        assert_eq!(names.value.general_names, [GeneralName::DNSName(host)]);
        assert!(!leaf.is_ca());
        let day = time::Duration::days(1) + time::Duration::hours(2);
        let validity = leaf.validity();
        assert!(validity.not_after.to_datetime() - validity.not_before.to_datetime() <= day);
        let authority = world.pki.interception.not_after();
        assert!(
            validity.not_after.to_datetime() <= authority,
            "a leaf outlives its authority"
        );
        serials.push(leaf.raw_serial().to_vec());
    }
    serials.sort();
    serials.dedup();
    assert_eq!(serials.len(), 3);
    world.finish().await;
}

/// TLS inside TLS, the way Python's `ssl` does it with every strict check on.
const STRICT: &str = r#"
import socket, ssl, sys
gate, host, port = int(sys.argv[1]), sys.argv[2], sys.argv[3]
outer = ssl.create_default_context(cafile="pki/gates-ca.crt")
outer.verify_flags |= ssl.VERIFY_X509_STRICT
outer.load_cert_chain("pki/agent.crt", "pki/agent.key")
proxy = outer.wrap_socket(socket.create_connection(("127.0.0.1", gate)), server_hostname="gate.test")
proxy.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
head = b""
while not head.endswith(b"\r\n\r\n"):
    head += proxy.recv(1)
assert head.split()[1] == b"200", head
inner = ssl.create_default_context(cafile="pki/interception-ca.crt")
inner.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_TRUSTED_FIRST
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
tunnel = inner.wrap_bio(incoming, outgoing, server_hostname=host)
def flush():
    if outgoing.pending:
        proxy.sendall(outgoing.read())
def drive(step):
    while True:
        try:
            result = step()
            flush()
            return result
        except ssl.SSLWantReadError:
            flush()
            incoming.write(proxy.recv(65536))
drive(tunnel.do_handshake)
print(tunnel.getpeercert()["subjectAltName"])
drive(lambda: tunnel.write(f"GET /v1/x HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode()))
print(drive(lambda: tunnel.read(4096)).split(b"\r\n")[0].decode())
"#;

#[tokio::test]
async fn a_leaf_passes_the_strict_checks_of_python() {
    let world = world().await;
    world
        .pki
        .agent("agent")
        .write(&world.dir().join("pki"), "agent");
    let (gate, port) = (world.listen().port().to_string(), world.port.to_string());
    let output = world.python(STRICT, &[&gate, "api.a.test", &port]).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        said, "(('DNS', 'api.a.test'),)\nHTTP/1.1 200 OK\n",
        "{output:?}"
    );
    world.finish().await;
}
