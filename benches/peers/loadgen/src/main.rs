//! The load of the comparison: `loadgen KEY=VALUE...` does one thing and prints one line of JSON.
//!
//! | key | value |
//! |---|---|
//! | `op` | `check`, `closed`, `tunnels`, `idle`, `down`, `up`, `sse`; see [`operation`] |
//! | `to` | the address to connect to |
//! | `proxy` | `tcp` or `mtls`: a `CONNECT` through `to`; absent: TLS straight to `to` |
//! | `certs` | the directory of the certificates |
//! | `ca` | the name of the authority that vouches for `api.example.test` |
//! | `path` | what `check`, `closed`, `tunnels` and `idle` ask for (`/v1/json`) |
//! | `pid` | the proxy, whose CPU time and memory are measured with those of its children |
//! | `conns`, `secs`, `warmup` | connections at a time, seconds measured, seconds before them |
//! | `size` | bytes of `down` and `up` |
//! | `count` | tunnels of `idle` |

mod client;
mod operation;
mod process;

use std::{collections::HashMap, error::Error, rc::Rc};

use client::Client;
use operation::Measure;

pub(crate) type Fault = Box<dyn Error>;

/// The arguments as written.
pub(crate) struct Arguments(HashMap<String, String>);

impl Arguments {
    pub(crate) fn text<'a>(&'a self, key: &str, or: &'a str) -> &'a str {
        self.0.get(key).map_or(or, String::as_str)
    }

    pub(crate) fn number(&self, key: &str, or: f64) -> f64 {
        self.0
            .get(key)
            .and_then(|text| text.parse().ok())
            .unwrap_or(or)
    }
}

fn main() -> Result<(), Fault> {
    let arguments = std::env::args().skip(1).filter_map(|argument| {
        argument
            .split_once('=')
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
    });
    let arguments = Arguments(arguments.collect());
    let client = Rc::new(Client::new(&arguments)?);
    let measure = Measure {
        connections: arguments.number("conns", 32.0) as usize,
        seconds: arguments.number("secs", 2.0),
        warmup: arguments.number("warmup", 0.5),
        proxy: arguments.number("pid", 0.0) as u32,
    };
    let size = arguments.number("size", f64::from(1 << 30)) as u64;
    let count = arguments.number("count", 1000.0) as usize;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let done = tokio::task::LocalSet::new().block_on(&runtime, async {
        match arguments.text("op", "check") {
            "check" => operation::check(&client).await,
            "closed" => operation::closed(client, &measure).await,
            "tunnels" => operation::tunnels(client, &measure).await,
            "idle" => operation::idle(client, &measure, count).await,
            "down" => operation::down(client, &measure, size).await,
            "up" => operation::up(client, &measure, size).await,
            "sse" => operation::sse(&client).await,
            other => Err(format!("no such operation: {other}").into()),
        }
    })?;
    println!("{done}");
    Ok(())
}
