//! The container files of `infra/container`, as far as they can be judged without a container engine.
//! `infra/container/rehearse.sh` runs their steps.

use std::path::Path;

use crate::support::root;

const FILES: [&str; 2] = ["Containerfile.cpu", "Containerfile.cuda"];

/// The instructions of a file, each with its continued lines as one.
fn instructions(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("infra/container").join(name)).unwrap();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let text = lines.collect::<Vec<_>>().join("\n").replace("\\\n", "");
    text.lines().map(str::to_owned).collect()
}

/// What stands behind each instruction of a kind.
fn all<'a>(instructions: &'a [String], kind: &str) -> Vec<&'a str> {
    instructions.iter().filter_map(|line| line.strip_prefix(kind)?.strip_prefix(' ')).collect()
}

#[test]
fn what_is_copied_is_there_and_is_sent_to_the_engine() {
    let ignore = std::fs::read_to_string(root().join(".dockerignore")).unwrap();
    let mut lines = ignore.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(lines.next(), Some("*"), "all is left out but what is named");
    let sent: Vec<&Path> = lines.map(|line| Path::new(line.strip_prefix('!').unwrap())).collect();
    for name in FILES {
        let instructions = instructions(name);
        let from_here = all(&instructions, "COPY").into_iter().filter(|words| !words.starts_with("--"));
        let mut copied = 0;
        for words in from_here {
            let words: Vec<&str> = words.split_whitespace().collect();
            for source in &words[..words.len() - 1] {
                assert!(root().join(source).exists(), "{name} copies {source}");
                assert!(sent.iter().any(|kept| Path::new(source).starts_with(kept)), "{source} is not sent");
                copied += 1;
            }
        }
        assert!(copied >= 7, "{copied}");
    }
}

#[test]
fn base_images_are_pinned_and_the_compiler_is_new_enough() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let needed = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
    let version = |text: &str| -> Vec<u32> {
        text.trim_matches('"').split('.').map(|number| number.parse().unwrap()).collect()
    };
    for name in FILES {
        let instructions = instructions(name);
        let images = all(&instructions, "FROM");
        assert_eq!(images.len(), 3);
        for image in images {
            let tag = image.split(' ').next().unwrap().split_once(':').expect("a tag").1;
            let first = tag.split('-').next().unwrap();
            if image.starts_with("rust:") {
                assert_eq!(first.matches('.').count(), 2, "{image}");
                assert!(version(first) >= version(needed), "{image} for {needed}");
            } else {
                let day = tag.split('-').nth(1).unwrap();
                assert!(day.len() == 8 && day.bytes().all(|byte| byte.is_ascii_digit()), "{image}");
            }
        }
    }
}

#[test]
fn the_program_is_run_by_a_user_without_rights_and_knows_no_credential() {
    for name in FILES {
        let instructions = instructions(name);
        let last = instructions.iter().rposition(|line| line.starts_with("FROM")).unwrap();
        let image = &instructions[last..];
        let users = all(image, "USER");
        assert!(users.last().unwrap().split(':').all(|id| id.parse::<u32>().unwrap() > 999), "{users:?}");
        assert_eq!(all(image, "ENTRYPOINT"), ["[\"tresnet-batch\"]"]);
        assert_eq!(all(&instructions, "ARG"), [""; 0]);
        let variables = all(&instructions, "ENV").join(" ");
        let names: Vec<&str> =
            variables.split_whitespace().map(|pair| pair.split_once('=').unwrap().0).collect();
        assert!(names.iter().all(|name| *name == "PATH" || name.starts_with("NVIDIA_")), "{names:?}");
    }
}

#[test]
fn both_images_are_built_alike_but_for_the_runtime() {
    let [cpu, cuda] = FILES.map(instructions);
    let differ: Vec<(&String, &String)> = cpu.iter().zip(&cuda).filter(|(one, other)| one != other).collect();
    let kinds: Vec<&str> = differ.iter().map(|(one, _)| one.split(' ').next().unwrap()).collect();
    assert_eq!(cpu.len(), cuda.len());
    assert_eq!(kinds, ["COPY", "RUN", "LABEL", "COPY", "ENV"], "{differ:#?}");
}
