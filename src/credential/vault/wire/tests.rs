use super::{super::tests::settings_of, *};

fn refusal(address: &'static str, namespace: Option<&str>) -> Option<VaultError> {
    let mut settings = settings_of(address);
    settings.namespace = namespace.map(str::to_owned);
    Wire::new(&settings).err()
}

#[test]
fn speaks_in_clear_with_the_machine_itself_only() {
    for address in [
        "http://127.0.0.1:8200",
        "http://127.8.0.1:8200/",
        "http://[::1]:8200",
    ] {
        assert_eq!(refusal(address, None), None, "{address}");
    }
    for address in [
        "http://vault.example.org:8200",
        "http://localhost:8200",
        "http://10.0.0.1:8200",
        "http://127.0.0.1.example.org",
    ] {
        let refused = refusal(address, None);
        assert!(
            matches!(refused, Some(VaultError::Settings(_))),
            "{address}"
        );
    }
}

#[test]
fn an_address_has_no_user_no_path_and_no_query() {
    for address in [
        "http://user:pass@127.0.0.1:8200",
        "http://127.0.0.1:8200/vault",
        "http://127.0.0.1:8200/?a=b",
        "/v1",
    ] {
        let refused = refusal(address, None);
        assert!(
            matches!(refused, Some(VaultError::Settings(_))),
            "{address}"
        );
    }
}

#[test]
fn an_https_address_needs_a_root() {
    assert!(refusal("https://127.0.0.1:8200", None).is_some());
}

#[test]
fn a_namespace_is_a_plain_path() {
    assert_eq!(refusal("http://127.0.0.1:8200", Some("team/a")), None);
    assert_eq!(refusal("http://127.0.0.1:8200", Some("")), None);
    assert!(refusal("http://127.0.0.1:8200", Some("team\r\nx: y")).is_some());
    assert!(refusal("http://127.0.0.1:8200", Some("../root")).is_some());
}

#[test]
fn a_servers_name_is_a_dns_name() {
    let refused = |name: &str| {
        let mut settings = settings_of("http://127.0.0.1:8200");
        settings.server_name = Some(name.to_owned());
        Wire::new(&settings).is_err()
    };
    assert!(!refused("vault.example.org"));
    assert!(refused("127.0.0.1") && refused("a b") && refused("vault.example.org:8200"));
}

#[test]
fn a_rest_is_counted_in_seconds_and_bounded() {
    let parsed = |text| retry_after(Some(&HeaderValue::from_static(text)));
    assert_eq!(parsed("9"), Some(Duration::from_secs(9)));
    assert_eq!(parsed("86400"), Some(RETRY_AFTER_MAX));
    assert_eq!(parsed("-1"), None);
    assert_eq!(parsed("Wed, 21 Oct 2026 07:28:00 GMT"), None);
    assert_eq!(retry_after(None), None);
}
