use super::*;

fn in_place<K: Closed + PartialEq + std::fmt::Debug>() {
    for (place, member) in K::ALL.iter().enumerate() {
        assert_eq!(member.place(), place, "{member:?}");
    }
}

#[test]
fn every_member_of_a_set_stands_at_its_place() {
    in_place::<Reason>();
    in_place::<Outcome>();
    in_place::<StatusClass>();
    in_place::<VaultTrouble>();
    in_place::<Reload>();
}

#[test]
fn a_role_counts_on_while_somebody_holds_its_counts() {
    let metrics = Metrics::new();
    let name: Arc<str> = "reader".into();
    let before = metrics.role(&name);
    before.refusals.count(Reason::NoRule);
    let after_a_reload = metrics.role(&name);
    drop(before);
    let no_rule = |counts: &RoleCounts| {
        let mut refusals = counts.refusals.so_far();
        refusals.find(|(word, _)| *word == "no_rule").unwrap().1
    };
    assert_eq!(no_rule(&after_a_reload), 1);
    drop(after_a_reload);
    assert_eq!(no_rule(&metrics.role(&name)), 0);
}

#[test]
fn a_duration_is_counted_in_the_step_that_it_fits_in() {
    let histogram = Histogram::new(&[10, 100]);
    for took_us in [10, 11, 100, 101] {
        histogram.observe(took_us);
    }
    let observed = histogram.so_far();
    assert_eq!(observed.count, 4);
    assert_eq!(
        observed.steps,
        [(0.000_01, 1), (0.000_1, 2), (f64::INFINITY, 1)]
    );
    assert!((observed.sum_s - 0.000_222).abs() < 1e-9);
}

#[test]
fn a_reload_that_was_refused_keeps_the_moment_of_the_last_good_one() {
    let metrics = Metrics::new();
    let started = metrics.last_reload().applied_at;
    metrics.reloaded(Reload::Refused);
    let last = metrics.last_reload();
    assert!(!last.applied && last.applied_at == started);
    metrics.reloaded(Reload::Applied);
    let last = metrics.last_reload();
    assert!(last.applied && last.applied_at >= started);
    assert_eq!(
        metrics.reloads.so_far().collect::<Vec<_>>(),
        [("applied", 1), ("refused", 1)]
    );
}
