//! What a source gave: one secret text, or several that belong together, each with its name.

use std::fmt;

use super::Secret;

/// The texts of one credential, each under the name by which the catalogue puts it into a request.
///
/// A token alone, or a user with a password, as the engines of Vault give them. `Debug` shows the names only.
pub(crate) struct Value(Vec<(Part, Secret)>);

impl Value {
    /// A value of one text.
    pub(crate) fn token(secret: Secret) -> Value {
        Value(vec![(Part::Token, secret)])
    }

    /// A value of several texts.
    pub(crate) fn of(parts: Vec<(Part, Secret)>) -> Value {
        Value(parts)
    }

    /// The text of this name, if it has one.
    pub(crate) fn part(&self, part: Part) -> Option<&Secret> {
        let mut parts = self.0.iter();
        parts.find_map(|(name, secret)| (*name == part).then_some(secret))
    }

    /// Whether both have the same texts.
    pub(crate) fn same(&self, other: &Value) -> bool {
        self.0.len() == other.0.len()
            && self.0.iter().all(|(part, secret)| {
                let of_other = other.part(*part).map(Secret::expose);
                of_other == Some(secret.expose())
            })
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(part, _)| part))
            .finish()
    }
}

/// The name of a secret text in its credential.
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
}

impl Part {
    /// All of them.
    pub(crate) const ALL: [Part; 6] = [
        Part::Token,
        Part::Username,
        Part::Password,
        Part::AccessKey,
        Part::SecretKey,
        Part::SessionToken,
    ];

    /// What stands for it in the settings.
    pub(crate) fn placeholder(self) -> &'static str {
        match self {
            Part::Token => "{token}",
            Part::Username => "{username}",
            Part::Password => "{password}",
            Part::AccessKey => "{access_key}",
            Part::SecretKey => "{secret_key}",
            Part::SessionToken => "{session_token}",
        }
    }

    /// The part that `text`, and nothing else, stands for.
    pub(crate) fn named(text: &str) -> Option<Part> {
        Part::ALL
            .into_iter()
            .find(|part| part.placeholder() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn debug_shows_the_names_and_no_text() {
        assert_eq!(
            format!("{:?}", login("u5er", "s3cret")),
            "[Username, Password]"
        );
    }
}
