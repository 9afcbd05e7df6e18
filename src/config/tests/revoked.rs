//! The revoked list.

use super::*;

#[test]
fn holds_identities_and_fingerprints_as_tools_print_them() {
    let fingerprint = "AB:".repeat(31) + "ab";
    let text = format!(
        "# who\nspiffe://example.org/agent/triage # left\n\n  sha256:{fingerprint}\n{}\n",
        "cd".repeat(32)
    );
    let example = Example::new().file("revoked", &text);
    let revoked = example.settings().revoked;
    for entry in [
        "spiffe://example.org/agent/triage",
        &"ab".repeat(32),
        &"cd".repeat(32),
    ] {
        assert!(revoked.entries.contains(entry), "{entry}");
    }
    assert_eq!(revoked.entries.len(), 3);
    let wrong = "spiffe://example.org\nSPIFFE://example.org/a\n  sha256:ab\ntriage\nspiffe://example.org/a b\n";
    insta::assert_snapshot!(Example::new().file("revoked", wrong).said(), @r#"
    revoked:1:1: "spiffe://example.org" revokes nobody; a workload's SPIFFE ID has a path after the trust domain
    revoked:2:1: "SPIFFE://example.org/a" revokes nobody; write an identity (spiffe://...) or the SHA-256 of a certificate in hex
    revoked:3:3: "sha256:ab" revokes nobody; write an identity (spiffe://...) or the SHA-256 of a certificate in hex
    revoked:4:1: "triage" revokes nobody; write an identity (spiffe://...) or the SHA-256 of a certificate in hex
    revoked:5:1: "spiffe://example.org/a b" revokes nobody; a segment of a SPIFFE ID's path is letters, digits, dots, hyphens and underscores, not . or .. alone
    "#);
}

#[test]
fn is_read_again_apart_from_the_rest_and_without_its_broken_lines() {
    let example = Example::new();
    let file = example.settings().gate.revoked;
    let example = example
        .file("revoked", "spiffe://example.org/a\nwho?\n")
        .file("tollgate.yaml", "[");
    let (revoked, mistakes) = file.read().unwrap();
    assert!(revoked.entries.contains("spiffe://example.org/a"));
    assert_eq!(mistakes.map(|mistakes| mistakes.mistakes.len()), Some(1));
    example.without("revoked");
    assert!(file.read().is_err());
}
