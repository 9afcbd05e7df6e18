//! What an honest agent has left while another one is hostile: `cargo bench --bench hostile`.
//!
//! An agent makes calls one after the other on a few connections, as fast as they are answered. For each attack it does so
//! in three slices: quiet, under the attack, and quiet again. What to read are the ratios of its completed calls and of
//! its median time, between the attack and the quiet around it; the bar for either is 2.
//!
//! The attacker is a process of its own, with an identity of its own, and makes so many attacks a second as the table says:
//! it shares the cores with the gate, and one without a bound would be measured as a load on the machine and not as one on
//! the gate. There is no budget of attempts here, which would stop most of it.

#![allow(clippy::print_stdout, reason = "a benchmark's figures are its output")]

mod attack;
#[path = "../exchange/stage.rs"]
#[allow(dead_code, reason = "the other benchmark on this stage uses the rest")]
mod stage;

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use attack::Attack;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, body::Bytes, client::conn::http1::SendRequest};
use stage::Stage;
use tokio::task::JoinSet;

/// The honest agent's connections.
const CONNECTIONS: usize = 4;
/// Slices of each kind for one attack.
const ROUNDS: usize = 3;
/// The length of a slice.
const SLICE: Duration = Duration::from_secs(2);
/// The first argument of the process that attacks.
const ATTACKS: &str = "--attacks";

/// What a slice gave.
struct Slice {
    calls: f64,
    median: f64,
    slow: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    if let Some([flag, attack, gate, port, directory]) = arguments.get(1..6)
        && flag == ATTACKS
    {
        let target = attack::Target::new(gate, port, directory.as_ref());
        return runtime.block_on(Attack::named(attack).run(target));
    }
    let test = arguments.iter().any(|argument| argument == "--test");
    runtime.block_on(run(if test {
        (1, Duration::from_millis(100))
    } else {
        (ROUNDS, SLICE)
    }));
}

async fn run((rounds, slice): (usize, Duration)) {
    let stage = Stage::set().await;
    measure(&stage, slice).await;
    println!(
        "{:<44} {:>7} {:>7} {:>7}",
        "quiet : attack, median of the rounds", "calls", "median", "p99"
    );
    for attack in Attack::ALL {
        let (mut calls, mut medians, mut slow) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let before = measure(&stage, slice).await;
            let attacker = Attacker::begins(*attack, &stage);
            let under = measure(&stage, slice).await;
            drop(attacker);
            let after = measure(&stage, slice).await;
            let quiet = |of: fn(&Slice) -> f64| f64::midpoint(of(&before), of(&after));
            calls.push(quiet(|slice| slice.calls) / under.calls);
            medians.push(under.median / quiet(|slice| slice.median));
            slow.push(under.slow / quiet(|slice| slice.slow));
        }
        println!(
            "{:<44} {:>7.2} {:>7.2} {:>7.2}",
            attack.says(),
            median(calls),
            median(medians),
            median(slow)
        );
    }
}

/// The process that attacks; it ends with this.
struct Attacker(Child);

impl Attacker {
    /// Returns when the attack is under way.
    fn begins(attack: Attack, stage: &Stage) -> Attacker {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .args([ATTACKS, attack.name()])
            .args(stage.place())
            .stdout(Stdio::piped())
            .spawn()
            .expect("an attacker");
        let mut said = String::new();
        let out = child.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut said).expect("a line");
        assert_eq!(said, attack::UNDER_WAY, "{}", attack.name());
        Attacker(child)
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A slice of the honest agent's calls, on connections that are there already.
async fn measure(stage: &Stage, slice: Duration) -> Slice {
    let mut senders = Vec::new();
    for _ in 0..CONNECTIONS {
        senders.push(stage.through_the_gate().await);
    }
    let mut clients = JoinSet::new();
    let until = Instant::now() + slice;
    for sender in senders {
        clients.spawn(ask(sender, stage.authority(), until));
    }
    let mut times: Vec<f64> = clients.join_all().await.into_iter().flatten().collect();
    times.sort_by(f64::total_cmp);
    let part = |of: f64| times.get((times.len() as f64 * of) as usize).copied();
    Slice {
        calls: times.len() as f64,
        median: part(0.5).unwrap_or(f64::NAN),
        slow: part(0.99).unwrap_or(f64::NAN),
    }
}

/// Calls one after the other; the answer is how many seconds each took.
async fn ask(mut sender: SendRequest<Empty<Bytes>>, authority: String, until: Instant) -> Vec<f64> {
    let mut times = Vec::new();
    while Instant::now() < until {
        let begun = Instant::now();
        let request = Request::get("/v1/item")
            .header("host", &authority)
            .body(Empty::new())
            .expect("a request");
        let answer = sender.send_request(request).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        answer.into_body().collect().await.expect("a body");
        times.push(begun.elapsed().as_secs_f64());
    }
    times
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
