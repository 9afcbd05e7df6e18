use super::{answer::answer_name_crosses, *};

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    lines
        .iter()
        .map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)))
        .collect()
}

const WITH_COOKIES: Let<'static> = Let {
    cookies: true,
    only: None,
};

fn crosses(name: &'static str) -> bool {
    crossing_request(headers(&[(name, "1")]), Let::default()).contains_key(name)
}

fn comes_back(name: &'static str, value: &'static str) -> bool {
    crossing_answer(headers(&[(name, value)]), false).contains_key(name)
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
    let crossing = crossing_request(all, Let::default());
    assert!(!crossing.contains_key("x-secret-hop") && !crossing.contains_key("connection"));
    assert!(crossing.contains_key("x-other"));
}

#[test]
fn an_ordinary_header_that_connection_names_does_not_cross() {
    let all = headers(&[("connection", "Accept"), ("accept", "1"), ("etag", "1")]);
    for crossing in [
        crossing_request(all.clone(), Let::default()),
        crossing_answer(all, false),
    ] {
        assert!(!crossing.contains_key("accept"));
        assert!(crossing.contains_key("etag"));
    }
}

#[test]
fn what_is_ordinary_is_in_no_list() {
    for name in ORDINARY {
        assert!(request_name_crosses(name.as_str()), "{name}");
        assert!(answer_name_crosses(name.as_str()), "{name}");
    }
}

