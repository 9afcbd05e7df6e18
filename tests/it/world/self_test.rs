//! The world without a gate: its pieces against each other, so that a failing test elsewhere means the gate.

use std::{io::Write, sync::Arc};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::{TcpStream, UdpSocket},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    World,
    builder::Surroundings,
    http1::{self, Length},
    patience::until,
    pki,
    script::{Answer, Hold, Meter},
    vault::Mood,
};

/// A connection to an upstream with nothing in between.
async fn straight_to(around: &Surroundings, host: &str) -> BufReader<TlsStream<TcpStream>> {
    let socket = TcpStream::connect(around.upstreams[host].address)
        .await
        .unwrap();
    let mut config = pki::client_config(around.pki.upstreams.roots(), None);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, socket)
        .await
        .unwrap();
    BufReader::new(stream)
}

async fn ask(
    stream: &mut BufReader<TlsStream<TcpStream>>,
    request: &str,
) -> (http1::Head, http1::Body) {
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = http1::read_head(stream).await.unwrap().unwrap();
    let body = http1::read_body(stream, http1::answer_length("GET", 200, &head))
        .await
        .unwrap();
    (head, body)
}

#[tokio::test]
async fn an_upstream_keeps_every_byte_and_the_names_it_was_called_by() {
    let around = World::new()
        .role("r", "GET api.a.test/v1/**")
        .surroundings()
        .await;
    let upstream = &around.upstreams["api.a.test"];
    let mut stream = straight_to(&around, "api.a.test").await;
    let request = "POST /v1/x?y=1 HTTP/1.1\r\nHost: api.a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n";
    let (head, body) = ask(&mut stream, request).await;

    assert_eq!(head.start, "HTTP/1.1 200 OK");
    assert_eq!(body.bytes, b"ok");
    let connection = &upstream.connections()[0];
    assert_eq!(connection.received.bytes(), request.as_bytes());
    assert_eq!(connection.sni.as_deref(), Some("api.a.test"));
    assert_eq!(connection.alpn.as_deref(), Some(b"http/1.1".as_slice()));
    let seen = upstream.only_request();
    assert_eq!((seen.method(), seen.target()), ("POST", "/v1/x?y=1"));
    assert_eq!(seen.body.bytes, b"abc");
    assert_eq!(seen.body.trailers, [("X-Sum".to_owned(), "9".to_owned())]);
}

#[tokio::test]
async fn an_upstream_notices_a_request_without_a_permit_before_it() {
    let around = World::new()
        .role("r", "GET api.a.test/v1/**")
        .surroundings()
        .await;
    let upstream = &around.upstreams["api.a.test"];
    let mut stream = straight_to(&around, "api.a.test").await;
    let mut log = std::fs::File::create(around.dir.path().join("events.jsonl")).unwrap();
    writeln!(
        log,
        r#"{{"kind":"allowed","request":{{"host":"api.a.test","path":"/v1/x"}}}}"#
    )
    .unwrap();

    let request = "GET /v1/x HTTP/1.1\r\nHost: api.a.test\r\n\r\n";
    ask(&mut stream, request).await;
    assert_eq!(upstream.unannounced(), Vec::<String>::new());
    ask(&mut stream, request).await;
    assert_eq!(upstream.unannounced(), ["GET /v1/x HTTP/1.1"]);
}

#[tokio::test]
async fn an_upstream_answers_by_script() {
    let around = World::new()
        .role("r", "GET api.a.test/v1/**")
        .surroundings()
        .await;
    let upstream = &around.upstreams["api.a.test"];
    let hold = Hold::new();
    upstream.answers(
        "/held",
        Answer::Held(hold.clone(), Box::new(Answer::Text("late".into()))),
    );
    upstream.answers("/stream", Answer::Stream(200_000, Meter::default()));
    upstream.answers(
        "/early",
        Answer::Early(b"HTTP/1.1 413 no\r\nContent-Length: 0\r\n\r\n".into()),
    );
    let mut stream = straight_to(&around, "api.a.test").await;

    let (_, body) = ask(&mut stream, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!((body.total, body.complete), (200_000, true));
    assert_eq!(
        body.trailers,
        [("X-Checksum".to_owned(), "all-of-it".to_owned())]
    );

    stream
        .write_all(b"GET /held HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    until("the head", || {
        upstream
            .heads()
            .contains(&"GET /held HTTP/1.1".into())
            .then_some(())
    })
    .await;
    hold.release();
    let head = http1::read_head(&mut stream).await.unwrap().unwrap();
    assert_eq!(head.start, "HTTP/1.1 200 OK");
    http1::read_body(&mut stream, Length::Fixed(4))
        .await
        .unwrap();

    let early = "POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\n";
    let (head, _) = ask(&mut stream, early).await;
    assert_eq!(head.start, "HTTP/1.1 413 no");
    upstream.close();
    until("the end", || upstream.connections()[0].closed.then_some(())).await;
}

