//! What a name says of its value: the one list for the names of headers and of query parameters.
//!
//! A name is judged as the most lenient of its readers sees it: lower case, letters and digits only, since CGI, PHP,
//! gRPC and many frameworks fold `-`, `_`, `.` and spaces into each other. The lists are what vendors, frameworks and
//! identity-aware proxies are known to read, and the ways in which such names begin and end. What else belongs to a
//! connection or to the gate is `headers`'.

use std::sync::LazyLock;

/// What a name says that its value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    /// Something that authenticates: the agent's own would stand beside the gate's or in its place.
    Credential,
    /// For whom the call is, where it came from, or what somebody before has verified about it.
    Identity,
    /// Another method, path or host than those that were judged.
    Override,
}

/// Lists of words: `word` is the whole name, `word*` its beginning, `*word` its end, `*word*` any part of it.
type Listed = &'static [(Says, &'static str)];

/// What both headers and query parameters say. No pagination token, idempotency key or sort key is among them.
const ANYWHERE: Listed = &[
    (
        Says::Credential,
        "auth code key keypairid pass qak secretid sign cookie2 dpop signatureinput xhubsignature*
        codeverifier googleaccessid idtokenhint oauthverifier samlart samlrequest samlresponse sessid phpsessid
        xjfrogartapi xhoneycombteam
        xamzalgorithm xamzcontentsha256 xamzdate xamzexpires xamzsignedheaders
        xgoogalgorithm xgoogdate xgoogexpires xgoogsignedheaders xosssignatureversion
        xauth* *auth *authentication *authorization* *assertion *bearer *cookie *credential *credentials *hmac *jwt
        *macaroon *otp *passcode *passphrase *passwd *password *pwd *secret *sessionid *sig *signature *token
        *accesskey *accesskeyid *accesssign *accountkey *adminkey *apikey *apikeyid *apisign *appkey *applicationkey
        *appwritekey *authkey *clickhousekey *clientkey *consumerkey *developerkey *devkey *fastlykey *functionskey
        *ingestionkey *insertkey *javascriptkey *licensekey *mashapekey *masterkey *partnerkey *privatekey *rootkey
        *secretkey *securitykey *serverkey *servicekey *sessionkey *sharedkey *signingkey *subscriptionkey *userkey
        *writekey",
    ),
    (
        Says::Identity,
        "actas actasuser apiusername assumeuser callerobjectid doas loginas mscrmcallerid sudo xactas xactasuser
        xassumeuser *impersonat* *onbehalfof* *runas *runasuser *switchuser*",
    ),
    (Says::Override, "xhttpmethod* xmethod *methodoverride*"),
];

/// What headers say besides: in a query such names are about the data.
const IN_A_HEADER: Listed = &[
    (Says::Credential, "secwebsocketprotocol xkey xquerykey grpcmetadata*"),
    (
        Says::Identity,
        "asuser dropboxapiselectadmin dropboxapiselectuser eppn frontendhttps ivcreds ivgroups ivuser
        shib* smuser smuserdn smuniversalid remote* tailscale* xremote* xwebauth* xvouch* xpomerium* xshib* xsso*
        xanonymousconsumer xconsumer* xcredential* xhasura* xprestouser xtrinooriginaluser xtrinorole xtrinouser
        xclickhouseuser xgoogauthenticated* xgoogiam* xgoogleinternal* xappengine* xcloudscheduler* xcloudtasks*
        xmsclientprincipal* xmstoken* xarrssl xazure* xamznoidc* xamznmtls* xamznrequestcontext xamznlambdacontext
        xapigateway* cfaccess* cfconnecting* cfpseudo* cfipcountry cfvisitor cfworker xvercelprotection*
        xuser xuserclaims xuserdn xuseremail xusergroups xuserid xuseridentity xusername xuserrole xuserroles
        xemail xgroups xrole xroles xgrafanaid
        xclientcn xclientdn xclienthost xclientidentity xclientissuer xclientserial xclientsubject xclientuser
        xclientverified xclientverify
        *clientcert* *sslclient* *tlsclient* *spiffe* *remoteuser *userinfo *clientdn *clientsdn *clientidn
        *subjectdn *issuerdn tollgate* xtollgate* ssl* xssl* l5d* xenvoy* xistio*
        xforward* forward* *forwarded* proxy* xproxy* wlproxy* xscheme xurlscheme xhttps
        *clientip *connectingip *originatingip *originip *proxyuserip *realip *remoteaddr *remoteip *sourceip *srcip
        *userip *clientaddr *clientaddress *externaladdress",
    ),
    (
        Says::Override,
        "baseurl destination destinationurl disguisedhost httpurl origurl pathinfo redirect requesturi scriptname uri
        url xbackend xbackendhost xdestinationurl xhost xhttpdestination* xhttphost* xhttppath* xlighttpdsendfile
        xorigurl xpath xpathinfo xrequesturi xrequesturl xscriptname xtargeturl xupstream xuri xurl
        xwawsunencodedurl xvaultnamespace xaccel* xoriginal* xrewrite* xsendfile* *override*",
    ),
];

