use super::*;

/// What real clients send and real APIs need, by whom.
const NEEDED_HEADERS: &str = "
    accept accept-charset accept-encoding accept-language cache-control content-disposition content-encoding
    content-language content-md5 content-type date dnt origin pragma prefer priority referer user-agent
    if-match if-none-match if-modified-since if-unmodified-since if-range range want-digest content-digest digest
    traceparent tracestate baggage b3 x-b3-traceid x-b3-spanid x-cloud-trace-context x-amzn-trace-id
    x-datadog-trace-id x-datadog-sampling-priority sentry-trace request-id x-request-id x-correlation-id
    correlation-id x-client-request-id x-requested-with x-api-version api-version x-client-version x-client-info
    anthropic-version anthropic-beta anthropic-dangerous-direct-browser-access openai-organization openai-project
    openai-beta x-stainless-lang x-stainless-package-version x-stainless-os x-stainless-arch x-stainless-runtime
    x-stainless-runtime-version x-stainless-async x-stainless-retry-count x-stainless-timeout
    x-stainless-read-timeout x-stainless-helper-method helicone-property-app http-referer x-title
    idempotency-key x-idempotency-key x-github-api-version x-github-media-type x-gitlab-static
    x-goog-api-client x-goog-user-project x-goog-request-params x-goog-fieldmask x-goog-hash x-goog-meta-colour
    x-goog-if-generation-match x-goog-copy-source x-upload-content-type x-upload-content-length
    x-amz-target x-amz-acl x-amz-meta-colour x-amz-copy-source x-amz-user-agent x-amz-invocation-type
    amz-sdk-request amz-sdk-invocation-id x-amz-storage-class x-amz-tagging x-amzn-bedrock-trace
    x-ms-version x-ms-client-request-id x-ms-return-client-request-id x-ms-blob-type x-ms-range x-ms-continuation
    x-ms-max-item-count x-ms-documentdb-partitionkey x-ms-documentdb-isquery x-ms-consistency-level
    odata-version odata-maxversion consistencylevel sync-token soapaction
    notion-version stripe-version stripe-account stripe-livemode paypal-request-id x-atlassian-token
    x-shopify-api-version x-hubspot-tag accept-version intercom-version linear-version square-version
    dropbox-api-arg dropbox-api-path-root x-slack-no-retry x-twilio-flags x-zendesk-marketplace-name
    mcp-protocol-version mcp-session-id last-event-id x-user-agent x-grpc-web grpc-timeout grpc-encoding
    grpc-accept-encoding connect-protocol-version twirp-version elastic-api-version x-elastic-product-origin
    x-clickhouse-database x-clickhouse-format x-trino-catalog x-trino-schema x-trino-source x-presto-catalog
    x-grafana-org-id x-scope-orgid x-influxdb-version x-vercel-id cf-aig-cache-ttl cf-aig-metadata git-protocol
    depth content-range upload-offset tus-resumable upload-length x-snowflake-authorization-token-type
    sec-ch-ua sec-fetch-mode sec-fetch-site upgrade-insecure-requests save-data x-forecast
";

/// Query names of real APIs that only look like a credential's, and some that never did.
const NEEDED_PARAMETERS: &str = "
    q query page per_page limit offset cursor sort order since until fields expand include filter[name] ids[]
    page_token pageToken nextPageToken next_page_token next_token NextToken nextToken prev_page_token
    continuation_token continuation-token ContinuationToken pagination_token starting_token sync_token syncToken
    $skiptoken $deltatoken $filter $select $top resumptionToken scroll_token changeToken
    max_tokens maxTokens tokens token_type token_count keys sort_key partition_key primary_key foreign_key
    idempotency_key issueKey projectKey startkey endkey group_key cache_key routing_key key_type public_key
    author author_id authored_by authors authority monkey design assigned signed config sign_in_count codes
    country_code code_type zip_code postal_code codebase passenger passport password_reset compass
    method http_method api-version alt prettyPrint quotaUser uploadType client_id client_ip user user_id username
    url uri redirect redirect_uri destination forwarded remote_user host ip origin path override proxy email roles
    session sessions cookies credentials_only secrets secretary signatures certificate x-amz-acl x-id versionId
    X-Goog-FieldMask response-content-type has_token_usage remote via
";