#[tokio::test]
async fn the_name_server_answers_each_query_in_turn() {
    use hickory_proto::{
        op::{Message, Query, ResponseCode},
        rr::{Name, RecordType},
    };
    let around = World::new().surroundings().await;
    around
        .dns
        .answers_in_turn("turn.test", &[&["192.0.2.1"], &["127.0.0.1", "::1"]]);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut answers = Vec::new();
    for (name, kind) in [
        ("turn.test.", RecordType::A),
        ("turn.test.", RecordType::A),
        ("turn.test.", RecordType::AAAA),
        ("turn.test.", RecordType::A),
        ("none.test.", RecordType::A),
    ] {
        let mut query = Message::query();
        query.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        socket
            .send_to(&query.to_vec().unwrap(), around.dns.address)
            .await
            .unwrap();
        let mut datagram = [0; 1024];
        let length = socket.recv(&mut datagram).await.unwrap();
        let answer = Message::from_vec(&datagram[..length]).unwrap();
        let data: Vec<_> = answer
            .answers
            .iter()
            .map(|record| record.data.to_string())
            .collect();
        answers.push((answer.metadata.response_code, data.join(",")));
    }
    let fine = ResponseCode::NoError;
    let expected = [
        (fine, "192.0.2.1"),
        (fine, "127.0.0.1"),
        (fine, ""),
        (fine, "127.0.0.1"),
        (ResponseCode::NXDomain, ""),
    ];
    assert_eq!(
        answers,
        expected.map(|(code, data)| (code, data.to_owned()))
    );
    assert_eq!(around.dns.queries("turn.test"), 3);
}

#[tokio::test]
async fn the_vault_speaks_the_envelope_that_a_real_client_reads() {
    use vaultrs::{
        client::{Client, VaultClient, VaultClientSettingsBuilder},
        kv2, token,
    };
    type Data = std::collections::HashMap<String, String>;
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let around = World::new()
        .vault()
        .role("r", "GET api.a.test/**")
        .surroundings()
        .await;
    let vault = around.vault.as_ref().unwrap();
    let ca = around.dir.path().join("pki/vault-ca.crt");
    let settings = VaultClientSettingsBuilder::default()
        .address(vault.url())
        .ca_certs(vec![ca.display().to_string()])
        .build()
        .unwrap();
    let mut client = VaultClient::new(settings).unwrap();
    let login =
        vaultrs::auth::approle::login(&client, "approle", &vault.role_id, &vault.secret_id).await;
    client.set_token(&login.unwrap().client_token);
    assert_eq!(token::lookup_self(&client).await.unwrap().ttl, 3600);
    token::renew_self(&client, None).await.unwrap();
    let data: Data = kv2::read(&client, "secret", "api-a").await.unwrap();
    assert_eq!(data["token"], around.secrets["api-a"]);
    for mood in [
        Mood::Denying,
        Mood::Forgetful,
        Mood::Busy,
        Mood::Sealed,
        Mood::Garbled,
    ] {
        vault.is(mood);
        let data = kv2::read::<Data>(&client, "secret", "api-a").await;
        assert!(data.is_err(), "{mood:?}");
    }
    assert_eq!((vault.logins(), vault.reads("api-a")), (1, 6));
    vault.is(Mood::Well);
    token::revoke_self(&client).await.unwrap();
    assert!(kv2::read::<Data>(&client, "secret", "api-a").await.is_err());
    assert_eq!((vault.revocations(), vault.unauthenticated()), (1, 1));
}

#[tokio::test]
async fn settings_are_written_as_yaml() {
    let around = World::new()
        .vault()
        .role("reader", "GET,HEAD api.a.test/v1/**; deny GET api.a.test/v1/admin; POST x.test:8443/y with api-b")
        .cleartext("x.test")
        .setting("listen: 127.0.0.1:7")
        .surroundings()
        .await;
    let read = |name: &str| -> serde_json::Value {
        let text = std::fs::read_to_string(around.dir.path().join(name)).unwrap();
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"))
    };
    let manifest = read("roles/reader.yaml");
    assert_eq!(
        manifest["rules"][0]["hosts"][0],
        format!("api.a.test:{}", around.port)
    );
    assert_eq!(manifest["rules"][0]["credential"], "api-a");
    assert_eq!(manifest["rules"][1]["effect"], "deny");
    assert_eq!(manifest["rules"][2]["verb"], "write");
    assert_eq!(manifest["rules"][2]["hosts"][0], "x.test:8443");
    let frame = read("tollgate.yaml");
    assert_eq!(frame["listen"], "127.0.0.1:7");
    assert_eq!(frame["exceptions"].as_array().unwrap().len(), 3);
    assert_eq!(read("credentials.yaml")["api-b"]["roles"][0], "reader");
}

#[tokio::test]
#[should_panic(expected = "final events")]
async fn a_permit_without_an_end_is_noticed() {
    let around = World::new().surroundings().await;
    let log = around.dir.path().join("events.jsonl");
    let permit = serde_json::json!({
        "schema": "tollgate.event/1",
        "id": "01JDD3V6ZQ0000000000000000",
        "time": "2026-11-22T10:00:00.000000Z",
        "kind": "allowed",
        "decision": { "effect": "allow", "snapshot": "0" },
        "time_us": { "total": 1 },
    });
    std::fs::write(log, format!("{permit}\n")).unwrap();
    around.events.check();
}
