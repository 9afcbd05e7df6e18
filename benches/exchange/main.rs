//! One exchange, direct and through the gate, in slices of one run: `cargo bench --bench exchange`.
//!
//! The same client asks the same upstream over kept-alive connections, in turns without the gate and through
//! intercepted tunnels over mTLS. Figures of one run belong together; a bare time of one run says nothing about
//! another, so what to read are the ratio and the gate's own CPU time per exchange.

#![allow(clippy::print_stdout, reason = "a benchmark's figures are its output")]

#[allow(dead_code, reason = "the other benchmark on this stage uses the rest")]
mod stage;

use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, body::Bytes};
use tokio::task::JoinSet;

use stage::Stage;

/// Connections at a time.
const CONNECTIONS: usize = 8;
/// Slices of each kind.
const ROUNDS: usize = 6;
/// The length of a slice.
const SLICE: Duration = Duration::from_secs(1);

/// A kind of client connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Direct,
    Gate,
}

/// What a slice gave.
struct Slice {
    exchanges: u64,
    seconds: f64,
    gate_cpu: Duration,
}

fn main() {
    let test = std::env::args().any(|argument| argument == "--test");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(run(if test {
        (1, Duration::from_millis(200))
    } else {
        (ROUNDS, SLICE)
    }));
}

async fn run((rounds, slice): (usize, Duration)) {
    let stage = Stage::set().await;
    let (mut direct, mut gate) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let (first, second) = (
            measure(&stage, Kind::Direct, slice).await,
            measure(&stage, Kind::Gate, slice).await,
        );
        // The first round warms both up.
        if round > 0 {
            direct.push(first);
            gate.push(second);
        }
    }
    let per_second = |slices: &[Slice]| {
        median(
            slices
                .iter()
                .map(|s| s.exchanges as f64 / s.seconds)
                .collect(),
        )
    };
    let cpu = median(
        gate.iter()
            .map(|s| s.gate_cpu.as_secs_f64() * 1e6 / s.exchanges as f64)
            .collect(),
    );
    let ratio = median(
        gate.iter()
            .zip(&direct)
            .map(|(g, d)| (d.exchanges as f64 / d.seconds) / (g.exchanges as f64 / g.seconds))
            .collect(),
    );
    println!("exchanges/s direct {:>9.0}", per_second(&direct));
    println!("exchanges/s gate   {:>9.0}", per_second(&gate));
    println!("direct : gate      {ratio:>9.2} (median of the rounds' ratios)");
    println!("gate CPU/exchange  {cpu:>9.1} us");
}

async fn measure(stage: &Stage, kind: Kind, slice: Duration) -> Slice {
    let mut clients = JoinSet::new();
    let mut senders = Vec::new();
    for _ in 0..CONNECTIONS {
        senders.push(match kind {
            Kind::Direct => stage.direct().await,
            Kind::Gate => stage.through_the_gate().await,
        });
    }
    let (cpu, begun) = (stage.gate_cpu(), Instant::now());
    for sender in senders {
        let authority = stage.authority();
        clients.spawn(async move { ask(sender, authority, begun + slice).await });
    }
    let mut exchanges = 0;
    while let Some(asked) = clients.join_next().await {
        exchanges += asked.expect("a client ended by itself");
    }
    Slice {
        exchanges,
        seconds: begun.elapsed().as_secs_f64(),
        gate_cpu: stage.gate_cpu() - cpu,
    }
}

async fn ask(mut sender: SendRequest<Empty<Bytes>>, authority: String, until: Instant) -> u64 {
    let mut exchanges = 0;
    while Instant::now() < until {
        let request = Request::get("/v1/item")
            .header("host", &authority)
            .body(Empty::new())
            .expect("a request");
        let answer = sender.send_request(request).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        answer.into_body().collect().await.expect("a body");
        exchanges += 1;
    }
    exchanges
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
