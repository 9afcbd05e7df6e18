//! Addresses: what resolves to an internal one is never dialled.

mod aliases;
mod answers;
mod own;
mod ranges;
mod telling;

use tokio::net::TcpListener;
use tollgate::refusal::Reason;

use crate::world::{World, builder::Builder, patience::at_once};

/// A listener on every address of this machine: what the gate dials of its own accord ends here.
struct Trap(TcpListener);

impl Trap {
    async fn set() -> Trap {
        Trap(TcpListener::bind("[::]:0").await.unwrap())
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// A role that may call `trap.test` on the trap's port.
    fn world(&self) -> Builder {
        World::new().role("r1", self.rule("trap.test").as_str())
    }

    fn rule(&self, host: &str) -> String {
        format!("GET {host}:{}/**", self.port())
    }

    fn call(&self) -> String {
        format!("GET http://trap.test:{}/x", self.port())
    }

    async fn is_untouched(&self) {
        let touched = at_once(self.0.accept()).await;
        assert!(touched.is_none(), "the gate dialled {touched:?}");
    }

    /// `trap.test` is refused at each of these addresses, and none is dialled.
    async fn is_refused_at(&self, world: &World, addresses: &[&str]) {
        let mut wire = world.agent("r1").wire().await;
        for address in addresses {
            world.dns.answers("trap.test", &[address]);
            wire.send(world.agent("r1").absolute(&self.call(), "", ""))
                .await;
            let answer = wire.answer().await;
            assert_eq!(answer.status, 403, "{address}: {answer:?}");
            World::says_no(&answer, Reason::AddressForbidden);
        }
        self.is_untouched().await;
    }
}