#[test]
fn every_value_of_a_header_crosses_with_it() {
    let all = headers(&[("x-a", "1"), ("via", "1"), ("x-a", "2"), ("via", "2")]);
    let crossing = crossing_request(all, Let::default());
    assert_eq!(crossing.get_all("x-a").iter().count(), 2);
    assert_eq!(crossing.len(), 2);
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
fn two_readings_of_what_stands_alone_are_refused() {
    for lines in [
        &[
            ("content-type", "text/plain"),
            ("content-type", "application/json"),
        ][..],
        &[
            ("content-type", "text/plain"),
            ("content-type", "text/plain"),
        ],
        &[("content-type", "text/plain, application/json")],
        &[("content-type", "text/plain; a=\"\\\"\", application/json")],
        &[
            ("content-encoding", "gzip"),
            ("content-encoding", "identity"),
        ],
        &[("range", "bytes=0-1"), ("range", "bytes=2-3")],
        &[("expect", "100-continue"), ("expect", "100-continue")],
        &[
            ("x-a", "1"),
            ("user-agent", "a"),
            ("x-b", "1"),
            ("user-agent", "b"),
        ],
        &[("connection", "close, :authority")],
        &[("connection", "a b")],
        &[("connection", "keep-alive"), ("connection", "HOST")],
        &[("connection", "cookie")],
    ] {
        assert!(check_framing(&headers(lines)).is_err(), "{lines:?}");
    }
    for lines in [
        &[("accept", "a/b"), ("accept", "c/d")][..],
        &[("x-a", "1"), ("x-a", "1")],
        &[("content-type", "multipart/form-data; boundary=\"a,b\\\",\"")],
        &[
            ("connection", "close, X-Mine,, Authorization"),
            ("connection", ""),
        ],
        &[("range", "bytes=0-1, 4-5")],
    ] {
        assert!(check_framing(&headers(lines)).is_ok(), "{lines:?}");
    }
}

#[test]
fn a_list_lets_nothing_cross_beside_it_but_what_http_needs() {
    let all = headers(&[
        ("accept", "*/*"),
        ("authorization", "x"),
        ("content-type", "text/plain"),
        ("cookie", "a=1"),
        ("host", "a.test"),
        ("if-match", "x"),
        ("notion-version", "1"),
        ("x-api-key", "x"),
        ("x-other", "1"),
    ]);
    let only = ["notion-version", "x-api-key", "cookie"].map(HeaderName::from_static);
    for cookies in [false, true] {
        let rule = Let {
            cookies,
            only: Some(&only),
        };
        let crossing = crossing_request(all.clone(), rule);
        let mut left: Vec<&str> = crossing.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        let cookie = if cookies { &["cookie"][..] } else { &[] };
        let expected = [
            &["accept", "content-type"],
            cookie,
            &["host", "notion-version"],
        ]
        .concat();
        assert_eq!(left, expected);
    }
    let trailers = headers(&[("x-sum", "1"), ("notion-version", "1"), ("x-api-key", "1")]);
    assert_eq!(crossing_trailers(&trailers, Some(&only)).len(), 1);
    assert_eq!(crossing_trailers(&trailers, None).len(), 2);
    let announced = headers(&[("trailer", "X-Sum, Notion-Version")]);
    assert_eq!(
        trailer_names(&announced, Some(&only)).unwrap(),
        "Notion-Version"
    );
}

#[test]
fn a_name_that_readers_fold_does_not_cross() {
    for name in [
        "x_a",
        "authorization.",
        "x.a",
        "x~a",
        "authorization!",
        "$a",
    ] {
        assert!(!crosses(name), "{name}");
    }
}

#[test]
fn an_answer_loses_cookies_and_what_speaks_in_the_gates_name() {
    for name in [
        "set-cookie",
        "alt-svc",
        "clear-site-data",
        "public-key-pins",
        "report-to",
        "persistent-auth",
        "x-proxy-decision",
        "proxy-status",
        "proxy-authenticate",
        "tollgate-reason",
        "connection",
        "content-length",
    ] {
        assert!(!comes_back(name, "1"), "{name}");
    }
    for challenge in [
        "Negotiate abc",
        "negotiate",
        "Bearer realm=\"x\", NTLM",
        "Basic realm=\"x\",Negotiate,Digest realm=\"y\"",
        "Bearer realm=\"never ends, Negotiate TlRM",
        ", ,\tNTLM",
    ] {
        assert!(!comes_back("www-authenticate", challenge), "{challenge}");
        let answered = headers(&[("www-authenticate", challenge)]);
        assert!(authenticates_connection(&answered), "{challenge}");
    }
    assert!(comes_back("strict-transport-security", "max-age=1"));
    assert!(comes_back("x-request-id", "1"));
    assert!(comes_back(
        "www-authenticate",
        "Bearer realm=\"negotiated, or not\""
    ));
    assert!(comes_back("www-authenticate", "Bearer realm=\"x\""));
}

#[test]
fn cookies_cross_where_the_rule_lets_them_and_nothing_else_with_them() {
    let up = headers(&[("cookie", "a=1"), ("authorization", "x"), ("cookie2", "x")]);
    let back = headers(&[
        ("set-cookie", "a=1"),
        ("set-cookie2", "x"),
        ("alt-svc", "x"),
    ]);
    let (up, back) = (
        crossing_request(up, WITH_COOKIES),
        crossing_answer(back, true),
    );
    assert_eq!(
        (up.len(), &up["cookie"]),
        (1, &HeaderValue::from_static("a=1"))
    );
    assert_eq!(
        (back.len(), &back["set-cookie"]),
        (1, &HeaderValue::from_static("a=1"))
    );
}

#[test]
fn of_several_challenges_those_for_the_connection_are_taken_out() {
    let all = headers(&[
        ("www-authenticate", "NTLM"),
        ("www-authenticate", "Bearer"),
        ("www-authenticate", "Negotiate x"),
        ("www-authenticate", "Basic"),
    ]);
    let crossing = crossing_answer(all, false);
    let left: Vec<_> = crossing.get_all("www-authenticate").iter().collect();
    assert_eq!(left, ["Bearer", "Basic"]);
}

#[test]
fn trailers_that_authorise_or_frame_are_not_announced() {
    let all = headers(&[("trailer", "Authorization, X-Checksum, Content-Length")]);
    assert_eq!(trailer_names(&all, None).unwrap(), "X-Checksum");
}
