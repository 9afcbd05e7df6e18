//! Where the admin listener is: a loopback address, or a socket in the file system that only the gate's user may open.

use std::{
    fmt, fs, io,
    net::SocketAddr,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::{config, regular};

/// A bound listener.
#[derive(Debug)]
pub(crate) enum Listener {
    /// On a loopback address.
    Tcp(TcpListener, SocketAddr),
    /// On a socket file.
    Unix(UnixListener, SocketFile),
}

/// A connection to it.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    /// Binds what the settings name. A socket file that is there already is replaced only if nobody listens on it.
    pub(crate) async fn bind(admin: &config::Admin) -> io::Result<Listener> {
        match admin {
            config::Admin::Tcp(address) => {
                let listener = TcpListener::bind(address).await?;
                let address = listener.local_addr()?;
                Ok(Listener::Tcp(listener, address))
            }
            config::Admin::Unix(path) => {
                let (listener, file) = bind_file(path).await?;
                Ok(Listener::Unix(listener, file))
            }
        }
    }

    /// The address that it listens on, if it has one: no call may go there.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Listener::Tcp(_, address) => Some(*address),
            Listener::Unix(..) => None,
        }
    }

    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Listener::Tcp(listener, _) => Ok(Stream::Tcp(listener.accept().await?.0)),
            Listener::Unix(listener, _) => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listener::Tcp(_, address) => address.fmt(f),
            Listener::Unix(_, file) => write!(f, "unix:{}", file.path.display()),
        }
    }
}

/// A socket's file, which goes with the listener unless another took its place.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and number of the file.
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            // What is left behind is replaced at the next start.
            let _left_behind = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

/// Binds beside the path, in a directory that nobody else may enter, and moves the socket there once its mode is set:
/// at no moment can anybody open it who may not.
async fn bind_file(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    check_free(path).await?;
    let directory = regular::directory_of(path);
    if let Some(open_to_all) = regular::directory_open_to_all(directory)? {
        return Err(io::Error::other(open_to_all.to_string()));
    }
    let beside = tempfile::Builder::new()
        .prefix(".tollgate-")
        .tempdir_in(directory)?;
    let fresh = beside.path().join("admin");
    let listener = UnixListener::bind(&fresh)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600))?;
    fs::rename(&fresh, path)?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: identity(path)?,
    };
    Ok((listener, file))
}

async fn check_free(path: &Path) -> io::Result<()> {
    let there = match fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !there.file_type().is_socket() {
        return Err(io::Error::other(
            "something that is no socket is there; move it away, or name another path",
        ));
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        _ => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another process may listen there; name another path",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn bind(path: &Path) -> io::Result<Listener> {
        Listener::bind(&config::Admin::Unix(path.to_owned())).await
    }

    #[tokio::test]
    async fn a_socket_is_for_its_owner_only_and_goes_with_the_listener() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        let listener = bind(&path).await.unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(listener);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_socket_is_replaced_only_if_nobody_listens() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        drop(UnixListener::bind(&path).unwrap());
        let listener = bind(&path).await.unwrap();
        let taken = bind(&path).await.unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        assert!(UnixStream::connect(&path).await.is_ok());
        drop(listener);
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        fs::write(&path, "precious").unwrap();
        assert!(bind(&path).await.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}