/// Ends of names that look like a credential's and tell where a page, a list or a change begins.
const PLACES_IN_A_LIST: &[&str] = &[
    "changetoken",
    "continuationtoken",
    "cursortoken",
    "deltatoken",
    "nexttoken",
    "pagetoken",
    "paginationtoken",
    "pagingtoken",
    "prevtoken",
    "previoustoken",
    "resumetoken",
    "resumptiontoken",
    "scrolltoken",
    "skiptoken",
    "startingtoken",
    "starttoken",
    "synctoken",
];

/// Names that look like more than they are: the session of an MCP client, which authenticates nobody, a word against
/// forged forms, and the kind of a token that stands elsewhere.
const HARMLESS: &[&str] = &[
    "mcpsessionid",
    "xatlassiantoken",
    "xsnowflakeauthorizationtokentype",
];

/// What a parameter's name says only behind a sign, as in `_method` and `$httpHeaders`.
const BEHIND_A_SIGN: &[&str] = &["method", "httpmethod", "httpheaders"];

static OF_HEADERS: LazyLock<Words> = LazyLock::new(|| Words::of(&[ANYWHERE, IN_A_HEADER]));
static OF_PARAMETERS: LazyLock<Words> = LazyLock::new(|| Words::of(&[ANYWHERE]));

/// What the header `name` says, if it is more than a plain header.
pub(crate) fn header(name: &str) -> Option<Says> {
    squeezed(name, |name| {
        // gRPC marks a binary value in its name.
        let marked = || OF_HEADERS.judge(name.strip_suffix(b"bin")?);
        OF_HEADERS.judge(name).or_else(marked)
    })
}

/// What the query parameter `name`, decoded, says, if it is more than a plain parameter.
///
/// `name[]` and `[name]` are `name` to PHP, Rails and Node, and `user[password]` is one name to those who fold signs.
pub(crate) fn parameter(name: &str) -> Option<Says> {
    let outer = outermost(name);
    if !outer.starts_with(|first: char| first.is_alphanumeric())
        && squeezed(outer, |name| is_one_of(BEHIND_A_SIGN, name))
    {
        return Some(Says::Override);
    }
    let judge = |name: &str| squeezed(name, |name| OF_PARAMETERS.judge(name));
    judge(outer).or_else(|| judge(name).filter(|_| outer.len() != name.len()))
}

/// Whether some reader takes the parameter `name`, decoded, for `other`.
pub(crate) fn are_alike(name: &str, other: &str) -> bool {
    squeezed(other, |other| {
        squeezed(outermost(name), |name| name == other) || squeezed(name, |name| name == other)
    })
}

fn outermost(name: &str) -> &str {
    let mut parts = name.split(['[', ']']).map(str::trim);
    parts.find(|part| !part.is_empty()).unwrap_or_default()
}

fn is_one_of(words: &[&str], name: &[u8]) -> bool {
    words.iter().any(|word| word.as_bytes() == name)
}

/// Names up to this long are squeezed without an allocation.
const USUAL_NAME_BYTES: usize = 64;

/// Hands `judge` the name in lower case and without all that is no letter and no digit.
fn squeezed<T>(name: &str, judge: impl FnOnce(&[u8]) -> T) -> T {
    if !name.is_ascii() || name.len() > USUAL_NAME_BYTES {
        return judge(folded(name).as_bytes());
    }
    let mut room = [0; USUAL_NAME_BYTES];
    let telling = name.bytes().filter(u8::is_ascii_alphanumeric);
    let mut size = 0;
    for (place, byte) in room.iter_mut().zip(telling) {
        *place = byte.to_ascii_lowercase();
        size += 1;
    }
    judge(room.get(..size).unwrap_or_default())
}

