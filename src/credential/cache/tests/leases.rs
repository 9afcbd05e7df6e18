//! What becomes of a lease: made longer, replaced, given up.

use super::*;
use crate::{credential::cache::UNUSED_MAX, secret::as_if_suspended_for};

const DOWN: Renewal = Err(SourceError::Vault(VaultError::Sealed));
const ENDED: Renewal = Err(SourceError::Vault(VaultError::LeaseEnded));

impl Script {
    fn renewing(self, renewals: impl IntoIterator<Item = Renewal>) -> Script {
        *self.renewals.lock().unwrap() = renewals.into_iter().collect();
        self
    }

    fn renewed(&self) -> usize {
        self.renewed.load(Ordering::SeqCst)
    }

    fn given_up(&self) -> Vec<(String, Duration)> {
        self.given_up.lock().unwrap().clone()
    }

    fn under(self, parent: &Arc<Parent>) -> Script {
        Script {
            parent: Some(Arc::clone(parent)),
            ..self
        }
    }
}

fn renewable(value: &'static str) -> Answer {
    Answer::Renewable(value, MINUTE)
}

fn id(value: &str) -> String {
    value.into()
}

/// What a call is given now, and what its use has set off.
async fn used(entry: &Entry<Script>) -> Arc<Lease> {
    let lease = entry.lease(SOON).await.unwrap();
    settle().await;
    lease
}

#[tokio::test(start_paused = true)]
async fn v19_a_renewable_lease_is_made_longer_and_keeps_its_value() {
    let script = Script::of([renewable("a"), renewable("b")]).renewing([Ok(MINUTE)]);
    let entry = script.entry();
    let first = used(&entry).await;
    for times in 1..10 {
        advance(MINUTE * 2 / 3).await;
        assert_eq!(sent(&*used(&entry).await), "Bearer a");
        assert_eq!((script.asked(), script.renewed()), (1, times));
    }
    let last = used(&entry).await;
    assert_eq!(
        (last.generation(), last.id()),
        (first.generation(), first.id())
    );
    assert!(last.expires() > first.expires());
}

