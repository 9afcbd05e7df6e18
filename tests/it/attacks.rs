//! What a hostile agent, a hostile upstream or a failing part may try: one test for each attack of the list in
//! `tests/attacks.tsv`, named by its id, with the attack's own bytes.
//!
//! Each section of the list is a module. [`arena`] is the world that the list assumes, [`outcome`] what it calls the
//! one safe outcome of an attack.

mod ad;
mod ca;
mod checked;
mod ci;
mod cr;
mod ds;
mod h2;
mod hb;
mod hn;
mod lb;
mod lg;
mod list;
mod op;
mod outcome;
mod pn;
mod px;
mod rl;
mod rt;
mod se;
mod sm;
mod ss;
mod tc;
mod upstream;
mod vt;

use crate::world::{World, builder::Builder};

/// The world of the list: `r1` may read below `/v1/public/` and post items at `api.a.test`, read everything at
/// `api.b.test` and, with a credential in the query, at `weather.test`; `r2` may do nothing at `api.a.test`.
/// `evil.test` and `denied.test` are in no manifest.
fn arena() -> Builder {
    World::new()
        .role(
            "r1",
            "GET,HEAD,OPTIONS api.a.test/v1/public/**; POST api.a.test/v1/items; GET api.b.test/**; \
             GET weather.test/v1/**",
        )
        .role("r2", "GET api.b.test/**; POST api.b.test/**")
}
