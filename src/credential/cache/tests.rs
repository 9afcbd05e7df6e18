//! The rules of the cache, against a source that says what a test tells it to, on a clock that stands still.

mod leases;

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicUsize, Ordering},
};

use http::{HeaderValue, header::AUTHORIZATION};
use tokio::time::{advance, sleep};

use super::{refresh::FETCH_WAIT_MAX, *};
use crate::{
    credential::{
        End, Fetched, LeaseInfo, SourceError,
        vault::{Parent, VaultError},
    },
    inject::header::HeaderTemplate,
    secret::{Class, Ready, Secret},
};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(5);

/// The value of the header that carries the lease's secret.
fn sent(lease: &Lease) -> &HeaderValue {
    match lease.ready() {
        Ready::Header(_, value) => value,
        Ready::Parameter(_) | Ready::Certificate(_) => {
            panic!("the entry's placement is a header")
        }
    }
}

/// Gives the scripted answers one after the other, the last one again and again; so it does with renewals.
#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    renewals: Arc<Mutex<VecDeque<Renewal>>>,
    asked: Arc<AtomicUsize>,
    renewed: Arc<AtomicUsize>,
    /// The leases that were given back, each with the rest that calls under way were left.
    given_up: Arc<Mutex<Vec<(String, Duration)>>>,
    /// How long the source takes for an answer.
    delay: Duration,
    parent: Option<Arc<Parent>>,
}

type Renewal = Result<Duration, SourceError>;