/// The same for any name: letters that some reader takes for an ASCII one become that one.
fn folded(name: &str) -> String {
    let narrow = |letter: char| match letter {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(letter) - 0xfee0).unwrap_or(letter),
        '\u{17f}' => 's',
        _ => letter,
    };
    let lower = name.chars().map(narrow).flat_map(char::to_lowercase);
    lower.filter(|letter| letter.is_alphanumeric()).collect()
}

/// Words by how they match, and by the byte with which their match begins or ends.
struct Words {
    whole: Vec<(&'static [u8], Says)>,
    starts: ByByte,
    ends: ByByte,
    inside: ByByte,
    /// What is left of a name that is shorter has no word inside.
    inside_bytes_min: usize,
}

impl Words {
    fn of(lists: &[Listed]) -> Words {
        let mut words = Words {
            whole: Vec::new(),
            starts: ByByte::default(),
            ends: ByByte::default(),
            inside: ByByte::default(),
            inside_bytes_min: usize::MAX,
        };
        for (says, list) in lists.iter().copied().flatten() {
            for word in list.split_whitespace() {
                words.add(word, *says);
            }
        }
        words.whole.sort_unstable_by_key(|(word, _)| *word);
        words
    }

    fn add(&mut self, word: &'static str, says: Says) {
        let (open, shut) = (word.starts_with('*'), word.ends_with('*'));
        let word = word.trim_matches('*').as_bytes();
        match (open, shut) {
            (false, false) => self.whole.push((word, says)),
            (false, true) => self.starts.add(word.first(), word, says),
            (true, false) => self.ends.add(word.last(), word, says),
            (true, true) => {
                self.inside_bytes_min = self.inside_bytes_min.min(word.len());
                self.inside.add(word.first(), word, says);
            }
        }
    }

    fn judge(&self, name: &[u8]) -> Option<Says> {
        let says = self.whole(name).or_else(|| {
            let begins = self
                .starts
                .find(name.first(), |word| name.starts_with(word));
            begins
                .or_else(|| self.inside(name))
                .or_else(|| self.end(name))
        });
        says.filter(|_| !is_one_of(HARMLESS, name))
    }

    fn whole(&self, name: &[u8]) -> Option<Says> {
        let at = self
            .whole
            .binary_search_by_key(&name, |(word, _)| *word)
            .ok()?;
        self.whole.get(at).map(|(_, says)| *says)
    }

    fn inside(&self, name: &[u8]) -> Option<Says> {
        let mut rest = name;
        while rest.len() >= self.inside_bytes_min
            && let [first, after @ ..] = rest
        {
            let found = self.inside.find(Some(first), |word| rest.starts_with(word));
            if found.is_some() {
                return found;
            }
            rest = after;
        }
        None
    }

    fn end(&self, name: &[u8]) -> Option<Says> {
        let found = self.ends.find(name.last(), |word| name.ends_with(word))?;
        let mut places = PLACES_IN_A_LIST.iter();
        (!places.any(|place| name.ends_with(place.as_bytes()))).then_some(found)
    }
}

/// Words by one of their bytes, which is a lower-case letter or a digit.
#[derive(Default)]
struct ByByte(Vec<Vec<(&'static [u8], Says)>>);

impl ByByte {
    fn add(&mut self, by: Option<&u8>, word: &'static [u8], says: Says) {
        let by = by.copied().map_or(0, usize::from);
        if self.0.len() <= by {
            self.0.resize_with(by + 1, Vec::new);
        }
        if let Some(words) = self.0.get_mut(by) {
            words.push((word, says));
        }
    }

    fn find(&self, by: Option<&u8>, matches: impl Fn(&[u8]) -> bool) -> Option<Says> {
        let words = self.0.get(usize::from(*by?))?;
        words
            .iter()
            .find(|(word, _)| matches(word))
            .map(|(_, says)| *says)
    }
}

#[cfg(test)]
mod tests;
