//! What a result depends on, in 32 bytes.

use crate::{Error, Result};
use serde::{de, Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// SHA-256 of everything that a result depends on: two results of one identity are the same bytes, on one kind of device with
/// one build of libtorch.
///
/// # Examples
/// ```
/// use isogloss::study::Identity;
/// let split = Identity::of(&[("language", "es"), ("method", "balanced")])?;
/// assert_eq!(split.of_part(&["Number", "0"]), split.of_part(&["Number", "0"]));
/// assert_ne!(split.of_part(&["Number", "0"]), split.of_part(&["Number", "1"]));
/// # Ok::<(), isogloss::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity([u8; 32]);

impl Identity {
    /// Of a value as JSON whose keys are sorted.
    ///
    /// # Errors
    /// [`Error::Data`] for what JSON cannot hold.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        let value = serde_json::to_value(value).map_err(|e| Error::Data(format!("no identity can be made: {e}")))?;
        let mut text = String::new();
        canonical(&value, &mut text);
        Ok(Identity(Sha256::digest(text).into()))
    }

    /// Of a part of what this is the identity of, by names.
    pub fn of_part(&self, names: &[&str]) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0);
        for name in names {
            // The length keeps ["ab", "c"] apart from ["a", "bc"].
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name.as_bytes());
        }
        Identity(hash.finalize().into())
    }
}

/// JSON without spaces, keys sorted whatever map held them.
fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            text.push('{');
            for (name, value) in fields {
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                canonical(value, text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(values) => {
            text.push('[');
            for value in values {
                canonical(value, text);
                text.push(',');
            }
            text.push(']');
        }
        other => text.push_str(&other.to_string()),
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Identity {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::unknown("identity", text, "64 hexadecimal digits");
        let digit = |byte: u8| (byte as char).to_digit(16).filter(|_| !byte.is_ascii_uppercase());
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut bytes = [0u8; 32];
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return Err(wrong());
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let value = digit(*high).zip(digit(*low)).ok_or_else(wrong)?;
            *byte = (value.0 * 16 + value.1) as u8;
        }
        Ok(Identity(bytes))
    }
}

impl Serialize for Identity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_order_of_keys_does_not_count_and_everything_else_does() {
        let of = |text: &str| Identity::of(&serde_json::from_str::<Value>(text).unwrap()).unwrap();
        assert_eq!(of(r#"{"a": 1, "b": [1, 2]}"#), of(r#"{"b": [1, 2], "a": 1}"#));
        for other in
            [r#"{"a": 1, "b": [2, 1]}"#, r#"{"a": 1}"#, r#"{"a": 1.5, "b": [1, 2]}"#, r#"{"a": 1, "b": [[1], 2]}"#]
        {
            assert_ne!(of(r#"{"a": 1, "b": [1, 2]}"#), of(other));
        }
        let one = Identity::of(&json!("x")).unwrap();
        assert_ne!(one.of_part(&["ab", "c"]), one.of_part(&["a", "bc"]));
        assert_eq!(one.to_string().parse::<Identity>().unwrap(), one);
        // hashlib.sha256(b'"x"').hexdigest()
        assert_eq!(one.to_string(), "ba2df4903a2c14e86dc3bcca58911b44ac1d2514b7227bf6eb08cfb978f55a1b");
        for wrong in ["", "0", &one.to_string().to_uppercase(), &format!("{one}00"), &"g".repeat(64)] {
            assert!(wrong.parse::<Identity>().is_err(), "{wrong}");
        }
    }
}