#[derive(Clone)]
enum Answer {
    Value(&'static str),
    Leased(&'static str, Duration),
    Renewable(&'static str, Duration),
    Down,
    Says(SourceError),
    Busy(Duration),
    Gone,
}

impl Script {
    fn of(answers: impl IntoIterator<Item = Answer>) -> Script {
        Script {
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            ..Script::default()
        }
    }

    fn slow(self, delay: Duration) -> Script {
        Script { delay, ..self }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn says(&self, answer: Answer) {
        *self.answers.lock().unwrap() = [answer].into();
    }

    fn entry(&self) -> Entry<Script> {
        self.entry_of(HOUR)
    }

    fn entry_of(&self, max_ttl: Duration) -> Entry<Script> {
        let placement = Placement::Header {
            name: AUTHORIZATION,
            template: HeaderTemplate::parse("Bearer {token}").unwrap(),
        };
        Entry::new(
            self.clone(),
            placement,
            max_ttl,
            LeaseNames::random().unwrap(),
        )
    }
}

impl Fetch for Script {
    async fn fetch(&self) -> Result<Fetched, SourceError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        sleep(self.delay).await;
        let mut fetched = next(&self.answers).give()?;
        fetched.parent.clone_from(&self.parent);
        Ok(fetched)
    }

    async fn renew(&self, _: &LeaseInfo) -> Renewal {
        self.renewed.fetch_add(1, Ordering::SeqCst);
        sleep(self.delay).await;
        next(&self.renewals)
    }

    fn give_up(&self, lease: LeaseInfo, rest: Duration) {
        let mut given_up = self.given_up.lock().unwrap();
        given_up.push((lease.id.to_string(), rest));
    }

    fn creates(&self) -> bool {
        true
    }

    fn name(&self) -> String {
        "script".into()
    }
}

fn next<T: Clone>(script: &Mutex<VecDeque<T>>) -> T {
    let mut script = script.lock().unwrap();
    let next = match script.len() {
        0 | 1 => script.front().cloned(),
        _ => script.pop_front(),
    };
    next.expect("the script goes on")
}

impl Answer {
    fn give(self) -> Result<Fetched, SourceError> {
        let fetched = |value: &str| Fetched::stored(Secret::new(value.into()));
        match self {
            Answer::Value(value) => Ok(fetched(value)),
            Answer::Leased(value, duration) => Ok(Fetched {
                end: leased(value, duration, false),
                ..fetched(value)
            }),
            Answer::Renewable(value, duration) => Ok(Fetched {
                end: leased(value, duration, true),
                ..fetched(value)
            }),
            Answer::Says(error) => Err(error),
            Answer::Down => Err(SourceError::TimedOut),
            Answer::Busy(wait) => Err(SourceError::Vault(VaultError::RateLimited {
                retry_after: Some(wait),
            })),
            Answer::Gone => Err(SourceError::Vault(VaultError::Deleted)),
        }
    }
}

fn leased(value: &str, duration: Duration, renewable: bool) -> End {
    End::Lease(LeaseInfo {
        id: value.into(),
        duration,
        renewable,
    })
}

/// Lets the tasks that are ready run, without moving the clock.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_fetched_before_somebody_asks() {
    let script = Script::of([Answer::Value("a")]);
    let entry = script.entry();
    sleep(HOUR * 5).await;
    assert_eq!(script.asked(), 0);
    assert_eq!(sent(&entry.lease(SOON).await.unwrap()), "Bearer a");
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_used_again_until_half_of_its_time() {
    let script = Script::of([Answer::Value("a")]);
    let entry = script.entry_of(MINUTE * 8);
    let first = entry.lease(SOON).await.unwrap();
    advance(MINUTE * 3).await;
    assert!(Arc::ptr_eq(&first, &entry.lease(SOON).await.unwrap()));
    settle().await;
    assert_eq!(script.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_nobody_ends_is_looked_at_again_after_five_minutes() {
    let script = Script::of([Answer::Value("a"), Answer::Value("b")]);
    let entry = script.entry();
    entry.lease(SOON).await.unwrap();
    advance(MINUTE * 4).await;
    entry.lease(SOON).await.unwrap();
    settle().await;
    assert_eq!(script.asked(), 1);
    advance(MINUTE).await;
    entry.lease(SOON).await.unwrap();
    settle().await;
    assert_eq!(sent(&entry.lease(SOON).await.unwrap()), "Bearer b");
}

#[tokio::test(start_paused = true)]
async fn a_use_after_half_of_the_time_fetches_the_next_without_waiting_for_it() {
    let script = Script::of([Answer::Value("a"), Answer::Value("b")]);
    let entry = script.entry();
    entry.lease(SOON).await.unwrap();
    advance(HOUR / 2).await;
    assert_eq!(sent(&entry.lease(SOON).await.unwrap()), "Bearer a");
    settle().await;
    assert_eq!(sent(&entry.lease(SOON).await.unwrap()), "Bearer b");
    assert_eq!(script.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn only_one_of_many_uses_starts_the_fetch_ahead() {
    let script = Script::of([Answer::Value("a")]).slow(SOON);
    let entry = script.entry();
    entry.lease(HOUR).await.unwrap();
    advance(HOUR / 2).await;
    for _ in 0..100 {
        entry.lease(SOON).await.unwrap();
    }
    sleep(SOON * 2).await;
    assert_eq!(script.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_nobody_uses_asks_for_nothing() {
    let script = Script::of([Answer::Value("a")]);
    let entry = script.entry();
    entry.lease(SOON).await.unwrap();
    sleep(HOUR * 24).await;
    assert_eq!(script.asked(), 1);
    entry.lease(SOON).await.unwrap();
    assert_eq!(script.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_the_source_ends_when_the_source_says() {
    let leased = Answer::Leased("a", Duration::from_secs(60));
    let script = Script::of([leased, Answer::Down]);
    let entry = script.entry();
    let lease = entry.lease(SOON).await.unwrap();
    assert_eq!(lease.class(), Class::Dynamic);
    advance(Duration::from_secs(57)).await;
    assert!(entry.lease(SOON).await.is_ok());
    advance(Duration::from_secs(1)).await;
    assert!(entry.lease(SOON).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_made_longer_is_replaced_in_its_last_fifth() {
    let script = Script::of([Answer::Leased("a", MINUTE), Answer::Leased("b", MINUTE)]);
    let entry = script.entry();
    entry.lease(SOON).await.unwrap();
    advance(Duration::from_secs(47)).await;
    entry.lease(SOON).await.unwrap();
    settle().await;
    assert_eq!(script.asked(), 1);
    advance(Duration::from_secs(7)).await;
    entry.lease(SOON).await.unwrap();
    settle().await;
    assert_eq!(sent(&entry.lease(SOON).await.unwrap()), "Bearer b");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_over_on_arrival_is_refused() {
    for duration in [Duration::ZERO, SOON] {
        let script = Script::of([Answer::Leased("a", duration)]).slow(SOON);
        let refused = script.entry().lease(HOUR).await.unwrap_err();
        assert_eq!(refused.cause, SourceError::TooShort.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn v25_a_source_that_is_down_is_outlived_until_the_end_and_not_longer() {
    let script = Script::of([Answer::Value("a"), Answer::Down]);
    let entry = script.entry();
    entry.lease(SOON).await.unwrap();
    for _ in 0..59 {
        advance(Duration::from_secs(60)).await;
        assert_eq!(sent(&entry.lease(SOON).await.unwrap()), "Bearer a");
        settle().await;
    }
    advance(Duration::from_secs(58)).await;
    let refused = entry.lease(SOON).await.unwrap_err();
    assert_eq!(refused.cause, SourceError::TimedOut.to_string());
    assert!(refused.retry_after <= FETCH_WAIT_MAX);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_down_is_not_hammered() {
    let script = Script::of([Answer::Down]);
    let entry = script.entry();
    for _ in 0..600 {
        let refused = entry.lease(SOON).await.unwrap_err();
        assert!(!refused.retry_after.is_zero());
        advance(Duration::from_secs(1)).await;
    }
    // 1 + 2 + 4 + 8 + 16 s, then every 30 s, each up to a quarter sooner
    assert!((23..=32).contains(&script.asked()), "{}", script.asked());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_down_is_not_hammered_by_fetches_ahead() {
    let script = Script::of([Answer::Value("a"), Answer::Down]);
    let entry = script.entry();
    entry.lease(SOON).await.unwrap();
    advance(HOUR / 2).await;
    for _ in 0..600 {
        entry.lease(SOON).await.unwrap();
        settle().await;
        advance(Duration::from_secs(1)).await;
    }
    assert!((23..=33).contains(&script.asked()), "{}", script.asked());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_comes_back_is_noticed_when_the_rest_is_over() {
    let script = Script::of([Answer::Down]);
    let entry = script.entry();
    let refused = entry.lease(SOON).await.unwrap_err();
    script.says(Answer::Value("a"));
    assert!(entry.lease(SOON).await.is_err());
    advance(refused.retry_after).await;
    assert_eq!(sent(&entry.lease(SOON).await.unwrap()), "Bearer a");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_asks_for_a_rest_gets_it() {
    let minutes = Duration::from_secs(120);
    let script = Script::of([Answer::Busy(minutes), Answer::Value("a")]);
    let entry = script.entry();
    let refused = entry.lease(SOON).await.unwrap_err();
    assert_eq!(refused.retry_after, minutes);
    advance(minutes - Duration::from_secs(1)).await;
    assert!(entry.lease(SOON).await.is_err());
    assert_eq!(script.asked(), 1);
    advance(Duration::from_secs(1)).await;
    assert!(entry.lease(SOON).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_value_that_was_withdrawn_is_not_used_up() {
    let script = Script::of([Answer::Value("a"), Answer::Gone]);
    let entry = script.entry();
    entry.lease(SOON).await.unwrap();
    advance(HOUR / 2).await;
    entry.lease(SOON).await.unwrap();
    settle().await;
    assert!(entry.lease(SOON).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_value_that_comes_back_after_it_was_withdrawn_is_a_new_one() {
    let script = Script::of([Answer::Value("a"), Answer::Gone, Answer::Value("a")]);
    let entry = script.entry();
    assert_eq!(entry.lease(SOON).await.unwrap().generation(), 1);
    advance(HOUR).await;
    let refused = entry.lease(SOON).await.unwrap_err();
    advance(refused.retry_after).await;
    assert_eq!(entry.lease(SOON).await.unwrap().generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_at_its_deadline_and_the_fetch_goes_on() {
    let script = Script::of([Answer::Value("a")]).slow(SOON);
    let entry = script.entry();
    let second = Duration::from_secs(1);
    let refused = entry.lease(second).await.unwrap_err();
    assert_eq!(refused.retry_after, PATIENCE);
    assert_eq!(sent(&entry.lease(SOON).await.unwrap()), "Bearer a");
    assert_eq!(script.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_is_given_up() {
    let script = Script::of([Answer::Value("a")]).slow(HOUR);
    let entry = script.entry();
    let refused = entry.lease(HOUR).await.unwrap_err();
    assert_eq!(refused.cause, SourceError::TimedOut.to_string());
}

#[tokio::test(start_paused = true)]
async fn the_generation_counts_changes_of_the_value_only() {
    let script = Script::of(["a", "a", "b", "b", "a"].map(Answer::Value));
    let entry = script.entry();
    let mut generations = Vec::new();
    for _ in 0..5 {
        generations.push(entry.lease(SOON).await.unwrap().generation());
        advance(HOUR).await;
    }
    assert_eq!(generations, [1, 1, 2, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn the_same_value_fetched_again_is_good_for_its_full_time() {
    let script = Script::of([Answer::Value("a")]);
    let entry = script.entry();
    entry.lease(SOON).await.unwrap();
    advance(HOUR / 2).await;
    entry.lease(SOON).await.unwrap();
    settle().await;
    advance(HOUR * 9 / 10).await;
    entry.lease(SOON).await.unwrap();
    assert_eq!(script.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_id_is_a_hash_that_changes_with_the_lease() {
    let minute = Duration::from_secs(60);
    let script = Script::of([Answer::Leased("a", minute), Answer::Leased("b", minute)]);
    let entry = script.entry();
    let first = entry.lease(SOON).await.unwrap();
    advance(minute).await;
    let second = entry.lease(SOON).await.unwrap();
    assert_ne!(first.id(), second.id());
    assert_eq!(first.id().len(), 16);
    assert!(first.id().bytes().all(|byte| byte.is_ascii_hexdigit()));
}

#[tokio::test(start_paused = true)]
async fn the_id_means_nothing_under_another_key() {
    let script = Script::of([Answer::Value("a")]);
    let ids = [script.entry(), script.entry()].map(|entry| async move {
        let lease = entry.lease(SOON).await.unwrap();
        lease.id().to_owned()
    });
    let [first, second] = ids;
    assert_ne!(first.await, second.await);
}

#[tokio::test(start_paused = true)]
async fn nothing_that_is_printed_holds_the_value() {
    let script = Script::of([Answer::Value("s3cret")]);
    let entry = script.entry();
    let lease = entry.lease(SOON).await.unwrap();
    let printed = format!("{entry:?} {lease:?} {:?}", entry.shared.names);
    assert!(!printed.contains("s3cret"), "{printed}");
}

#[tokio::test(start_paused = true)]
async fn a_value_that_no_header_can_carry_is_unavailable() {
    let script = Script::of([Answer::Value("a\r\nX-Admin: 1")]);
    let refused = script.entry().lease(SOON).await.unwrap_err();
    assert!(!refused.cause.contains("X-Admin"));
}
