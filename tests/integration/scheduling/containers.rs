//! The container files of `infra/container`, as far as they can be checked without a container engine.
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

/// The arguments of each instruction of a kind.
fn all<'a>(instructions: &'a [String], kind: &str) -> Vec<&'a str> {
    instructions.iter().filter_map(|line| line.strip_prefix(kind)?.strip_prefix(' ')).collect()
}

/// The files of a release, by the names under which the container files copy them.
const RELEASE: [&str; 2] = ["target/dist/SHA256SUMS", "target/dist/tresnet-batch-*-linux.tar.gz"];

#[test]
fn what_is_copied_is_there_or_of_a_release_and_is_sent_to_the_engine() {
    let ignore = std::fs::read_to_string(root().join(".dockerignore")).unwrap();
    let mut lines = ignore.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(lines.next(), Some("*"), "all files are left out but those that are named");
    let sent: Vec<&Path> = lines.map(|line| Path::new(line.strip_prefix('!').unwrap())).collect();
    for name in FILES {
        let instructions = instructions(name);
        let from_here = all(&instructions, "COPY").into_iter().filter(|words| !words.starts_with("--"));
        let mut of_release = Vec::new();
        for words in from_here {
            let words: Vec<&str> = words.split_whitespace().collect();
            for source in &words[..words.len() - 1] {
                assert!(sent.iter().any(|kept| Path::new(source).starts_with(kept)), "{source} is excluded");
                match source.starts_with("target/") {
                    true => of_release.push(*source),
                    false => assert!(root().join(source).exists(), "{name} copies {source}"),
                }
            }
        }
        assert_eq!(of_release, RELEASE, "{name}");
    }
}

#[test]
fn the_archive_of_a_release_has_the_name_under_which_it_is_copied() {
    let build = std::fs::read_to_string(root().join("infra/release/build.sh")).unwrap();
    for words in [
        "name=tresnet-batch-$version-$machine-linux\n",
        "archive \"$name.tar.gz\" \"$name\"\n",
        "sha256sum -- *.whl *.tar.gz",
        ">SHA256SUMS)",
    ] {
        assert!(build.contains(words), "no `{words}` in build.sh");
    }
}

#[test]
fn base_images_are_pinned_to_a_day() {
    for (name, stages) in FILES.into_iter().zip([2, 3]) {
        let instructions = instructions(name);
        let images = all(&instructions, "FROM");
        assert_eq!(images.len(), stages, "{name}");
        for image in images {
            let tag = image.split(' ').next().unwrap().split_once(':').expect("a tag").1;
            let day = tag.split('-').nth(1).unwrap();
            assert!(day.len() == 8 && day.bytes().all(|byte| byte.is_ascii_digit()), "{image}");
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
    let is_stage = |line: &String| line.starts_with("FROM") && line.ends_with(" AS onnxruntime");
    let begin = cuda.iter().position(is_stage).unwrap();
    let length = cuda[begin + 1..].iter().position(|line| line.starts_with("FROM")).unwrap() + 1;
    let mut rest = cuda;
    rest.drain(begin..begin + length);
    rest.retain(|line| !line.starts_with("COPY --from=onnxruntime "));
    assert_eq!(rest.len(), cpu.len());
    let differ: Vec<(&String, &String)> = cpu.iter().zip(&rest).filter(|(one, other)| one != other).collect();
    let kinds: Vec<&str> = differ.iter().map(|(one, _)| one.split(' ').next().unwrap()).collect();
    assert_eq!(kinds, ["LABEL", "ENV"], "{differ:#?}");
}
