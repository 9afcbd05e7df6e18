//! tollgate: the gate that every call of an AI agent passes on its way out.
//!
//! It knows who calls (a SPIFFE identity, proved by mTLS), decides whether this call may be made (one manifest per
//! role), puts in a credential that the agent never sees (from Vault, OpenBao or a file), counts it, and writes down
//! what happened (one JSON line per call). There is one request path and no switch that turns any of it off.
//!
//! # The way of a request
//!
//! ```text
//! agent ──mTLS──▶ server ─▶ session ─▶ identity ─▶ proxy
//!                 (accept)  (one conn)   (who)       │
//!                                                    │ event       room for what must be written    none → 503
//!                                                    │ target      where, canonical once            → Target
//!                                                    │ scope       may they: the role's rules       → Permit
//!                                                    │ limit       how often, how many at once      → Admission
//!                                                    │ upstream    which address, never an own one  → Route
//!                                                    │ credential  with what                        → Loan
//!                                                    │ inject      strip, build anew, put it in     → Outbound
//!                                                    │ live        under way: a reload finds it     → Underway
//!                                                    │ event       on record before it leaves
//!                                                    │ upstream    to the address that was checked  → Answer
//!                                                    │ relay       bring it back, cleaned
//!                                                    ▼
//!                                                  event (always: a drop guard closes the record)
//! ```
//!
//! An opaque tunnel, which an exception opens for one role, host and port, takes the same way but for what needs a
//! request (`proxy::opaque`): a `Passage` stands for the permit, and there is no credential. What is said below of
//! requests holds of what is looked into.
//!
//! All of it is judged by one `Snapshot` of the settings. A reload swaps it whole, and what is under way and no longer
//! allowed ends.
//!
//! # The map
//!
//! Imports point down only; modules of one layer do not import each other.
//!
//! | layer | modules |
//! |---|---|
//! | frame: builds and runs the rest | [`cli`], `app`, `admin`, `config`, `snapshot`, `shutdown`, `explain` |
//! | story: what happens to a request, in order | `server`, `session`, `live`, `proxy` (read it first), `relay`, `refuse` |
//! | edges: what touches the world | `credential`, `upstream`, `tls`, `event` |
//! | acts on a permit | `limit`, `inject` |
//! | decides; pure, the day is a parameter | [`scope`] |
//! | words | [`identity`], [`target`], `headers`, `names` (what a name says of its value), `secret`, `regular` (files), `through` (streams around streams), [`refusal`], `outcome`, `metrics` (what is counted) |
//!
//! Two exceptions, each for a type that its owner must name: `event` notes what `limit` and `scope` decided, and
//! `upstream` takes an `inject::Outbound`, since nothing else may leave.
//!
//! # What holds everywhere
//!
//! 1. Nothing is sent upstream that was not an `Outbound`; nothing becomes one without `Permit`, `Admission` and
//!    `Route`. Their constructors are private to those who check.
//! 2. The decision and the connection use the same [`target::Target`]; nothing later parses a URI, a `Host` header
//!    or an address again. What was matched is what is sent; only the credential's own slot differs.
//! 3. The host of `CONNECT` = SNI = `Host` = the verified name upstream = one of the credential's hosts.
//! 4. A credential appears in one output only: the outbound request, and only for a role and a host it names.
//! 5. Each request ends in exactly one final event (counted lines excepted); room for it is reserved first.
//! 6. Absence refuses: no manifest, rule, lease, address or room in the log means no request.
//! 7. `scope` is a pure function: same manifest, same request, same day, same verdict.
//! 8. Every wait has a deadline and every collection a bound, each with a name that carries its unit.
//! 9. There is no switch, in any build, that turns verification off; tests trust a test root through settings.

mod admin;
mod app;
pub mod cli;
mod config;
mod credential;
mod event;
mod explain;
#[cfg(fuzzing)]
pub mod fuzzed;
mod headers;
pub mod identity;
mod inject;
mod limit;
mod live;
mod metrics;
mod names;
mod outcome;
mod proxy;
pub mod refusal;
mod refuse;
mod regular;
mod relay;
pub mod scope;
mod secret;
mod server;
mod session;
mod shutdown;
mod snapshot;
pub mod target;
mod through;
mod tls;
mod upstream;
