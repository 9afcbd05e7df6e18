//! What the agent's author sees: a call that works without a secret, and errors that tell what to do.

use http::Method;

use super::{
    agent::{Answer, PLACEHOLDER},
    checks::Check,
    page::Page,
    refused,
    settings::SEARCH_BURST,
    stage::Stage,
};
use crate::{cli::Failure, refusal::Reason};

/// What was answered to the agent.
pub(super) struct Author {
    api: String,
    listed: Answer,
    in_clear: Answer,
    forbidden: Answer,
    searched: Vec<Answer>,
    limited: Answer,
}

impl Author {
    /// Makes the calls.
    pub(super) async fn watch(stage: &Stage) -> Result<Author, Failure> {
        let (api, clear) = (stage.places.url("https", ""), stage.places.url("http", ""));
        let call = async |method, url: String| stage.agent.call(method, &url).await;
        let mut searched = Vec::new();
        let listed = call(Method::GET, format!("{api}/v1/tickets")).await?;
        let in_clear = call(Method::GET, format!("{clear}/v1/tickets/7")).await?;
        let forbidden = call(Method::DELETE, format!("{api}/v1/tickets/7")).await?;
        for _ in 0..SEARCH_BURST {
            searched.push(call(Method::GET, format!("{api}/v1/search")).await?);
        }
        let limited = call(Method::GET, format!("{api}/v1/search")).await?;
        Ok(Author {
            api,
            listed,
            in_clear,
            forbidden,
            searched,
            limited,
        })
    }

    /// Holds what was answered against what should have been, part by part.
    pub(super) fn checks(&self) -> [Vec<Check>; 3] {
        let token = self.listed.text("/token_sha256");
        let found = self.searched.iter().filter(|answer| answer.status == 200);
        let wait = self.limited.retry_after.unwrap_or_default() as usize;
        let (forbidden, limited) = (&self.forbidden, &self.limited);
        [
            vec![
                Check::equal("https://, through CONNECT", self.listed.status, 200),
                Check::equal("http://, without CONNECT", self.in_clear.status, 200),
                Check::present("SHA-256 of the token that the API got", &token),
            ],
            vec![refused::check("refused", forbidden, Reason::NoRule)],
            vec![
                Check::equal("calls within the limit", found.count(), SEARCH_BURST),
                refused::check("the next one", limited, Reason::RateLimited),
                Check::at_least("seconds to wait", wait, 1),
            ],
        ]
    }

    /// Prints all of it.
    pub(super) fn show(&self, page: &mut Page) {
        let [works, forbidden, limited] = self.checks();
        page.part("A call without a secret");
        page.pair("sent", &format!("GET {}/v1/tickets", self.api));
        page.pair("", &format!("authorization: Bearer {PLACEHOLDER}"));
        page.pair(
            "",
            "(an SDK wants some key to start; the gate takes it out)",
        );
        let Answer { status, body, .. } = &self.listed;
        page.pair("answer", &format!("{status} {}", body.trim_end()));
        page.pair(
            "as well",
            "an http:// URL, which needs no CA: the gate makes it https on its way out",
        );
        page.checks(&works);

        page.part("A call that the role does not allow, as an SDK prints it");
        page.pair("sent", &format!("DELETE {}/v1/tickets/7", self.api));
        refused::show(&self.forbidden, page);
        page.checks(&forbidden);

        page.part("One call more than the rule's limit");
        let calls = self.searched.len() + 1;
        page.pair(
            "sent",
            &format!("GET {}/v1/search, {calls} times", self.api),
        );
        refused::show(&self.limited, page);
        page.checks(&limited);
    }
}
