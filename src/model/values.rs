//! Values of configuration files.

use serde_json::Value;

/// A number of pixels above 0.
pub(super) fn side(value: &Value) -> Option<u32> {
    value.as_u64()?.try_into().ok().filter(|side| *side > 0)
}

/// A finite number for each of R, G and B, or one for all.
pub(super) fn three(value: &Value) -> Option<[f64; 3]> {
    let one = |value: &Value| value.as_f64().filter(|number| number.is_finite());
    match value {
        Value::Array(numbers) => match numbers.as_slice() {
            [r, g, b] => Some([one(r)?, one(g)?, one(b)?]),
            _ => None,
        },
        number => one(number).map(|number| [number; 3]),
    }
}
