//! Where the admin listener is: on this machine, or not at all.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{
    super::{
        mistake::{Place, Wrong, quoted},
        value::Value,
    },
    socket_address,
};

/// What a path after `unix:` may be: the system takes 107 bytes (unix(7)), and the socket is made beside its place first.
const SOCKET_PATH_BYTES_MAX: usize = 80;

/// Where the admin listener is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Admin {
    /// A loopback address; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Admin::Tcp(address) => address.fmt(f),
            Admin::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

pub(super) fn lower(value: Value<'_>) -> Option<Admin> {
    value.parse(|text| match text.strip_prefix("unix:") {
        Some(path) => socket(path, value.at()).map(Admin::Unix),
        None => loopback(text).map(Admin::Tcp),
    })
}

fn socket(path: &str, at: &Place) -> Result<PathBuf, Wrong> {
    let directory = Path::new(&*at.file).parent().unwrap_or(Path::new(""));
    let joined = directory.join(path);
    let fits = joined.as_os_str().len() <= SOCKET_PATH_BYTES_MAX;
    if path.is_empty() || path.contains('\0') || !fits {
        return Err(Wrong::new(
            format!("{} is no path for a socket", quoted(path)),
            format!("name a file, in up to {SOCKET_PATH_BYTES_MAX} bytes with its directory"),
        ));
    }
    Ok(joined)
}

/// Whoever reaches the listener is answered, so it is where only this machine reaches it.
fn loopback(text: &str) -> Result<SocketAddr, Wrong> {
    let address = socket_address(text)?;
    if address.ip().to_canonical().is_loopback() {
        return Ok(address);
    }
    Err(Wrong::new(
        format!("{} is not on this machine alone", quoted(text)),
        "write a loopback address like 127.0.0.1:9901, or a socket like unix:/run/tollgate/admin.sock",
    ))
}