#[tokio::test(start_paused = true)]
async fn v20_what_a_renewal_grants_counts_from_its_question_on() {
    let script = Script::of([renewable("a"), Answer::Down]).renewing([Ok(MINUTE * 2), DOWN]);
    let entry = script.entry();
    used(&entry).await;
    advance(MINUTE * 2 / 3).await;
    used(&entry).await;
    advance(MINUTE * 2 - Duration::from_secs(3)).await;
    assert_eq!(sent(&*used(&entry).await), "Bearer a");
    advance(Duration::from_secs(1)).await;
    assert!(entry.lease(SOON).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn v22_a_lease_in_its_last_part_is_replaced_and_not_made_longer() {
    let script = Script::of([renewable("a"), renewable("b")]).renewing([Ok(MINUTE)]);
    let entry = script.entry();
    used(&entry).await;
    advance(Duration::from_secs(55)).await;
    used(&entry).await;
    assert_eq!((script.asked(), script.renewed()), (2, 0));
    assert_eq!(sent(&*used(&entry).await), "Bearer b");
}

#[tokio::test(start_paused = true)]
async fn v23_a_lease_that_the_source_does_not_know_is_replaced_by_one_fetch() {
    let script = Script::of([renewable("a"), renewable("b")]).renewing([ENDED]);
    let entry = script.entry();
    used(&entry).await;
    advance(MINUTE * 2 / 3).await;
    used(&entry).await;
    assert_eq!((script.asked(), script.renewed()), (2, 1));
    assert_eq!(sent(&*used(&entry).await), "Bearer b");
}

#[tokio::test(start_paused = true)]
async fn v23_a_renewal_that_fails_for_now_is_tried_again_and_nothing_is_made() {
    let script = Script::of([renewable("a"), Answer::Down]).renewing([DOWN]);
    let entry = script.entry();
    used(&entry).await;
    advance(MINUTE * 2 / 3).await;
    for _ in 0..17 {
        assert_eq!(sent(&*used(&entry).await), "Bearer a");
        advance(Duration::from_secs(1)).await;
    }
    // at 0, 1, 3 and 7 s, each up to a quarter sooner; the last of them would be in the last part of the lease
    assert!((3..=5).contains(&script.renewed()), "{}", script.renewed());
    assert!(script.asked() <= 2, "{}", script.asked());
}

#[tokio::test(start_paused = true)]
async fn v15_a_renewal_near_the_end_of_all_time_is_followed_by_another_value() {
    let script = Script::of([renewable("a"), renewable("b")]).renewing([Ok(MINUTE / 4)]);
    let entry = script.entry();
    used(&entry).await;
    advance(MINUTE * 2 / 3).await;
    used(&entry).await;
    assert_eq!(sent(&*used(&entry).await), "Bearer b");
    assert_eq!(script.given_up(), [(id("a"), REPLACED_REST)]);
}

#[tokio::test(start_paused = true)]
async fn no_value_is_used_for_longer_than_the_catalogue_says() {
    let script = Script::of([renewable("a"), Answer::Down]).renewing([Ok(HOUR * 768)]);
    let entry = script.entry_of(MINUTE + SOON * 8);
    used(&entry).await;
    advance(MINUTE * 2 / 3).await;
    used(&entry).await;
    advance(MINUTE - SOON).await;
    assert_eq!(sent(&*used(&entry).await), "Bearer a");
    advance(SOON).await;
    assert!(entry.lease(SOON).await.is_err());
    entry.sweep();
    assert_eq!(script.given_up(), [(id("a"), Duration::ZERO)]);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_nobody_uses_is_given_up() {
    let script = Script::of([Answer::Leased("a", HOUR)]);
    let entry = script.entry();
    used(&entry).await;
    advance(UNUSED_MAX - Duration::from_secs(10)).await;
    entry.sweep();
    used(&entry).await;
    advance(UNUSED_MAX - Duration::from_secs(10)).await;
    entry.sweep();
    assert_eq!(script.given_up(), []);
    advance(Duration::from_secs(10)).await;
    entry.sweep();
    assert_eq!(script.given_up(), [(id("a"), REPLACED_REST)]);
    assert_eq!(entry.condition().at_hand, None);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_has_just_come_counts_as_used() {
    let script = Script::of([Answer::Leased("a", HOUR)]);
    let entry = script.entry();
    advance(UNUSED_MAX * 2).await;
    used(&entry).await;
    entry.sweep();
    assert_eq!(script.given_up(), []);
}

#[tokio::test(start_paused = true)]
async fn a_stored_value_that_nobody_uses_stays_at_hand() {
    let script = Script::of([Answer::Value("a")]);
    let entry = script.entry();
    used(&entry).await;
    advance(UNUSED_MAX * 2).await;
    entry.sweep();
    assert!(entry.condition().at_hand.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_nobody_may_use_gives_its_lease_up_and_gets_none() {
    let script = Script::of([Answer::Leased("a", HOUR), Answer::Leased("b", HOUR)]);
    let entry = script.entry();
    used(&entry).await;
    entry.want(false);
    assert_eq!(script.given_up(), [(id("a"), Duration::ZERO)]);
    assert!(entry.lease(SOON).await.is_err());
    assert_eq!(script.asked(), 1);
    entry.want(true);
    assert_eq!(sent(&*used(&entry).await), "Bearer b");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_comes_when_nobody_may_use_it_any_more_is_given_up() {
    let script = Script::of([Answer::Leased("a", HOUR)]).slow(SOON);
    let entry = script.entry();
    let refused = entry.lease(Duration::from_secs(1)).await;
    assert!(refused.is_err());
    entry.want(false);
    sleep(SOON * 2).await;
    assert_eq!(script.given_up(), [(id("a"), Duration::ZERO)]);
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_is_gone_gave_its_lease_up() {
    let script = Script::of([Answer::Leased("a", HOUR)]);
    let entry = script.entry();
    used(&entry).await;
    drop(entry);
    assert_eq!(script.given_up(), [(id("a"), REPLACED_REST)]);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_over_at_its_source_is_not_given_back() {
    let script = Script::of([Answer::Leased("a", MINUTE)]);
    let entry = script.entry();
    used(&entry).await;
    advance(MINUTE).await;
    entry.sweep();
    assert_eq!(script.given_up(), []);
}

#[tokio::test(start_paused = true)]
async fn what_was_made_and_cannot_be_sent_is_given_back_at_once() {
    let script = Script::of([Answer::Leased("a\r\nX-Admin: 1", HOUR)]);
    assert!(script.entry().lease(SOON).await.is_err());
    assert_eq!(script.given_up().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn v17_what_the_old_token_made_is_made_anew_while_it_lasts() {
    let parent = Arc::new(Parent::new(Instant::now(), Instant::now() + HOUR));
    let script = Script::of([renewable("a"), renewable("b")]).renewing([Ok(MINUTE)]);
    let entry = script.clone().under(&parent).entry();
    used(&entry).await;
    parent.supersede();
    assert_eq!(sent(&*used(&entry).await), "Bearer a");
    assert_eq!((script.asked(), script.renewed()), (2, 0));
    assert_eq!(sent(&entry.lease(SOON).await.unwrap()), "Bearer b");
}

#[tokio::test(start_paused = true)]
async fn v17_a_source_that_is_down_is_not_hammered_for_an_old_token() {
    let parent = Arc::new(Parent::new(Instant::now(), Instant::now() + HOUR));
    let script = Script::of([Answer::Leased("a", HOUR), Answer::Down]);
    let entry = script.clone().under(&parent).entry();
    used(&entry).await;
    parent.supersede();
    for _ in 0..60 {
        used(&entry).await;
        advance(Duration::from_secs(1)).await;
    }
    assert!((5..=9).contains(&script.asked()), "{}", script.asked());
}

#[tokio::test(start_paused = true)]
async fn v17_a_lease_ends_with_its_token() {
    let parent = Arc::new(Parent::new(Instant::now(), Instant::now() + HOUR));
    let script = Script::of([Answer::Leased("a", HOUR), Answer::Leased("b", HOUR)]);
    let entry = script.clone().under(&parent).entry();
    used(&entry).await;
    parent.end();
    assert_eq!(entry.condition().at_hand, None);
    assert_eq!(sent(&entry.lease(SOON).await.unwrap()), "Bearer b");
}

#[tokio::test(start_paused = true)]
async fn v26_a_value_that_the_upstream_refused_is_fetched_anew_once_in_a_while() {
    let of_an_hour = |value| Answer::Renewable(value, HOUR);
    let script = Script::of(["a", "b", "c"].map(of_an_hour));
    let entry = script.clone().renewing([Ok(HOUR)]).entry();
    let refused = used(&entry).await;
    entry.suspect(refused.generation());
    settle().await;
    assert_eq!((script.asked(), script.renewed()), (2, 0));
    assert_eq!(script.given_up(), [(id("a"), REPLACED_REST)]);
    let next = used(&entry).await;
    assert_eq!(sent(&next), "Bearer b");
    for generation in [refused.generation(), next.generation()] {
        entry.suspect(generation);
        settle().await;
        assert_eq!(script.asked(), 2);
    }
    advance(SUSPECT_WAIT).await;
    let next = used(&entry).await;
    entry.suspect(next.generation());
    settle().await;
    assert_eq!(script.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn v04_no_more_values_are_made_than_the_cap_allows() {
    // Each is over on its arrival: the worst that a source can do to itself.
    let script = Script::of([Answer::Leased("a", Duration::ZERO)]);
    let entry = script.entry();
    for _ in 0..3600 {
        assert!(entry.lease(SOON).await.is_err());
        advance(Duration::from_secs(1)).await;
    }
    // a burst of ten and one in 30 s
    assert!((100..=131).contains(&script.asked()), "{}", script.asked());
}

#[tokio::test(start_paused = true)]
async fn v27_ten_thousand_who_wait_share_one_fetch() {
    let script = Script::of([Answer::Value("a")]).slow(SOON);
    let entry = script.entry();
    let waiters: Vec<_> = (0..10_000)
        .map(|_| {
            let entry = entry.clone();
            tokio::spawn(async move { entry.lease(HOUR).await })
        })
        .collect();
    for waiter in waiters {
        assert_eq!(sent(&waiter.await.unwrap().unwrap()), "Bearer a");
    }
    assert_eq!(script.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn v25_while_a_lease_is_valid_nobody_waits_for_the_source() {
    let script = Script::of([renewable("a")]).renewing([Ok(MINUTE)]);
    let entry = script.clone().slow(SOON).entry();
    entry.lease(HOUR).await.unwrap();
    for _ in 0..600 {
        entry.lease(Duration::ZERO).await.unwrap();
        advance(Duration::from_secs(1)).await;
        settle().await;
    }
    assert_eq!(entry.condition().waited, 1);
    assert!(script.renewed() >= 10, "{}", script.renewed());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_ended_while_the_machine_was_suspended_is_not_used() {
    let script = Script::of([Answer::Leased("a", HOUR), Answer::Leased("b", HOUR)]);
    let entry = script.entry();
    used(&entry).await;
    let _slept = as_if_suspended_for(HOUR);
    assert_eq!(sent(&entry.lease(SOON).await.unwrap()), "Bearer b");
}

#[tokio::test(start_paused = true)]
async fn v30_failures_are_timed_from_the_first_one_and_what_was_made_is_counted() {
    let script = Script::of([renewable("a")]).renewing([DOWN, DOWN, Ok(MINUTE)]);
    let entry = script.entry();
    used(&entry).await;
    assert_eq!(entry.condition().failing_for, None);
    advance(MINUTE * 2 / 3).await;
    used(&entry).await;
    advance(Duration::from_secs(1)).await;
    used(&entry).await;
    let failing = entry.condition();
    assert_eq!(failing.failing_for, Some(Duration::from_secs(1)));
    assert_eq!((failing.failed, failing.made), (2, 1));
    assert!(failing.at_hand.is_some());
    advance(Duration::from_secs(2)).await;
    used(&entry).await;
    let well = entry.condition();
    assert_eq!((well.failing_for, well.renewed, well.made), (None, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_does_not_bring_back_what_was_given_up_meanwhile() {
    let script = Script::of([renewable("a"), renewable("b")]).renewing([Ok(MINUTE)]);
    let entry = script.clone().slow(Duration::from_secs(1)).entry();
    used(&entry).await;
    advance(MINUTE * 2 / 3).await;
    used(&entry).await;
    entry.want(false);
    entry.want(true);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(script.given_up(), [(id("a"), Duration::ZERO)]);
    assert_eq!(sent(&*used(&entry).await), "Bearer b");
}

#[tokio::test(start_paused = true)]
async fn v26_a_value_that_is_refused_during_its_renewal_is_fetched_anew() {
    let script = Script::of([renewable("a"), renewable("b")]).renewing([Ok(MINUTE)]);
    let entry = script.clone().slow(Duration::from_secs(1)).entry();
    used(&entry).await;
    advance(MINUTE * 2 / 3).await;
    let refused = used(&entry).await;
    entry.suspect(refused.generation());
    sleep(Duration::from_secs(5)).await;
    assert_eq!(sent(&*used(&entry).await), "Bearer b");
}

#[tokio::test(start_paused = true)]
async fn a_suspension_during_the_question_counts() {
    let script = Script::of([Answer::Leased("a", HOUR)]).slow(Duration::from_secs(1));
    let entry = script.entry();
    let asking = entry.clone();
    let asking = tokio::spawn(async move { asking.lease(SOON).await });
    settle().await;
    let _slept = as_if_suspended_for(HOUR * 2);
    assert!(asking.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_max_ttl_makes_useless_is_not_asked_for() {
    let long = |value| Answer::Renewable(value, HOUR * 24);
    let script = Script::of([long("a"), long("b")]).renewing([Ok(HOUR * 24)]);
    let entry = script.entry_of(HOUR);
    used(&entry).await;
    for _ in 0..40 {
        advance(MINUTE).await;
        used(&entry).await;
    }
    assert_eq!((script.renewed(), script.asked()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn v04_what_was_not_made_is_not_counted_as_made() {
    let sealed = Answer::Says(SourceError::Vault(VaultError::Sealed));
    let script = Script::of([sealed]);
    let entry = script.entry();
    for _ in 0..7200 {
        let refused = entry.lease(SOON).await.unwrap_err();
        assert_eq!(refused.cause, "vault: it is sealed or in maintenance");
        advance(Duration::from_secs(1)).await;
    }
    assert_eq!(entry.condition().made, 0);
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_served_to_its_end_although_its_role_is_gone() {
    let gone = Answer::Says(SourceError::Vault(VaultError::NotFound));
    let script = Script::of([Answer::Leased("a", HOUR), gone]);
    let entry = script.entry();
    used(&entry).await;
    for _ in 0..59 {
        advance(MINUTE).await;
        assert_eq!(sent(&*used(&entry).await), "Bearer a");
    }
}
