//! `infra/gpu/check.py`, the check for a machine with a GPU, on the CPU: the same steps, the same lines, and an exit
//! code that is 1 if a line is missing.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::LazyLock;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

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
    // lines are appended to the existing ones
    let _ = std::fs::remove_dir_all(scratch().join("gpu_check"));
    let output = check("gpu_check", &["--dry-run"]);
    let lines = text(&output.stdout).lines().map(str::to_owned).collect();
    (output, lines)
});

/// The text of the line of this name.
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
            for kind in ["fp32", "fp16", "fused"] {
                let said = line(&format!("parity_{kind} {network} {size}"));
                assert!(said.starts_with("logits ") && said.contains("embedding "), "{said}");
                assert!(said.contains(", after batch 3 ") && said.contains(", last batch of 2 "), "{said}");
            }
            assert!(line(&format!("speed {network} {size}")).contains(" images/s in fp32 at "));
            assert!(line(&format!("load {network} {size}")).contains(" s to load, "));
        }
    }
    assert!(line("agreement_fp16 demo").contains("% of 400 pictures"));
    assert!(line("kernels").contains("% of a batch's"));
    for size in [64, 92] {
        assert!(line(&format!("end_to_end {size}")).contains("from 40 files"));
    }
    assert!(line("table forms").contains("mean by ReduceMean "));
    assert!(line("table optimisations").starts_with("beside `as a run does`: "));
    assert_eq!(DRY.0.status.code(), Some(0), "{}", text(&DRY.0.stderr));
    assert_eq!(DRY.1.last().unwrap(), "27 of 32 lines measured");
    // the files of a call that was ended at its limit
    let written = std::fs::read_to_string(scratch().join("gpu_check/lines.txt")).unwrap();
    assert_eq!(written.lines().collect::<Vec<_>>(), DRY.1);
    let results = std::fs::read_to_string(scratch().join("gpu_check/results.jsonl")).unwrap();
    let results: Vec<Value> = results.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(results.iter().any(|result| result["name"] == "table forms" && result["rows"].is_array()));
}

#[test]
fn a_dry_run_names_the_cpu_and_marks_what_it_cannot_measure() {
    assert!(line("device").starts_with("cpu on "));
    for name in ["properties", "copies", "sanitizer", "sustained", "pinned"] {
        assert!(line(name).starts_with("not measured: needs a GPU"), "{name}");
    }
}

#[test]
fn a_command_that_fails_is_a_line_and_the_rest_is_measured() {
    let good = root().join("tests/data/model/v1_odd.safetensors");
    let networks = ["--networks", "tresnet_none", good.to_str().unwrap(), "--sizes", "64"];
    let out = check("gpu_failure", &[&["--dry-run", "--only", "speed"], &networks[..]].concat());
    assert_eq!(out.status.code(), Some(1));
    let said = text(&out.stdout);
    let failed =
        |name: &str| said.lines().find(|line| line.starts_with(name)).map(|line| line.contains(" FAILED "));
    assert_eq!(
        (failed("speed tresnet_none 64 "), failed("speed v1_odd 64 ")),
        (Some(true), Some(false)),
        "{said}"
    );
    assert!(said.ends_with("3 of 5 lines measured\n"), "{said}");
    let told = text(&out.stderr);
    assert!(told.contains("failed: speed tresnet_none 64, load tresnet_none 64"), "{told}");
}

#[test]
fn a_call_without_time_says_so_at_each_line() {
    let out = check("gpu_budget", &["--dry-run", "--call", "3", "--budget", "1"]);
    let said = text(&out.stdout);
    for name in ["device", "end_to_end 64", "end_to_end 92"] {
        let found = said.lines().find(|line| line.starts_with(&format!("{name} ")));
        let found = found.unwrap_or_else(|| panic!("no {name} in:\n{said}"));
        assert!(found.ends_with(" s of the call are left"), "{found}");
    }
    assert!(said.ends_with("0 of 4 lines measured\n"), "{said}");
}

