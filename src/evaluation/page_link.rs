//! Links from a page on local disk to another one.

use std::path::{Component, Path};

/// Returns the relative address of a file as seen from a folder, percent-encoded.
pub(crate) fn relative(from: &Path, to: &Path) -> Option<String> {
    let parts = |path: &Path| -> Option<Vec<String>> {
        let plain = path.components().filter(|part| !matches!(part, Component::CurDir));
        plain
            .map(|part| match part {
                Component::Normal(name) => name.to_str().map(str::to_owned),
                Component::RootDir => Some(String::new()),
                _ => None,
            })
            .collect()
    };
    let (from, to) = (parts(from)?, parts(to)?);
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..".to_owned(), from.len() - shared);
    let down = to[shared..].iter().map(|part| {
        percent_encoding::utf8_percent_encode(part, percent_encoding::NON_ALPHANUMERIC).to_string()
    });
    Some(up.chain(down).collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_page_is_relative_and_harmless() {
        let way = |from: &str, to: &str| relative(Path::new(from), Path::new(to)).unwrap();
        assert_eq!(way("/a/b", "/a/b/c/report.html"), "c/report%2Ehtml");
        assert_eq!(way("/a/b", "/a/x/report.html"), "../x/report%2Ehtml");
        assert_eq!(way("/a", "/a/java script:1/x"), "java%20script%3A1/x");
    }
}
