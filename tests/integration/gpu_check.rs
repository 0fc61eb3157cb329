//! `infra/gpu/check.py`, the check for a machine with a GPU, on the CPU: the same way, the same lines, and an exit code
//! that says whether one is missing.

use std::process::{Command, Output};
use std::sync::LazyLock;

use crate::support::{python, root, scratch};

/// Runs the check with the program under test; `name` is the folder that it works in.
fn check(name: &str, arguments: &[&str]) -> Output {
    Command::new(python())
        .arg(root().join("infra/gpu/check.py"))
        .args(["--program", env!("CARGO_BIN_EXE_tresnet-batch")])
        .arg("--work")
        .arg(scratch().join(name))
        .args(arguments)
        .env("ORT_DYLIB_PATH", root().join(".runtime/cpu"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

static DRY: LazyLock<(Output, Vec<String>)> = LazyLock::new(|| {
    let output = check("gpu_check", &["--dry-run"]);
    let lines = text(&output.stdout).lines().map(str::to_owned).collect();
    (output, lines)
});

/// What the line of this name says.
#[track_caller]
fn line(name: &str) -> &'static str {
    let (output, lines) = &*DRY;
    let found = lines.iter().filter_map(|line| line.strip_prefix(name)).find(|rest| rest.starts_with("  "));
    let all = || format!("no `{name}` in:\n{}\n{}", lines.join("\n"), text(&output.stderr));
    found.unwrap_or_else(|| panic!("{}", all())).trim()
}

#[test]
fn a_dry_run_has_every_line_and_succeeds() {
    for network in ["v1_odd", "v2"] {
        for size in ["64", "92"] {
            for precision in ["fp32", "fp16"] {
                let said = line(&format!("parity_{precision} {network} {size}"));
                assert!(said.starts_with("logits ") && said.contains("embedding "), "{said}");
            }
            assert!(line(&format!("speed {network} {size}")).contains(" images/s in fp32; "));
        }
    }
    assert!(line("agreement_fp16 demo").contains("% of 400 pictures"));
    assert!(line("kernels").contains("% of a batch's"));
    assert!(line("end_to_end").contains("from 40 files"));
    assert_eq!(DRY.0.status.code(), Some(0), "{}", text(&DRY.0.stderr));
    assert_eq!(DRY.1.last().unwrap(), "16 of 17 lines measured");
}

#[test]
fn a_dry_run_names_the_cpu_and_marks_what_it_cannot_measure() {
    assert!(line("device").starts_with("cpu on "));
    assert!(line("pinned").starts_with("not measured: needs a GPU"));
}

#[test]
fn a_line_that_does_not_hold_fails_the_check() {
    let one = root().join("tests/data/model/v1_odd.safetensors");
    let one = ["--networks", one.to_str().unwrap(), "--sizes", "64"];
    let out = check("gpu_goal", &[&["--dry-run", "--only", "speed", "--goal", "1e9"], &one[..]].concat());
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stdout).contains("DOES NOT HOLD"), "{}", text(&out.stdout));
    assert!(text(&out.stderr).contains("does not hold: speed v1_odd 64"), "{}", text(&out.stderr));
}

#[test]
fn a_machine_without_a_gpu_is_told_so() {
    let out = check("gpu_none", &[]);
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stderr).contains("no GPU that PyTorch sees"), "{}", text(&out.stderr));
}

/// Ends a check of the lines `a` and `b` after some statements.
fn ended(is_dry: bool, statements: &str) -> Output {
    let dry = if is_dry { "True" } else { "False" };
    let script = format!("from lines import Lines\nl = Lines(['a', 'b'], {dry})\n{statements}\nl.end()");
    Command::new(python())
        .args(["-c", &script])
        .env("PYTHONPATH", root().join("infra/gpu"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap()
}

#[test]
fn a_missing_line_fails_the_check_dry_or_not() {
    for is_dry in [false, true] {
        let out = ended(is_dry, "l.say('a', 'text')");
        assert_eq!(out.status.code(), Some(1));
        assert!(text(&out.stderr).contains("missing: b"), "{}", text(&out.stderr));
    }
    assert_eq!(ended(false, "l.say('a', ''); l.say('b', '')").status.code(), Some(0));
}

#[test]
fn a_line_that_was_not_measured_fails_the_check_on_a_gpu_only() {
    let statements = "l.say('a', 'text'); l.not_measured('b', 'why')";
    let out = ended(false, statements);
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stderr).contains("not measured: b"), "{}", text(&out.stderr));
    assert_eq!(ended(true, statements).status.code(), Some(0));
}

/// A fat binary as CUDA's compiler makes it: an entry for each architecture, of 16 bytes `fill`.
fn fat_binary(entries: &[(u32, u8)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (architecture, fill) in entries {
        body.extend([2u16, 0].iter().flat_map(|n| n.to_le_bytes()));
        body.extend(64u32.to_le_bytes());
        body.extend(16u64.to_le_bytes());
        body.extend([0; 12]);
        body.extend(architecture.to_le_bytes());
        body.resize(body.len().next_multiple_of(80) - 16, 0);
        body.extend([*fill; 16]);
    }
    let header = [&0xba55_ed50_u32.to_le_bytes()[..], &[1, 0, 16, 0], &(body.len() as u64).to_le_bytes()];
    [header.concat(), body].concat()
}

fn slim(folder: &std::path::Path, architecture: &str) -> Output {
    let script = root().join("infra/gpu/slim_provider.py");
    let files = [folder.join("in.so"), folder.join("out.so")];
    Command::new(python()).arg(script).args(files).arg(architecture).output().unwrap()
}

#[test]
fn cutting_the_provider_leaves_one_architecture_and_all_that_is_no_code() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (fat_binary(&[(80, 1), (90, 2)]), fat_binary(&[(90, 3), (120, 4)]));
    // the magic number alone is no fat binary
    let whole = [b"text", &first[..], b"\x50\xed\x55\xba more text", &second[..], b"end"].concat();
    std::fs::write(folder.path().join("in.so"), &whole).unwrap();
    let out = slim(folder.path(), "90");
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    let left = std::fs::read(folder.path().join("out.so")).unwrap();
    let kept = [
        b"text",
        &fat_binary(&[(80, 0), (90, 2)])[..],
        b"\x50\xed\x55\xba more text",
        &fat_binary(&[(90, 3), (120, 0)]),
    ];
    assert!(left == [kept.concat(), b"end".to_vec()].concat());

    let out = slim(folder.path(), "75");
    assert_eq!(out.status.code(), Some(1));
    assert!(
        text(&out.stderr).contains("no code for sm_75, only for sm_80, sm_90, sm_120"),
        "{}",
        text(&out.stderr)
    );
}
