//! What a source gave: one secret text, several that belong together, each with its name, or a certificate.

use std::{fmt, sync::Arc, time::SystemTime};

use super::{Certificate, Secret};

/// The texts of one credential, each under the name by which the catalogue puts it into a request; or what is shown in
/// place of any text.
///
/// A token alone, a user with a password, or a certificate with its key, as the engines of Vault give them. `Debug`
/// shows the names only.
pub(crate) enum Value {
    /// Texts with their names.
    Texts(Vec<(Part, Secret)>),
    /// A client certificate with its key.
    Certificate(Arc<Certificate>),
}

impl Value {
    /// A value of one text.
    pub(crate) fn token(secret: Secret) -> Value {
        Value::Texts(vec![(Part::Token, secret)])
    }

    /// A value of several texts.
    pub(crate) fn of(parts: Vec<(Part, Secret)>) -> Value {
        Value::Texts(parts)
    }

    /// The text of this name, if it has one.
    pub(crate) fn part(&self, part: Part) -> Option<&Secret> {
        let mut parts = self.texts().iter();
        parts.find_map(|(name, secret)| (*name == part).then_some(secret))
    }

    /// The certificate, if it is one.
    pub(crate) fn certificate(&self) -> Option<&Arc<Certificate>> {
        match self {
            Value::Certificate(certificate) => Some(certificate),
            Value::Texts(_) => None,
        }
    }

    /// Whether it has an end by the wall clock, and that has come: somebody may have set the clock since the value came.
    pub(crate) fn is_over(&self) -> bool {
        let certificate = self.certificate();
        certificate.is_some_and(|certificate| certificate.left(SystemTime::now()).is_zero())
    }

    /// Whether both have the same texts, or are the same certificate.
    pub(crate) fn same(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Texts(texts), Value::Texts(others)) => {
                texts.len() == others.len()
                    && texts.iter().all(|(part, secret)| {
                        let of_other = other.part(*part).map(Secret::expose);
                        of_other == Some(secret.expose())
                    })
            }
            (Value::Certificate(one), Value::Certificate(other)) => one.same(other),
            (Value::Texts(_), Value::Certificate(_)) | (Value::Certificate(_), Value::Texts(_)) => {
                false
            }
        }
    }

    fn texts(&self) -> &[(Part, Secret)] {
        match self {
            Value::Texts(texts) => texts,
            Value::Certificate(_) => &[],
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Texts(texts) => f
                .debug_list()
                .entries(texts.iter().map(|(part, _)| part))
                .finish(),
            Value::Certificate(certificate) => certificate.fmt(f),
        }
    }
}

/// What a credential has, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The only text there is: an API key, a bearer token.
    Token,
    /// The user of a login that was made for the gate.
    Username,
    /// The password of that user.
    Password,
    /// AWS: which key it is.
    AccessKey,
    /// AWS: the key.
    SecretKey,
    /// AWS: what says that the key is of a session.
    SessionToken,
    /// Azure: which application it is.
    ClientId,
    /// Azure: the secret of that application.
    ClientSecret,
    /// A client certificate with its key: no text.
    Certificate,
}

impl Part {
    /// All that are texts.
    pub(crate) const TEXTS: [Part; 8] = [
        Part::Token,
        Part::Username,
        Part::Password,
        Part::AccessKey,
        Part::SecretKey,
        Part::SessionToken,
        Part::ClientId,
        Part::ClientSecret,
    ];

    /// What stands for it in the settings; for what is no text, what it is.
    pub(crate) fn placeholder(self) -> &'static str {
        match self {
            Part::Token => "{token}",
            Part::Username => "{username}",
            Part::Password => "{password}",
            Part::AccessKey => "{access_key}",
            Part::SecretKey => "{secret_key}",
            Part::SessionToken => "{session_token}",
            Part::ClientId => "{client_id}",
            Part::ClientSecret => "{client_secret}",
            Part::Certificate => "client certificate",
        }
    }

    /// The part that `text`, and nothing else, stands for.
    pub(crate) fn named(text: &str) -> Option<Part> {
        Part::TEXTS
            .into_iter()
            .find(|part| part.placeholder() == text)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::secret::certificate_for;

    const HOUR: Duration = Duration::from_secs(3600);

    fn login(user: &str, password: &str) -> Value {
        Value::of(vec![
            (Part::Username, Secret::new(user.into())),
            (Part::Password, Secret::new(password.into())),
        ])
    }

    #[test]
    fn a_value_is_the_same_only_if_all_its_texts_are() {
        assert!(login("a", "b").same(&login("a", "b")));
        assert!(!login("a", "b").same(&login("a", "c")));
        assert!(!login("a", "b").same(&login("c", "b")));
        assert!(!Value::token(Secret::new("a".into())).same(&login("a", "b")));
    }

    #[test]
    fn a_certificate_is_the_same_as_itself_only() {
        let certificate = || Value::Certificate(Arc::new(certificate_for(HOUR)));
        let one = certificate();
        assert!(one.same(&one));
        assert!(!one.same(&certificate()));
        assert!(!one.same(&login("a", "b")) && !login("a", "b").same(&one));
    }

    #[test]
    fn a_certificate_is_over_when_the_wall_clock_says_so() {
        assert!(!Value::Certificate(Arc::new(certificate_for(HOUR))).is_over());
        assert!(Value::Certificate(Arc::new(certificate_for(Duration::ZERO))).is_over());
        assert!(!login("a", "b").is_over());
    }

    #[test]
    fn debug_shows_the_names_and_no_text() {
        assert_eq!(
            format!("{:?}", login("u5er", "s3cret")),
            "[Username, Password]"
        );
    }
}
