//! The pages of the documentation: their links, their commands, and the book that they become.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::{python, root, scratch};

/// What the links, commands and blocks of the pages name.
const CHECKOUT: &str = "docs infra jobs src tests benches models Cargo.toml Makefile \
                        README.md ARCHITECTURE.md CONTRIBUTING.md SECURITY.md CHANGELOG.md";

fn book(checkout: &Path, script: &str, arguments: &[&str]) -> Output {
    let script = checkout.join("infra/book").join(script);
    Command::new(python())
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_tresnet-batch"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_link_command_and_block_of_the_documentation_is_right() {
    let checked = book(root(), "check.py", &[]);
    assert!(checked.status.success(), "{}{}", text(&checked.stderr), text(&checked.stdout));
}

#[test]
fn every_link_of_the_book_leads_to_a_page_or_picture_of_it() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let built = book(root(), "build.py", &[folder.path().to_str().unwrap()]);
    assert!(built.status.success(), "{}", text(&built.stderr));
    let commands = std::fs::read_to_string(folder.path().join("src/commands.md")).unwrap();
    assert!(commands.contains("\n## `tresnet-batch model quantize`\n"), "{commands}");
}

#[test]
fn a_page_with_mistakes_is_refused_with_the_line_of_each() {
    let copy = tempfile::tempdir_in(scratch()).unwrap();
    let mut copying = Command::new("cp");
    copying.arg("-r").args(CHECKOUT.split_whitespace()).arg(copy.path()).current_dir(root());
    assert!(copying.status().unwrap().success());
    let mistakes = "\
# Mistakes

[a page](nowhere.md), [a heading](start.md#nowhere)

    tresnet-batch run job.toml --no-such-option

```toml
[input]
no_such_key = 1
```

```json
{\"a\": }
```

```sql
SELECT FROM WHERE
```
";
    std::fs::write(copy.path().join("docs/mistakes.md"), mistakes).unwrap();
    let checked = book(copy.path(), "check.py", &[]);
    assert_eq!(checked.status.code(), Some(1), "{}", text(&checked.stderr));
    let faults = text(&checked.stderr);
    let lines: Vec<u32> = faults
        .lines()
        .filter_map(|fault| fault.strip_prefix("docs/mistakes.md:")?.split(':').next()?.parse().ok())
        .collect();
    assert_eq!(lines, [3, 3, 5, 7, 12, 16], "{faults}");
    assert!(faults.contains("`mistakes.md` is missing"), "{faults}");
}
