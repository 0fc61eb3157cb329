//! Patterns of keys: `*` is any text within one folder, `**` any folders.

use super::braces::expand;
use super::hidden::is_hidden_name;

/// A pattern that keys are compared with, relative to the folder before its first star.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    /// One pattern for each choice of braces, as its parts between slashes.
    patterns: Vec<Vec<String>>,
}

/// Splits an address with stars into the folder before them and the pattern after it; `None` without a star.
pub(super) fn split(uri: &str) -> Option<(&str, &str)> {
    let end = uri.find('*')?;
    let end = uri.find('{').map_or(end, |brace| brace.min(end));
    Some(match uri[..end].rfind('/') {
        Some(0) => ("/", &uri[1..]),
        Some(slash) => (&uri[..slash], &uri[slash + 1..]),
        None => (".", uri),
    })
}

impl Glob {
    /// Reads a pattern; braces in it are expanded as a shell does.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(pattern: &str) -> Result<Glob, String> {
        let parts = |pattern: &String| -> Result<Vec<String>, String> {
            let parts: Vec<String> = pattern.split('/').map(str::to_owned).collect();
            for part in &parts {
                if part.is_empty() {
                    return Err("a folder in it has no name".into());
                }
                if part.contains("**") && part != "**" {
                    return Err(format!(
                        "`**` matches folders and must be alone between slashes, not in `{part}`"
                    ));
                }
                if part.contains(['?', '[', ']']) {
                    return Err(format!(
                        "only `*` and `**` have a meaning in it, not `?` and `[…]` as in `{part}`"
                    ));
                }
            }
            match parts.last().map(String::as_str) {
                Some("**") => Err("it ends with folders; name the images in them: `**/*`".into()),
                _ => Ok(parts),
            }
        };
        Ok(Glob { patterns: expand(pattern)?.iter().map(parts).collect::<Result<_, _>>()? })
    }

    /// Whether a key fits.
    pub fn matches(&self, key: &str) -> bool {
        self.any_fits(key, |_, _| true)
    }

    /// Whether a key fits by a pattern that names each hidden part of it: `*` and `**` name none, as in a shell.
    pub fn names_hidden(&self, key: &str) -> bool {
        self.any_fits(key, |part, name| {
            !is_hidden_name(name) || part.starts_with('.') && name.starts_with('.') || is_hidden_name(part)
        })
    }

    fn any_fits(&self, key: &str, reaches: impl Fn(&str, &str) -> bool) -> bool {
        let key: Vec<&str> = key.split('/').collect();
        self.patterns.iter().any(|pattern| fits(pattern, &key, &reaches))
    }
}

/// Patterns have few `**`, and each costs a loop over the rest of the key's folders: what fits is remembered a row at
/// a time, so that no pattern takes longer than its length times the key's.
fn fits(pattern: &[String], key: &[&str], reaches: &impl Fn(&str, &str) -> bool) -> bool {
    let mut fitting = vec![false; key.len() + 1];
    fitting[0] = true;
    for part in pattern {
        let mut next = vec![false; key.len() + 1];
        if part == "**" {
            let mut any = false;
            for (at, fits) in fitting.iter().enumerate() {
                any = *fits || any && reaches(part, key[at - 1]);
                next[at] = any;
            }
        } else {
            for at in 0..key.len() {
                next[at + 1] =
                    fitting[at] && reaches(part, key[at]) && name_fits(part.as_bytes(), key[at].as_bytes());
            }
        }
        fitting = next;
    }
    fitting[key.len()]
}

/// Stars in one name: the last one takes back what it needs.
fn name_fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(byte) if *byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stay_in_their_folder_and_double_stars_do_not() {
        for (pattern, key, expected) in [
            ("*.jpg", "a.jpg", true),
            ("*.jpg", "a/b.jpg", false),
            ("*.jpg", "a.jpeg", false),
            ("*/*.jpg", "a/b.jpg", true),
            ("**/*.jpg", "b.jpg", true),
            ("**/*.jpg", "a/b/c.jpg", true),
            ("a/**/c*.jpg", "a/c.jpg", true),
            ("a/**/c*.jpg", "a/x/y/c9.jpg", true),
            ("a/**/c*.jpg", "b/x/y/c9.jpg", false),
            ("**/x/**/*", "a/x/b", true),
            ("**/x/**/*", "a/y/b", false),
            ("n0{1,2}*/*", "n02/q", true),
            ("n0{1,2}*/*", "n03/q", false),
            ("a*b*c", "axxbyybzc", true),
            ("a*b*c", "axxbyybz", false),
            ("*", "", true),
            ("*é*", "aéb", true),
        ] {
            assert_eq!(Glob::parse(pattern).unwrap().matches(key), expected, "{pattern} {key}");
        }
    }

    #[test]
    fn stars_name_nothing_hidden() {
        for (pattern, key, expected) in [
            ("*/*.jpg", "a/._1.jpg", false),
            ("**/*.jpg", ".a/1.jpg", false),
            ("**/*.jpg", "a/__MACOSX/1.jpg", false),
            ("*/._*.jpg", "a/._1.jpg", true),
            ("*/.thumbs/*.jpg", "a/.thumbs/1.jpg", true),
            ("*/.thumbs/*.jpg", "a/.thumbs/._1.jpg", false),
            ("**/.*/*.jpg", ".a/.b/1.jpg", false),
            ("{.a,b}/*.jpg", ".a/1.jpg", true),
            ("__MACOSX/*", "__MACOSX/1.jpg", true),
        ] {
            let glob = Glob::parse(pattern).unwrap();
            assert!(glob.matches(key), "{pattern} {key}");
            assert_eq!(glob.names_hidden(key), expected, "{pattern} {key}");
        }
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let glob = Glob::parse(&format!("{}b", "**/a*a*a*/".repeat(40))).unwrap();
        assert!(!glob.matches(&"aaaaaaaaaaaaaaaa/".repeat(200)));
    }

    #[test]
    fn patterns_that_mean_nothing_are_refused() {
        for (pattern, word) in [
            ("a**/x", "`a**`"),
            ("a*/**", "`**/*`"),
            ("a?*", "`a?*`"),
            ("*.[jp]*", "`*.[jp]*`"),
            ("*//x", "no name"),
            ("{*", "not closed"),
        ] {
            let error = Glob::parse(pattern).unwrap_err();
            assert!(error.contains(word), "{pattern}: {error}");
        }
    }

    #[test]
    fn an_address_is_a_folder_and_a_pattern() {
        for (uri, expected) in [
            ("s3://b/x/*.jpg", Some(("s3://b/x", "*.jpg"))),
            ("s3://b/{a,c}/*.jpg", Some(("s3://b", "{a,c}/*.jpg"))),
            ("/data/**/x*", Some(("/data", "**/x*"))),
            ("/*", Some(("/", "*"))),
            ("*.jpg", Some((".", "*.jpg"))),
            ("s3://b/x/", None),
        ] {
            assert_eq!(split(uri), expected, "{uri}");
        }
    }
}
