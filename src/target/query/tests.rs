use proptest::prelude::*;

use super::*;

fn carries_credential(raw: &str) -> bool {
    Query::parse(raw)
        .is_ok_and(|query| query.carries_credential() && query.credential_name().is_some())
}

/// Row CI-03.
#[test]
fn finds_names_that_carry_a_credential() {
    for raw in [
        "access_token=x",
        "api_key=x",
        "apikey=x",
        "api-key=x",
        "apiKey=x",
        "x-api-key=x",
        "key=x",
        "token=x",
        "auth=x",
        "auth_token=x",
        "authorization=x",
        "bearer=x",
        "code=x",
        "sig=x",
        "signature=x",
        "jwt=x",
        "password=x",
        "passwd=x",
        "pwd=x",
        "secret=x",
        "client_secret=x",
        "clientSecret=x",
        "client_assertion=x",
        "private_token=x",
        "private-token=x",
        "job_token=x",
        "session_token=x",
        "id_token=x",
        "refresh_token=x",
        "AWSAccessKeyId=x",
        "X-Amz-Signature=x&X-Amz-Credential=y",
        "x-amz-security-token=x",
        "X-Goog-Signature=x",
        "X-Goog-Credential=x",
        "GoogleAccessId=x",
        "user_password=x",
        "oauth_signature=x",
        "oauth_access_token=x",
        "subscription-key=x",
        "token",
        "page=1&token=x",
        "ordinary;token=x",
        "api.key=x",
        "api+key=x",
    ] {
        assert!(carries_credential(raw), "{raw}");
    }
}

/// Row CI-04: every spelling that some upstream reads as the injected name.
#[test]
fn finds_an_alias_of_a_credential_name() {
    for raw in [
        "key=attacker&key=x",
        "k%65y=attacker",
        "%6B%65%79=a",
        "Key=attacker",
        "key[]=a",
        "key[x]=a",
        "%5Bkey%5D=a",
        "[key]=a",
        "key%5B%5D=a",
        "a=1;key=attacker",
        "a;key=1",
        "key=%26",
        "+key=a",
        "key+=a",
        "%20key%20=a",
        "&key=a",
        "&&;key",
        "%E2%84%AAey=a",
        "K.e-y_=a",
    ] {
        assert!(carries_credential(raw), "{raw}");
    }
    for raw in [
        "%00key=",
        "key%00=a",
        "k%2565y=a",
        "%ff=a",
        "a%0d%0ab=1",
        "%c2%85key=a",
    ] {
        assert_eq!(Query::parse(raw), Err(QueryFault::Name), "{raw}");
    }
}

/// Row SE-01.
#[test]
fn refuses_names_that_override_the_method() {
    for raw in [
        "_method=DELETE",
        "_METHOD=x",
        "%5Fmethod=x",
        "_method[]=x",
        "a=1;_method=x",
        ".method=x",
        "X-HTTP-Method-Override=DELETE",
        "x_http_method_override=x",
        "X-HTTP-Method=x",
        "X-Method-Override=x",
        "$httpMethod=x",
        "%24httpHeaders=x",
    ] {
        assert_eq!(Query::parse(raw), Err(QueryFault::Override), "{raw}");
    }
}

#[test]
fn names_of_pages_and_other_ordinary_names_pass() {
    for raw in [
        "",
        "&",
        "page_token=x",
        "pageToken=x",
        "nextPageToken=x",
        "next_token=x",
        "NextToken=x",
        "continuation_token=x",
        "continuation-token=x",
        "sync_token=x",
        "cursor=x",
        "$skiptoken=x",
        "max_tokens=5",
        "keys=a",
        "sort_key=a",
        "method=flickr.test.echo",
        "q=token:x+secret",
        "filter[name]=a&fields[]=b",
        "a=%26key%3Dx",
        "a=1;b=2",
        "range={1|2}^3",
        "q=a/b?c:d@e",
        "empty=&bare",
        "author=x",
        "monkey=x",
        "design=x",
        "%C3%A9=x",
        "100%25=x",
    ] {
        assert_eq!(
            Query::parse(raw).map(|q| q.as_str().to_owned()).as_deref(),
            Ok(raw)
        );
        assert!(!carries_credential(raw), "{raw}");
    }
}

#[test]
fn refuses_bytes_that_a_query_may_not_hold() {
    for (raw, fault) in [
        ("a b", QueryFault::Character),
        ("a#b", QueryFault::Character),
        ("a=\"", QueryFault::Character),
        ("a=<", QueryFault::Character),
        ("a\\b", QueryFault::Character),
        ("a=`", QueryFault::Character),
        ("é", QueryFault::Character),
        ("a\r\nb", QueryFault::Character),
        ("a\0", QueryFault::Character),
        ("\x7f", QueryFault::Character),
        ("a=%", QueryFault::BrokenEscape),
        ("a=%4", QueryFault::BrokenEscape),
        ("a=%zz", QueryFault::BrokenEscape),
        ("a=%u0041", QueryFault::BrokenEscape),
    ] {
        assert_eq!(Query::parse(raw), Err(fault), "{raw:?}");
    }
}

#[test]
fn refuses_a_query_one_byte_too_long() {
    let longest = "a".repeat(QUERY_BYTES_MAX);
    assert!(Query::parse(&longest).is_ok());
    assert_eq!(
        Query::parse(&format!("{longest}a")),
        Err(QueryFault::TooLong)
    );
}

#[test]
fn tells_the_names_and_never_a_value() {
    let query = Query::parse("a%20b=private&&c+d=private;private=1&e=f=private&g[]").unwrap();
    assert_eq!(
        query.names().collect::<Vec<_>>(),
        ["a b", "c d", "e", "g[]"]
    );
    assert!(!format!("{query:?}").contains("private"));
}

#[test]
fn a_name_is_in_a_list_letter_for_letter() {
    let listed = ["q", "page", "ids[]", "key", "a b"].map(Box::from);
    for raw in [
        "",
        "q=1",
        "q&page=2&&q=3",
        "%71=1",
        "ids[]=1&ids%5b%5d=2",
        "key=x",
        "a+b=1",
        "q=1;page=2",
        ";",
    ] {
        assert_eq!(
            Query::parse(raw).unwrap().other_than(&listed),
            None,
            "{raw}"
        );
    }
    for (raw, other) in [
        ("Q=1", "Q"),
        ("q=1&r", "r"),
        ("q=1;r=2", "r"),
        ("ids=1", "ids"),
        ("ids[0]=1", "ids[0]"),
        ("=1", ""),
        ("k%65y%5B%5D=1", "key[]"),
        ("q%20=1", "q "),
    ] {
        assert_eq!(
            Query::parse(raw).unwrap().other_than(&listed).as_deref(),
            Some(other),
            "{raw}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_credential_is_found_wherever_it_stands(
        before in "([a-j]{1,3}=[0-9]{0,3}[&;]){0,3}",
        name in proptest::sample::select(vec!["access_token", "Api-Key", "k%65y", "sig[]", "+jwt+", "x-amz-date"]),
        after in "(=[0-9]{0,3})?([&;][a-j]{1,3}=[0-9]?){0,3}",
    ) {
        let raw = format!("{before}{name}{after}");
        prop_assert!(carries_credential(&raw));
    }

    #[test]
    fn an_accepted_query_is_kept_as_it_is(raw in "\\PC{0,40}") {
        if let Ok(query) = Query::parse(&raw) {
            prop_assert_eq!(query.as_str(), raw);
        }
    }
}
