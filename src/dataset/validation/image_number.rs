//! The number of a validation image, by its name.

/// Images of the validation set.
pub(super) const IMAGES: usize = 50_000;
/// The prefix of an image's number in its name.
const PREFIX: &str = "ILSVRC2012_val_";

/// Returns the number of a validation image, from 1, by its path: its name begins as the set's names do, with any
/// extension and any text after the eight digits.
pub(super) fn number(path: &str) -> Option<usize> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let rest = name.strip_prefix(PREFIX)?;
    let digits = rest.get(..8).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let ends = rest[8..].chars().next().is_none_or(|next| !next.is_ascii_alphanumeric());
    digits.parse().ok().filter(|number| ends && (1..=IMAGES).contains(number))
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn the_number_of_an_image_is_in_its_name_and_nowhere_else() {
        for (path, expected) in [
            ("ILSVRC2012_val_00000001.JPEG", Some(1)),
            ("val/n01751748/ILSVRC2012_val_00050000.jpg", Some(50_000)),
            ("ILSVRC2012_val_00000293_n01440764.JPEG", Some(293)),
            ("ILSVRC2012_val_00000293", Some(293)),
            ("ILSVRC2012_val_00050001.JPEG", None),
            ("ILSVRC2012_val_00000000.JPEG", None),
            ("ILSVRC2012_val_000000012.JPEG", None),
            ("ILSVRC2012_val_1.JPEG", None),
            ("ILSVRC2012_val_0000000é.JPEG", None),
            ("ILSVRC2012_test_00000001.JPEG", None),
            ("ILSVRC2012_val_00000001.JPEG/x.jpg", None),
            ("x_ILSVRC2012_val_00000001.JPEG", None),
        ] {
            assert_eq!(number(path), expected, "{path}");
        }
    }
}
