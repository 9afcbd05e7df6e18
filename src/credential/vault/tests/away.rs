//! A server that is away for an hour, while calls go on: how often it is asked then, and when it is back.

use std::sync::atomic::{AtomicBool, Ordering};

use http::header::AUTHORIZATION;
use tokio::task::JoinSet;

use super::{
    double::{Double, LOGIN, Reply},
    *,
};
use crate::{
    credential::{Entry, LeaseNames, Source},
    inject::{header::HeaderTemplate, placement::Placement},
};

/// So many credentials are in use.
const ENTRIES: usize = 50;

/// Each is used so often.
const USED_EVERY: Duration = Duration::from_secs(10);

const MINUTE: Duration = Duration::from_secs(60);

/// Two thirds of the entries have leases, the others stored values; all are used all the time.
struct World {
    double: Double,
    away: Arc<AtomicBool>,
    entries: Vec<Entry>,
    _dir: TempDir,
}

impl World {
    async fn start() -> World {
        let away = Arc::new(AtomicBool::new(false));
        let is_away = Arc::clone(&away);
        let double = Double::scripted(move |seen| match is_away.load(Ordering::SeqCst) {
            true => Some(Reply::errors(503, "Vault is sealed")),
            false => leased(&seen.path),
        });
        let double = double.await;
        let (vault, dir) = double.client();
        World {
            entries: (0..ENTRIES).map(|n| entry(&vault, n)).collect(),
            double,
            away,
            _dir: dir,
        }
    }

    /// Lets `time` pass; every entry is used all the time. How many requests the server saw.
    async fn pass(&self, time: Duration) -> usize {
        let before = self.double.seen().len();
        for _ in 0..time.as_secs() / USED_EVERY.as_secs() {
            self.use_all().await;
            tokio::time::pause();
            tokio::time::advance(USED_EVERY).await;
            tokio::time::resume();
        }
        self.double.seen().len() - before
    }

    /// Every entry once, all at the same time; how many had a value.
    async fn use_all(&self) -> usize {
        let mut uses = JoinSet::new();
        for entry in &self.entries {
            let entry = entry.clone();
            uses.spawn(async move { entry.lease(Duration::from_secs(2)).await.is_ok() });
        }
        let used = uses.join_all().await;
        used.into_iter().filter(|had| *had).count()
    }
}

fn leased(path: &str) -> Option<Reply> {
    let role = path.strip_prefix("/v1/db/creds/")?;
    let data = r#"{"username":"u","password":"p"}"#;
    let answer = format!(
        r#"{{"request_id":"r","lease_id":"db/creds/{role}/x","lease_duration":300,"renewable":true,"data":{data}}}"#
    );
    Some(Reply::Answer(200, "", answer))
}

fn entry(vault: &Arc<Vault>, n: usize) -> Entry {
    let (engine, text) = match n % 3 {
        0 => (kv2("secret", &format!("s{n}")), "{token}"),
        _ => (
            Engine::Login {
                mount: "db".into(),
                role: format!("r{n}"),
            },
            "{password}",
        ),
    };
    let source = Source::Vault {
        vault: Arc::clone(vault),
        engine,
    };
    let placement = Placement::Header {
        name: AUTHORIZATION,
        template: HeaderTemplate::parse(text).unwrap(),
    };
    let hours = Duration::from_secs(24 * 3600);
    Entry::new(source, placement, hours, LeaseNames::random().unwrap())
}

#[tokio::test]
async fn a_server_that_was_away_for_an_hour_is_asked_once_for_each_credential_in_use() {
    let world = World::start().await;
    assert_eq!(world.use_all().await, ENTRIES);
    world.away.store(true, Ordering::SeqCst);
    let while_away = world.pass(60 * MINUTE).await;
    world.away.store(false, Ordering::SeqCst);
    let logins = world.double.count(LOGIN);
    let first_minute = world.pass(MINUTE).await;
    println!("while away: {while_away}; in the first minute back: {first_minute}");
    assert_eq!(world.use_all().await, ENTRIES);
    // At most one answer for each and a login or two, whatever went wrong meanwhile: nothing was saved up.
    assert!(first_minute <= ENTRIES + 4, "{first_minute}");
    assert!(world.double.count(LOGIN) - logins <= 2);
    // One look in 30 s for all of them, put twice; and as much again while the waits grow.
    assert!(while_away <= 2 * 60 * 2 * 2, "{while_away}");
}
