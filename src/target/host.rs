//! One host, one spelling.
//!
//! A [`Host`] is a DNS name of ASCII labels or an IP address in its canonical text. Names are never mapped:
//! non-ASCII text is refused instead of converted, because two parties that convert differently see two hosts.
//! Whether an address may be reached is not decided here (see [`super::address`]), nor what a name resolves to.

use std::{
    borrow::{Borrow, Cow},
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

/// The longest name, without a trailing dot (RFC 1035 2.3.4).
pub const HOST_BYTES_MAX: usize = 253;

/// The longest label of a name (RFC 1035 2.3.4).
pub const LABEL_BYTES_MAX: usize = 63;

/// A host in its only spelling: lower case, no trailing dot, an IPv6 address without brackets. Cheap to clone.
///
/// Two hosts are equal when their texts are, so a map keyed by `Host` can be asked with a `&str`.
#[derive(Clone)]
pub struct Host {
    text: Arc<str>,
    ip: Option<IpAddr>,
}

/// Why a text is not a host. Says nothing of the text itself, which is the agent's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostFault {
    /// There is no text.
    Empty,
    /// More than [`HOST_BYTES_MAX`] bytes.
    TooLong,
    /// A leading dot, two dots in a row, or two trailing dots.
    EmptyLabel,
    /// A label of more than [`LABEL_BYTES_MAX`] bytes.
    LabelTooLong,
    /// A label starts or ends with a hyphen.
    Hyphen,
    /// A byte above 127: names come as A-labels (RFC 5890) or not at all.
    NonAscii,
    /// A byte that is no letter, digit, hyphen or dot.
    Character,
    /// It looks like an IPv4 address to some readers, and is not one in canonical form.
    Ipv4,
    /// Not an IPv6 address between brackets, or one with a zone.
    Ipv6,
    /// An `xn--` label that is not what its own Unicode form encodes to (UTS 46).
    Punycode,
}

impl Host {
    /// A DNS name or a canonical IPv4 address; upper case is folded and one trailing dot of a name dropped.
    pub fn parse(text: &str) -> Result<Host, HostFault> {
        if let Ok(ip) = text.parse::<Ipv4Addr>() {
            return Ok(Host::from(IpAddr::V4(ip)));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.is_empty() {
            return Err(HostFault::Empty);
        }
        if name.len() > HOST_BYTES_MAX {
            return Err(HostFault::TooLong);
        }
        for label in name.split('.') {
            check_label(label)?;
        }
        let name = lower_case(name);
        check_not_numeric(&name)?;
        check_punycode(&name)?;
        Ok(Host {
            text: Arc::from(name),
            ip: None,
        })
    }

    /// An IPv6 address between brackets (RFC 3986 3.2.2), without a zone (RFC 6874).
    pub fn parse_bracketed(text: &str) -> Result<Host, HostFault> {
        let address = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .ok_or(HostFault::Ipv6)?;
        let ip: Ipv6Addr = address.parse().map_err(|_| HostFault::Ipv6)?;
        Ok(Host::from(IpAddr::V6(ip)))
    }

    /// The canonical text, an IPv6 address without brackets.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address, if the host is one and not a name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    /// The text as it stands in a URL or a `Host` header: an IPv6 address in brackets.
    pub fn in_url(&self) -> Cow<'_, str> {
        match self.ip {
            Some(IpAddr::V6(ip)) => Cow::Owned(format!("[{ip}]")),
            Some(IpAddr::V4(_)) | None => Cow::Borrowed(&self.text),
        }
    }
}

fn check_label(label: &str) -> Result<(), HostFault> {
    if !label.is_ascii() {
        return Err(HostFault::NonAscii);
    }
    if label.is_empty() {
        return Err(HostFault::EmptyLabel);
    }
    if label.len() > LABEL_BYTES_MAX {
        return Err(HostFault::LabelTooLong);
    }
    if !label
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    {
        return Err(HostFault::Character);
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(HostFault::Hyphen);
    }
    Ok(())
}

/// Refuses what the `inet_aton` family and the WHATWG URL parser read as an IPv4 address: `127.1`, `0x7f.1`.
fn check_not_numeric(name: &str) -> Result<(), HostFault> {
    let last = name.rsplit('.').next().unwrap_or(name);
    if last.starts_with("0x") || last.bytes().all(|b| b.is_ascii_digit()) {
        return Err(HostFault::Ipv4);
    }
    Ok(())
}

/// Refuses A-labels with a second spelling: `xn--api-` is `api` to a resolver that decodes (RUSTSEC-2024-0421).
fn check_punycode(name: &str) -> Result<(), HostFault> {
    if !name.split('.').any(|label| label.starts_with("xn--")) {
        return Ok(());
    }
    let uts46 = Uts46::new();
    let (unicode, valid) = uts46.to_unicode(
        name.as_bytes(),
        AsciiDenyList::STD3,
        Hyphens::CheckFirstLast,
    );
    let encoded = uts46.to_ascii(
        unicode.as_bytes(),
        AsciiDenyList::STD3,
        Hyphens::CheckFirstLast,
        DnsLength::Verify,
    );
    match (valid, encoded) {
        (Ok(()), Ok(encoded)) if encoded == name => Ok(()),
        _ => Err(HostFault::Punycode),
    }
}

fn lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Host {
        Host {
            text: Arc::from(ip.to_string()),
            ip: Some(ip),
        }
    }
}

impl Borrow<str> for Host {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Host {
    fn eq(&self, other: &Host) -> bool {
        self.text == other.text
    }
}

impl Eq for Host {}

impl Hash for Host {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl PartialOrd for Host {
    fn partial_cmp(&self, other: &Host) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Host {
    fn cmp(&self, other: &Host) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({})", self.text)
    }
}

impl fmt::Display for HostFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HostFault::Empty => "The host is empty.",
            HostFault::TooLong => "The host is longer than 253 bytes.",
            HostFault::EmptyLabel => "The host has an empty label.",
            HostFault::LabelTooLong => "The host has a label longer than 63 bytes.",
            HostFault::Hyphen => "A label of the host starts or ends with a hyphen.",
            HostFault::NonAscii => "The host is not ASCII; write its A-labels (xn--).",
            HostFault::Character => {
                "The host has a character other than letters, digits, hyphens and dots."
            }
            HostFault::Ipv4 => {
                "The host is not an IPv4 address in canonical form, and not a name either."
            }
            HostFault::Ipv6 => "The host is not an IPv6 address in brackets, without a zone.",
            HostFault::Punycode => {
                "An xn-- label of the host does not survive decoding and encoding."
            }
        })
    }
}

impl std::error::Error for HostFault {}

#[cfg(test)]
mod tests;
