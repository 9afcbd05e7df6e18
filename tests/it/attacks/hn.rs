//! Names of hosts: `CONNECT`, SNI and `Host` agree, in one spelling.

mod handshake;
mod manifest;
mod spelling;