#[test]
fn each_section_is_in_a_call_and_each_network_and_size_in_one() {
    let script = "import check\n\
                  calls = check.CALLS.values()\n\
                  print(*sorted({s for sections, *_ in calls for s in sections} | {'device'}))\n\
                  print(*sorted(check.SECTIONS))\n\
                  print(*sorted(f'{n} {s}' for sections, n, s in calls if 'speed' in sections), sep=', ')";
    let out = python_in_gpu(script, &[]);
    let said = text(&out.stdout);
    let [calls, sections, speeds] = said.lines().collect::<Vec<_>>()[..] else {
        panic!("{}", text(&out.stderr));
    };
    assert_eq!(calls, sections);
    let all = ["tresnet_l", "tresnet_m", "tresnet_xl"].map(|name| format!("{name} 224, {name} 448"));
    assert_eq!(speeds, all.join(", "));
}

#[test]
fn a_command_out_of_time_ends_with_what_it_started_and_keeps_what_it_printed() {
    let script = "from program import Clock, CommandFailed, run\n\
                  try: run(['sh', '-c', 'echo one; sleep 300 & sleep 300'], Clock(), most=1.0)\n\
                  except CommandFailed as why: print([why.said, str(why)[-19:]])";
    let out = python_in_gpu(script, &[]);
    assert_eq!(text(&out.stdout), "['one\\n', 'was ended after 1 s']\n", "{}", text(&out.stderr));
}

#[test]
fn what_pytorch_reached_before_it_ended_counts() {
    let script = "import peers\n\
                  class Late(peers.Peer):\n    \
                      def __init__(self): pass\n    \
                      def request(self, *_, **__): return ''\n    \
                      def call(self, *_, **__): raise peers.CommandFailed('late', '{\"batch\": 4}\\n{\"ba')\n\
                  print(Late().speeds('weights', 64, 'eager', [4, 8], 1, 1))";
    let out = python_in_gpu(script, &[]);
    assert_eq!(text(&out.stdout), "([{'batch': 4}], 'late')\n", "{}", text(&out.stderr));
}

#[test]
fn no_function_of_the_peer_takes_torch_for_a_local_name() {
    // PyTorch is not among the tests' packages, so only this shows that `import torch.x` inside a function hides it
    let script = "import inspect, peer\n\
                  found = inspect.getmembers(peer.Torch, inspect.isfunction) + inspect.getmembers(peer, inspect.isfunction)\n\
                  print(len(found) > 10, [name for name, f in found if 'torch' in f.__code__.co_varnames])";
    let out = python_in_gpu(script, &[]);
    assert_eq!(text(&out.stdout), "True []\n", "{}", text(&out.stderr));
}

#[test]
fn what_nvidia_smi_reports_is_summed_up_and_what_a_device_lacks_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("printed");
    let script = format!(
        "#!/bin/sh\necho '97, 1980, 3201, 612.5, [N/A]'\necho '99, 1755, 3201, 698.1, [N/A]'\nprintf '98, 19'\n\
         touch '{}'\nexec sleep 60\n",
        marker.display()
    );
    let smi = folder.path().join("nvidia-smi");
    std::fs::write(&smi, script).unwrap();
    std::fs::set_permissions(&smi, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let script = format!(
        "import json, os, time\nfrom sampling import Sampler\nwith Sampler() as sampler:\n    \
         while not os.path.exists('{}'): time.sleep(0.01)\nprint(json.dumps(sampler.summary()))",
        marker.display()
    );
    let out = python_in_gpu(&script, &[("PATH", &path)]);
    let found: Value =
        serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{}", text(&out.stderr)));
    let expected = json!({
        "utilization.gpu": [97.0, 98.0, 99.0], "clocks.sm": [1755.0, 1867.5, 1980.0],
        "clocks.mem": [3201.0, 3201.0, 3201.0], "power.draw": [612.5, 655.3, 698.1],
    });
    assert_eq!(found, expected);
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
    python_in_gpu(&script, &[])
}