/// Row CI-02 and what stands in its place at vendors, frameworks and proxies.
const CREDENTIAL_HEADERS: &str = "
    authorization x-authentication cookie cookie2 x-api-key api-key apikey x-goog-api-key x-auth-token private-token
    job-token deploy-token x-amz-security-token x-shopify-access-token x-shopify-storefront-access-token dd-api-key
    dd-application-key ocp-apim-subscription-key signature signature-input dpop x-hub-signature x-hub-signature-256
    x-slack-signature x-vault-token x-consul-token x-nomad-token x-gitlab-token circle-token x-figma-token
    x-trackertoken x-plex-token x-postmark-server-token x-algolia-api-key x-rapidapi-key x-functions-key
    x-master-key x-parse-master-key x-parse-rest-api-key x-parse-session-token x-appwrite-key
    x-insert-key x-query-key x-license-key fastly-key x-auth-key x-auth-email x-auth-user x-jfrog-art-api
    x-honeycomb-team x-sentry-auth x-registry-auth x-redmine-api-key x-figma-secret x-cisco-meraki-api-key
    apca-api-key-id apca-api-secret-key cb-access-key cb-access-sign cb-access-passphrase kc-api-sign x-mbx-apikey
    x-github-otp x-csrf-token x-csrftoken x-xsrf-token x-ms-authorization-auxiliary
    x-serverless-authorization x-amz-date x-amz-content-sha256 x-amz-algorithm x-amz-credential x-amz-signature
    x-amz-s3session-token x-amz-expires x-amz-signedheaders x-goog-credential x-goog-signature x-goog-date
    cf-aig-authorization x-vercel-oidc-token
    sec-websocket-protocol grpc-metadata-authorization grpc-metadata-macaroon authorization-bin x-api-key-bin
    vmware-api-session-id x-session-id paypal-auth-assertion x-jwt-assertion client-assertion x-custom-auth
    x-user-token x-access-token token x-token secret password x-password key x-key auth x-auth jwt x-jwt bearer
    x-bearer-token client-secret x-client-secret txn-token workload-identity-token
";

/// What speaks of who calls, from where, and of what somebody before has verified.
const IDENTITY_HEADERS: &str = "
    forwarded x-forwarded x-forwarded-for x-forwarded-host x-forwarded-proto x-forwarded-port x-forwarded-path
    x-forwarded-prefix x-forwarded-uri x-forwarded-user x-forwarded-email x-forwarded-groups x-forwarded-preferred-username
    x-forwarded-client-cert x-forward-for x-forwarder-for forwarded-for x-original-forwarded-for x-vercel-forwarded-for
    x-real-ip true-client-ip x-true-client-ip client-ip x-client-ip x-cluster-client-ip fastly-client-ip fly-client-ip
    incap-client-ip cf-connecting-ip cf-connecting-ipv6 cf-pseudo-ipv4 cf-ipcountry do-connecting-ip x-remote-ip
    x-remote-addr x-originating-ip x-origin-ip x-proxyuser-ip ali-cdn-real-ip cdn-src-ip x-azure-clientip
    x-azure-socketip x-appengine-user-ip x-source-ip wl-proxy-client-ip wl-proxy-ssl proxy-client-ip proxy
    proxy-host x-proxy-user front-end-https x-scheme x-url-scheme
    remote-user remote-groups remote-email remote-name x-remote-user x-remote-group x-remote-extra-scopes
    x-webauth-user x-webauth-email x-authenticated-userid x-authenticated-scope x-authenticated-user
    x-auth-request-user x-auth-request-email x-auth-request-groups x-auth-username x-auth-roles x-authentik-username
    x-authentik-groups x-pomerium-claim-email x-vouch-user tailscale-user-login x-shib-user shib-session-index
    x-goog-authenticated-user-email x-goog-authenticated-user-id x-goog-iap-jwt-assertion
    x-goog-iam-authority-selector x-appengine-user-email x-appengine-inbound-appid x-cloudtasks-queuename
    x-ms-client-principal x-ms-client-principal-name x-ms-client-principal-idp x-ms-token-aad-access-token
    x-arr-clientcert x-arr-ssl x-amzn-oidc-identity x-amzn-oidc-data x-amzn-mtls-clientcert-subject
    x-amzn-request-context x-apigateway-event x-endpoint-api-userinfo x-apigateway-api-userinfo x-userinfo
    x-goog-iam-authorization-token x-vercel-protection-bypass cf-access-client-secret cf-access-client-id cf-access-jwt-assertion cf-access-authenticated-user-email
    x-consumer-id x-consumer-username x-consumer-custom-id x-consumer-groups x-credential-identifier
    x-credential-username x-credential-a x-anonymous-consumer x-envoy-external-address x-envoy-original-path
    x-envoy-decorator-operation l5d-client-id l5d-dst-override x-spiffe-id spiffe-id
    x-client-verify x-client-cert x-client-dn x-client-cn x-client-s-dn ssl-client-cert ssl-client-verify
    x-ssl-client-s-dn x-ssl-client-verify x-ssl-cert x-tls-client-subject client-cert client-cert-chain subject-dn
    impersonate-user impersonate-group impersonate-uid impersonate-extra-scopes x-impersonate-user
    x-appwrite-impersonate-user-id x-goog-impersonate sudo switch-user x-switch-user
    x-redmine-switch-user on-behalf-of x-on-behalf-of act-as x-act-as assume-user as-user api-username
    dropbox-api-select-user dropbox-api-select-admin mscrmcallerid callerobjectid es-security-runas-user run-as
    opendistro-security-impersonate-as doas x-trino-user x-presto-user x-hasura-role x-hasura-user-id x-hasura-admin-secret
    tollgate-event x-tollgate-reason iv-user iv-groups iv-creds sm-user oam-remote-user x-user-id x-user-email x-user-roles x-roles x-groups
