//! A tunnel that nobody looks into, opened: the steps of [`super::pass`] in their order, but for those that need a
//! request. It has no rule, no path and no credential; an exception of `tollgate.yaml` opens it for one role, host and
//! port, and it is on record before its first byte leaves.

use time::OffsetDateTime;

use super::{Agent, Gate};
use crate::{
    event::{Intent, Record},
    inject::OutboundTunnel,
    live::{Call, Underway, What},
    refusal::{Reason, Refusal},
    snapshot::{Passage, Snapshot, Standing},
    target::Destination,
    upstream::Bytes,
};

/// The far end of an opaque tunnel, and what lives until it ends.
#[derive(Debug)]
pub(crate) struct FarEnd {
    pub(crate) bytes: Bytes,
    pub(crate) underway: Underway,
}

/// Opens the tunnel that `passage` allows.
pub(crate) async fn open(
    (gate, agent): (&Gate, &Agent),
    (snapshot, standing): (&Snapshot, &Standing),
    passage: Passage,
    record: &mut Record,
) -> Result<FarEnd, Refusal> {
    // may they
    record.passes(&passage);

    // how often
    let admission = standing.admit_passage(passage)?;
    record.admitted(&admission);

    // which address
    let today = OffsetDateTime::now_utc().date();
    let (host, port) = (admission.permit().host().clone(), admission.permit().port());
    let excepted = |ip| standing.exceptions.open(&host, port, ip, today);
    let resolver = &snapshot.upstream.resolver;
    let route = resolver
        .resolve(&admission, &snapshot.pins, excepted)
        .await?;

    // under way, on record, open it
    let outbound = OutboundTunnel::build(admission, route.clone());
    let call = Call {
        what: What::Tunnel(host, port),
        route,
    };
    let underway = agent.enter(call, gate, snapshot)?;
    record
        .allowed(Intent::All)
        .await
        .map_err(|_| Reason::AuditUnavailable)?;
    let bytes = snapshot.upstream.open(outbound, record).await?;
    Ok(FarEnd { bytes, underway })
}