/// Statements beside the check's modules.
fn python_in_gpu(script: &str, variables: &[(&str, &str)]) -> Output {
    Command::new(python())
        .args(["-c", script])
        .env("PYTHONPATH", root().join("infra/gpu"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .envs(variables.iter().copied())
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

/// A fat binary as CUDA's compiler makes it: an entry for each architecture, its payload full of one byte.
fn fat_binary(entries: &[(u32, u8)], size: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for (architecture, fill) in entries {
        body.extend([2u16, 0].iter().flat_map(|n| n.to_le_bytes()));
        body.extend(64u32.to_le_bytes());
        body.extend((size as u64).to_le_bytes());
        body.extend([0; 12]);
        body.extend(architecture.to_le_bytes());
        body.extend([0; 32]);
        body.resize(body.len() + size, *fill);
    }
    let header = [&0xba55_ed50_u32.to_le_bytes()[..], &[1, 0, 16, 0], &(body.len() as u64).to_le_bytes()];
    [header.concat(), body].concat()
}

fn slim(folder: &Path, arguments: &[&str]) -> Output {
    let script = root().join("infra/gpu/slim_provider.py");
    let files = [folder.join("in.so"), folder.join("out.so")];
    Command::new(python())
        .arg(script)
        .args(files)
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn cutting_the_provider_leaves_one_architecture_and_all_that_is_no_code() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (fat_binary(&[(80, 1), (90, 2)], 16), fat_binary(&[(90, 3), (120, 4)], 16));
    // the magic number alone is no fat binary
    let whole = [b"text", &first[..], b"\x50\xed\x55\xba more text", &second[..], b"end"].concat();
    std::fs::write(folder.path().join("in.so"), &whole).unwrap();
    let out = slim(folder.path(), &["90"]);
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    let left = std::fs::read(folder.path().join("out.so")).unwrap();
    let kept = [
        b"text",
        &fat_binary(&[(80, 0), (90, 2)], 16)[..],
        b"\x50\xed\x55\xba more text",
        &fat_binary(&[(90, 3), (120, 0)], 16),
    ];
    assert!(left == [kept.concat(), b"end".to_vec()].concat());

    let out = slim(folder.path(), &["75"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(
        text(&out.stderr).contains("no code for sm_75, only for sm_80, sm_90, sm_120"),
        "{}",
        text(&out.stderr)
    );
}

#[test]
fn large_code_that_nothing_launches_is_cut_too_and_belongs_to_no_device() {
    let folder = tempfile::tempdir().unwrap();
    let large = (200 << 10) + 8;
    let (used, unused, small) =
        (fat_binary(&[(90, 1)], large), fat_binary(&[(80, 2), (90, 3)], large), fat_binary(&[(90, 4)], 16));
    let whole = [&used[..], &unused, &small].concat();
    std::fs::write(folder.path().join("in.so"), &whole).unwrap();
    let list = folder.path().join("launched.txt");
    let write = |library: &[u8]| {
        let lines =
            format!("# a comment\n{} the library\n{} Kernel\n", sha256(library), &sha256(&used)[..16]);
        std::fs::write(&list, lines).unwrap();
    };
    write(&whole);
    let out = slim(folder.path(), &["90", list.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    let left = std::fs::read(folder.path().join("out.so")).unwrap();
    let without = fat_binary(&[(80, 0), (1, 0)], large);
    assert!(left == [&used[..], &without, &small].concat());

    // a list of another library cuts architectures alone
    write(&small);
    let out = slim(folder.path(), &["90", list.to_str().unwrap()]);
    assert!(text(&out.stdout).contains("is of another library"), "{}", text(&out.stdout));
    let left = std::fs::read(folder.path().join("out.so")).unwrap();
    assert!(left == [&used[..], &fat_binary(&[(80, 0), (90, 3)], large), &small].concat());
}

#[test]
fn what_is_unpacked_already_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (packed, place) = (folder.path().join("packed"), folder.path().join("place"));
    std::fs::create_dir(&packed).unwrap();
    let pack = |name: &str, content: &str| {
        let script =
            format!("import lzma\nlzma.open('{}/{name}.xz', 'wt').write('{content}')", packed.display());
        assert!(python_in_gpu(&script, &[]).status.success());
    };
    let unpack = || {
        let script = root().join("infra/gpu/unpack.py");
        let out = Command::new(python()).arg(script).args([&packed, &place]).output().unwrap();
        assert!(out.status.success(), "{}", text(&out.stderr));
        text(&out.stdout)
    };
    pack("tresnet-batch", "one");
    pack("libonnxruntime.so.1.31.1", "two");
    assert!(unpack().starts_with("2 of 2 files are new"));
    assert!(unpack().starts_with("0 of 2 files are new"));
    pack("tresnet-batch", "three");
    assert!(unpack().starts_with("1 of 2 files are new"));
    assert_eq!(std::fs::read_to_string(place.join("tresnet-batch")).unwrap(), "three");
    assert_eq!(std::fs::read_to_string(place.join(".runtime/cuda/libonnxruntime.so")).unwrap(), "two");
}
