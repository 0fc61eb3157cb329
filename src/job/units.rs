//! Numbers with units, as people type them: `64MiB`, `50M`, or plain.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A count or a number of bytes; `K`, `M`, `G` are powers of 1000, `KiB`, `MiB`, `GiB` of 1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity(pub u64);

impl Quantity {
    fn parse(text: &str) -> Option<Quantity> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let number: u64 = text[..digits].parse().ok()?;
        let factor: u64 = match text[digits..].trim() {
            "" | "B" => 1,
            "K" | "k" | "KB" | "kB" => 1000,
            "M" | "MB" => 1_000_000,
            "G" | "GB" => 1_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return None,
        };
        number.checked_mul(factor).map(Quantity)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct QuantityVisitor;
        impl Visitor<'_> for QuantityVisitor {
            type Value = Quantity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a text such as \"64MiB\" or \"50M\"")
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Quantity, E> {
                u64::try_from(value).map(Quantity).map_err(|_| E::custom("is negative"))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Quantity, E> {
                Ok(Quantity(value))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Quantity, E> {
                Quantity::parse(value)
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(value), &self))
            }
        }
        deserializer.deserialize_any(QuantityVisitor)
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Quantity {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": ["integer", "string"],
            "minimum": 0,
            "pattern": r"^\s*[0-9]+\s*(B|[Kk]|[Kk]B|KiB|MB?|MiB|GB?|GiB)?\s*$|\$\{"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Quantity;

    #[test]
    fn units_are_what_they_say() {
        for (text, value) in [
            ("64MiB", Some(64 << 20)),
            ("50M", Some(50_000_000)),
            ("7", Some(7)),
            ("1 GB", Some(1_000_000_000)),
        ] {
            assert_eq!(Quantity::parse(text).map(|quantity| quantity.0), value, "{text}");
        }
        for text in ["", "MiB", "-1", "1.5M", "99999999999G", "1X"] {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
    }
}
