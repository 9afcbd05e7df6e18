//! The end of the tour: what to paste into another terminal, and then a line for each call that comes from there.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    page::Page,
    settings::PKI,
    stage::{Places, Stage},
};
use crate::cli::{Failure, pki};

/// How often the log is looked at for calls from elsewhere.
const LOOK_TIME: Duration = Duration::from_millis(200);

/// What a reader pastes: the variables first, then calls.
pub(super) fn lines(places: &Places) -> [Vec<String>; 2] {
    let (proxy, ca) = (
        places.door,
        places.file(&format!("{PKI}/{}.crt", pki::INTERCEPTION_CA)),
    );
    let variables = vec![
        format!("export http_proxy=http://{proxy} https_proxy=http://{proxy} no_proxy="),
        format!("export HTTP_PROXY=http://{proxy} HTTPS_PROXY=http://{proxy} NO_PROXY="),
        format!("export SSL_CERT_FILE={}", ca.display()),
        "export CURL_CA_BUNDLE=$SSL_CERT_FILE REQUESTS_CA_BUNDLE=$SSL_CERT_FILE".to_owned(),
        "export NODE_EXTRA_CA_CERTS=$SSL_CERT_FILE NODE_USE_ENV_PROXY=1".to_owned(),
    ];
    let calls = vec![
        format!("curl {}", places.url("https", "/v1/tickets")),
        format!("curl {}", places.url("http", "/v1/tickets/7")),
        format!(
            "curl -i -X DELETE {}; echo",
            places.url("https", "/v1/tickets/7")
        ),
    ];
    [variables, calls]
}

/// Prints what to paste.
pub(super) fn show(places: &Places, page: &mut Page) {
    let [variables, calls] = lines(places);
    page.chapter(4, "Your turn: everything stays up until Ctrl-C");
    page.part("In another terminal, as the same user");
    page.gap();
    variables.iter().for_each(|line| page.exact(line));
    page.gap();
    calls.iter().for_each(|line| page.exact(line));
    page.part("What comes in (the second call is made https, the third is refused):");
}

/// Prints a line for each event, until it is dropped or the page cannot be written to.
pub(super) async fn follow(stage: &mut Stage, page: &mut Page) -> Result<(), Failure> {
    stage.journal.read()?;
    loop {
        for event in stage.journal.added()? {
            page.line(&event.columns().spans());
        }
        page.readable()?;
        sleep(LOOK_TIME).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_come_in_both_cases() {
        let address = |port| ([127, 0, 0, 1], port).into();
        let places = Places {
            dir: "/tmp/tour".into(),
            door: address(1),
            gate: address(2),
            api: address(3),
        };
        let [variables, calls] = lines(&places);
        let variables = variables.join("\n");
        for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
            assert!(
                variables.contains(&format!(" {name}=http://127.0.0.1:1")),
                "{variables}"
            );
        }
        assert!(variables.contains("SSL_CERT_FILE=/tmp/tour/pki/interception-ca.crt"));
        assert!(calls.iter().all(|call| call.contains("api.demo.test:3/")));
    }
}
