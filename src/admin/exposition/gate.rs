//! The gate itself: its certificates, settings, log and connections.

use std::fmt;

use super::{
    Moment,
    page::{NOTHING, Page, flag, unix_s, words},
};

impl Moment {
    pub(super) fn certificates(&self, page: &mut Page<'_>) -> fmt::Result {
        let (agents, mint) = (&self.snapshot.agents, &self.snapshot.mint);
        page.gauge(
            "certificate_expiry_timestamp_seconds",
            "When the gate's own certificates end: what agents are shown, and the authority of what tunnels show",
            [
                ([("kind", "gate")], agents.shown.until.unix_timestamp() as f64),
                ([("kind", "interception")], mint.authority_ends().unix_timestamp() as f64),
            ],
        )?;
        let bundles = agents.bundles.iter();
        page.gauge(
            "bundle_expiry_timestamp_seconds",
            "When the first authority or revocation list ends in the bundle of a trust domain",
            bundles.map(|(domain, term)| {
                (
                    [("trust_domain", &**domain)],
                    term.until.unix_timestamp() as f64,
                )
            }),
        )?;
        page.counter(
            "certificates_minted",
            "Certificates made for tunnels",
            [(NOTHING, mint.minted())],
        )
    }

    pub(super) fn settings(&self, page: &mut Page<'_>) -> fmt::Result {
        let metrics = self.metrics();
        let last = metrics.last_reload();
        page.counter(
            "settings_reloads",
            "Attempts to load the settings anew",
            words("outcome", &metrics.reloads),
        )?;
        page.gauge(
            "settings_last_reload_successful",
            "Whether the last attempt to load the settings was applied, the start included",
            [(NOTHING, flag(last.applied))],
        )?;
        page.gauge(
            "settings_last_success_timestamp_seconds",
            "When settings were last applied",
            [(NOTHING, unix_s(last.applied_at))],
        )?;
        let version = [("snapshot", &*self.snapshot.version)];
        page.info("settings", "The settings in force", &version)
    }

    pub(super) fn log(&self, page: &mut Page<'_>) -> fmt::Result {
        let (metrics, depth) = (self.metrics(), self.gate.log.queue_depth());
        page.gauge(
            "event_queue_lines",
            "Lines of the log that wait to be written, or for which room is reserved",
            [(NOTHING, depth.lines as f64)],
        )?;
        page.gauge(
            "event_queue_lines_max",
            "Lines above which calls are refused",
            [(NOTHING, depth.lines_max as f64)],
        )?;
        page.gauge(
            "event_sink_failing",
            "Whether the log cannot be written to, so that calls are refused",
            [(NOTHING, flag(depth.failing))],
        )?;
        page.counter(
            "refusals_counted",
            "Refusals without a line of their own, told as a number in a line `counted`",
            [(NOTHING, metrics.refusals_counted.so_far())],
        )?;
        page.counter(
            "refusals_unrecorded",
            "Refusals of which the log has no word, because it could take none",
            [(NOTHING, metrics.refusals_unrecorded.so_far())],
        )
    }

    pub(super) fn frame(&self, page: &mut Page<'_>) -> fmt::Result {
        let register = &self.gate.register;
        page.gauge(
            "connections",
            "Connections of agents that are served",
            [(NOTHING, register.open_now() as f64)],
        )?;
        page.gauge(
            "connections_max",
            "Connections that may be served at a time",
            [(NOTHING, register.places_max() as f64)],
        )?;
        page.gauge(
            "handshakes",
            "Connections whose handshake has not ended",
            [(NOTHING, self.handshakes.now() as f64)],
        )?;
        page.counter(
            "handshakes_made_way",
            "Handshakes that were given up for newer ones, since there were too many",
            [(NOTHING, self.handshakes.made_way())],
        )?;
        page.gauge(
            "upstream_connections_idle",
            "Connections to upstreams that rest between calls",
            [(NOTHING, self.snapshot.upstream.resting() as f64)],
        )?;
        page.gauge(
            "ready",
            "Whether /readyz says yes",
            [(NOTHING, flag(self.ready))],
        )?;
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        page.info("build", "The version of the gate", &version)
    }
}