";

/// What asks for another method, path or host than those that were judged.
const OVERRIDE_HEADERS: &str = "
    x-http-method x-http-method-override x-method-override x-method http-method-override x-http-path-override
    x-http-host-override x-http-destinationurl x-original-url x-original-uri x-original-method x-original-host
    x-original-path x-rewrite-url x-rewrite-path x-override-url x-accel-redirect x-accel-internal x-sendfile
    x-sendfile-type x-host base-url x-proxy-url request-uri http-url uri url x-url x-script-name script-name
    path-info x-waws-unencoded-url x-vault-namespace destination x-target-url
";

/// Row CI-03 and what else authenticates in a query.
const CREDENTIAL_PARAMETERS: &str = "
    access_token accessToken api_key apikey api-key apiKey api.key x-api-key key token auth auth_token authtoken
    authorization authentication bearer bearer_token code code_verifier sig sign signature oauth_signature jwt
    id_token id_token_hint refresh_token client_secret clientSecret client_assertion assertion password passwd pwd
    pass passphrase secret secret_id private_token private-token job_token session_token oauth_token oauth_verifier
    oauth_consumer_key oauth_access_token user_password user[password] user[api_key] login_token user_token
    subscription-key subscription_key app_key appkey developerKey userKey access_key AccessKeyId OSSAccessKeyId
    AWSAccessKeyId GoogleAccessId Key-Pair-Id X-Amz-Signature X-Amz-Credential X-Amz-Security-Token X-Amz-Date
    X-Amz-Algorithm X-Amz-Expires X-Amz-SignedHeaders X-Goog-Signature X-Goog-Credential X-Goog-Algorithm
    X-Goog-Date X-Goog-Expires X-Goog-SignedHeaders x-oss-signature x-oss-credential q-signature q-ak hmac otp
    SAMLResponse SAMLart PHPSESSID jsessionid session_id sharedAccessSignature api_sig x_auth_password
    key[] [key] key[x] ._key+ K~E~Y \u{212a}ey \u{ff4b}\u{ff45}\u{ff59} ke\u{301}y to\u{212a}en pa\u{17f}\u{17f}word
    master_key cookie Cookie
";

/// Who the call is for, and as which method.
const IDENTITY_PARAMETERS: &str = "
    sudo SUDO sudo[] impersonate impersonate_user impersonated_user_id impersonation on_behalf_of onBehalfOf doas
    act_as switch_user _switch_user assume_user run_as run-as-user api_username
";

const OVERRIDE_PARAMETERS: &str = "
    _method _METHOD .method _method[] -method $httpMethod $httpHeaders X-HTTP-Method-Override
    x_http_method_override X-HTTP-Method X-Method-Override _method_override http_method_override
";

/// Of each name the judge says one of `says`.
fn each(names: &str, judge: fn(&str) -> Option<Says>, says: &[Says]) {
    let fits = |name: &&str| judge(name).is_some_and(|said| says.contains(&said));
    let others: Vec<&str> = names
        .split_whitespace()
        .filter(|name| !fits(name))
        .collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn what_real_clients_send_says_nothing() {
    for name in NEEDED_HEADERS.split_whitespace() {
        assert_eq!(header(name), None, "{name}");
    }
    for name in NEEDED_PARAMETERS.split_whitespace() {
        assert_eq!(parameter(name), None, "{name}");
    }
}

#[test]
fn a_header_says_what_its_readers_take_it_for() {
    each(CREDENTIAL_HEADERS, header, &[Says::Credential]);
    // Both are dropped, and some speak of who calls by what authenticates him.
    each(
        IDENTITY_HEADERS,
        header,
        &[Says::Identity, Says::Credential, Says::Override],
    );
    each(OVERRIDE_HEADERS, header, &[Says::Override, Says::Identity]);
}

#[test]
fn a_parameter_says_what_its_readers_take_it_for() {
    each(CREDENTIAL_PARAMETERS, parameter, &[Says::Credential]);
    each(IDENTITY_PARAMETERS, parameter, &[Says::Identity]);
    each(OVERRIDE_PARAMETERS, parameter, &[Says::Override]);
}

#[test]
fn signs_and_case_hide_no_name() {
    for name in CREDENTIAL_HEADERS.split_whitespace() {
        for sign in ["_", ".", "~", "!", ""] {
            let spelled = name.to_uppercase().replace('-', sign);
            assert_eq!(header(&spelled), header(name), "{spelled}");
        }
    }
    let long = format!("x{}-token", "-".repeat(USUAL_NAME_BYTES));
    assert_eq!(header(&long), Some(Says::Credential));
}

#[test]
fn no_word_of_the_lists_hides_behind_what_is_harmless() {
    for (_, list) in [ANYWHERE, IN_A_HEADER].concat() {
        for word in list.split_whitespace() {
            let bare = word.trim_matches('*');
            let squeezed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
            assert!(bare.bytes().all(squeezed), "{word}");
            assert!(!HARMLESS.contains(&bare), "{word}");
        }
    }
}
