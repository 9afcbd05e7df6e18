use super::*;

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    lines
        .iter()
        .map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)))
        .collect()
}

fn crosses(name: &'static str) -> bool {
    request_crosses(&HeaderName::from_static(name), &HeaderMap::new())
}

#[test]
fn the_headers_that_real_apis_need_cross() {
    for name in [
        "accept",
        "content-type",
        "anthropic-version",
        "idempotency-key",
        "user-agent",
        "if-none-match",
        "x-github-api-version",
        "range",
        "x-request-id",
        "x-stainless-timeout",
        "openai-organization",
    ] {
        assert!(crosses(name), "{name}");
    }
}

#[test]
fn nothing_that_carries_a_credential_an_identity_or_an_override_crosses() {
    for name in [
        "authorization",
        "proxy-authorization",
        "cookie",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "x-auth-token",
        "private-token",
        "job-token",
        "x-amz-security-token",
        "x-shopify-access-token",
        "dd-api-key",
        "dd-application-key",
        "ocp-apim-subscription-key",
        "signature",
        "dpop",
        "x-hub-signature",
        "x-forwarded-for",
        "forwarded",
        "via",
        "x-forwarded-client-cert",
        "x-ssl-client-s-dn",
        "x-real-ip",
        "x-original-url",
        "x-rewrite-url",
        "x-http-method-override",
        "x-method-override",
        "x-envoy-original-path",
        "x_api_key",
        "transfer_encoding",
        "te",
        "upgrade",
        "keep-alive",
        "proxy-connection",
        "http2-settings",
        "grpc-metadata-authorization",
        "authorization-bin",
        "x-accel-redirect",
        "max-forwards",
    ] {
        assert!(!crosses(name), "{name}");
    }
}

#[test]
fn what_connection_names_does_not_cross() {
    let all = headers(&[
        ("connection", "close, X-Secret-Hop"),
        ("x-secret-hop", "1"),
        ("x-other", "1"),
    ]);
    assert!(!request_crosses(
        &HeaderName::from_static("x-secret-hop"),
        &all
    ));
    assert!(request_crosses(&HeaderName::from_static("x-other"), &all));
}

#[test]
fn two_readings_of_the_length_are_refused() {
    for lines in [
        &[("content-length", "6"), ("transfer-encoding", "chunked")][..],
        &[("transfer-encoding", "gzip, chunked")],
        &[("transfer-encoding", "chunked, chunked")],
        &[("content-length", "5"), ("content-length", "5")],
        &[("host", "a.test"), ("host", "a.test")],
        &[("expect", "100-continue, x")],
        &[("connection", "close, Content-Length")],
    ] {
        assert!(check_framing(&headers(lines)).is_err(), "{lines:?}");
    }
    assert!(
        check_framing(&headers(&[
            ("transfer-encoding", "Chunked"),
            ("expect", "100-continue")
        ]))
        .is_ok()
    );
}

#[test]
fn an_answer_loses_cookies_and_what_speaks_in_the_gates_name() {
    let value = HeaderValue::from_static("Negotiate abc");
    for name in [
        "set-cookie",
        "alt-svc",
        "proxy-authenticate",
        "tollgate-reason",
        "connection",
        "www-authenticate",
    ] {
        assert!(
            !answer_crosses(&HeaderName::from_static(name), &value, &HeaderMap::new()),
            "{name}"
        );
    }
    let bearer = HeaderValue::from_static("Bearer realm=\"x\"");
    assert!(answer_crosses(
        &header::WWW_AUTHENTICATE,
        &bearer,
        &HeaderMap::new()
    ));
}

#[test]
fn trailers_that_authorise_or_frame_are_not_announced() {
    let all = headers(&[("trailer", "Authorization, X-Checksum, Content-Length")]);
    assert_eq!(trailer_names(&all).unwrap(), "X-Checksum");
}
