//! Names of hosts: `CONNECT`, SNI and `Host` agree, in one spelling.
