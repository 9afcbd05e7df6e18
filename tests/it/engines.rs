//! Users that OpenBao makes on real servers, each for one lease.

use std::net::Ipv4Addr;

use crate::{
    openbao::server::{OpenBao, engines::Administered},
    servers::{ROOT, influx::Influx, postgres::Postgres, rabbitmq::RabbitMq},
    world::pki::Pki,
};

/// A name and a password.
type User = (String, String);

/// Has OpenBao make a user, as root; gives the one lease there is, and the user.
async fn made(bao: &OpenBao, path: &str) -> (String, User) {
    let user = bao.read(path).await;
    let text = |field: &str| user[field].as_str().unwrap().to_owned();
    let leases = bao.leases(path).await;
    assert_eq!(leases.len(), 1, "{leases:?}");
    (leases[0].clone(), (text("username"), text("password")))
}

#[tokio::test]
async fn a_user_of_rabbitmq_is_there_for_one_lease() {
    let pki = Pki::new();
    let shown = pki.shown("mq.test", Ipv4Addr::LOCALHOST);
    let (bao, mq) = tokio::join!(
        OpenBao::start(),
        RabbitMq::start((Ipv4Addr::LOCALHOST, 0).into(), shown)
    );
    let server = Administered {
        address: &mq.address,
        root: ROOT,
    };
    bao.makes_rabbitmq_users("agent", &server, ("1h", "2h"))
        .await;
    let (lease, (name, password)) = made(&bao, "rabbitmq/creds/agent").await;
    let (status, who) = mq.get("whoami", (&name, &password)).await;
    assert_eq!((status, who["name"].as_str()), (200, Some(name.as_str())));
    bao.revoke(&lease).await;
    assert_eq!(mq.get("whoami", (&name, &password)).await.0, 401);
    assert_eq!(mq.users().await, [ROOT.0]);
}

#[tokio::test]
async fn a_role_of_postgresql_is_there_for_one_lease() {
    let (bao, postgres) = tokio::join!(OpenBao::start(), Postgres::start());
    let server = Administered {
        address: &postgres.address(),
        root: ROOT,
    };
    bao.makes_postgres_roles("agent", &server, ("1h", "2h"))
        .await;
    let (lease, (name, password)) = made(&bao, "database/creds/agent").await;
    let query = "SELECT current_user, rolvaliduntil - now() < '61min' FROM pg_roles WHERE rolname = current_user";
    let row = postgres.query_as((&name, &password), query).await;
    assert_eq!(row, Ok(format!("{name}|t")));
    bao.revoke(&lease).await;
    let row = postgres.query_as((&name, &password), query).await;
    assert!(row.unwrap_err().contains("authentication failed"));
    assert_eq!(postgres.roles_made().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_user_of_influxdb_is_there_for_one_lease() {
    let pki = Pki::new();
    let shown = pki.shown("influx.test", Ipv4Addr::LOCALHOST);
    let at = (Ipv4Addr::LOCALHOST, 0).into();
    let (bao, influx) = tokio::join!(OpenBao::start(), Influx::start(at, shown));
    let server = Administered {
        address: &influx.https.to_string(),
        root: ROOT,
    };
    bao.makes_influx_users("agent", &server, ("1h", "2h")).await;
    let (lease, (name, password)) = made(&bao, "database/creds/agent").await;
    let (status, answer) = influx.query_as((&name, &password), "SHOW DATABASES").await;
    assert_eq!(status, 200, "{answer}");
    bao.revoke(&lease).await;
    let (status, answer) = influx.query_as((&name, &password), "SHOW DATABASES").await;
    assert_eq!(status, 401, "{answer}");
    assert_eq!(influx.users().await, [ROOT.0]);
}

#[tokio::test]
async fn openbao_signs_and_vouches_and_writes_down_who_asked() {
    let bao = OpenBao::start().await;
    let authority = bao.signs_certificates("agent", "td.test", "10m").await;
    assert!(authority.contains("BEGIN CERTIFICATE"), "{authority}");
    let key = bao.signs_with_rsa("app").await;
    assert!(key.contains("BEGIN PUBLIC KEY"), "{key}");
    assert_ne!(bao.vouches_for_logins("agent", "10m").await, "");
    let asked: Vec<_> = bao.audit();
    assert!(
        asked
            .iter()
            .any(|line| line["type"] == "request" && line["request"]["path"] == "transit/keys/app"),
        "{asked:?}"
    );
}
