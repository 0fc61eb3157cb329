//! `init`: its job file runs unchanged, for images in folders, shards and Parquet files.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::{Value, json};
use tempfile::TempDir;
use tresnet_batch::job::{Format, JobSpec, Source, TargetsSpec, load};

use crate::support::job::{Ended, IMAGES, by_hand, ended, own_model, program};
use crate::support::s3::{MOTO, SEAWEEDFS, Store};
use crate::support::{run_python, scratch};

/// Good images only, in seven class folders, side by side, and packed.
struct Inputs {
    folders: PathBuf,
    flat: PathBuf,
    packs: PathBuf,
    /// How many there are.
    images: u64,
}

static INPUTS: LazyLock<Inputs> = LazyLock::new(|| {
    let root = scratch().join("init");
    let (folders, flat, packs) = (root.join("folders"), root.join("flat"), root.join("packs"));
    std::fs::create_dir_all(&flat).unwrap();
    let mut images = 0;
    for (key, (folder, error)) in &IMAGES.expected {
        let (Some(folder), None) = (folder, error) else { continue };
        let name = format!("{:03}-{}", images, key.rsplit('/').next().unwrap());
        std::fs::create_dir_all(folders.join(folder)).unwrap();
        std::fs::copy(IMAGES.folder.join(key), folders.join(folder).join(&name)).unwrap();
        std::fs::copy(IMAGES.folder.join(key), flat.join(&name)).unwrap();
        images += 1;
    }
    run_python("plain_packs.py", &[folders.to_str().unwrap(), packs.to_str().unwrap()]);
    Inputs { folders, flat, packs, images }
});

/// The folder of a new user.
struct Desk {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

impl Desk {
    fn new() -> Desk {
        Desk { folder: tempfile::tempdir_in(scratch()).unwrap(), environment: Vec::new() }
    }

    fn at(store: &Store) -> Desk {
        Desk { environment: store.environment.clone(), ..Desk::new() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command.current_dir(self.folder.path()).args(arguments).args(["--progress", "none"]);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn does(&self, arguments: &[&str]) -> Ended {
        ended(&mut self.command(arguments))
    }

    fn init(&self, input: &str, more: &[&str]) -> Ended {
        let model = own_model("v1_odd.safetensors");
        self.does(&[&["init", input, "--model", model.to_str().unwrap()], more].concat())
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("job.toml")
    }

    fn spec(&self) -> JobSpec {
        load(&self.file(), &Source::default()).unwrap()
    }

    /// Runs `init`, and then the commands that it names, unchanged. Returns the results of `init` and `run`.
    #[track_caller]
    fn goes_through(&self, input: &str, output: &str) -> (Value, Value) {
        let first = self.init(input, &["--output", output]).exits(0);
        let looked = self.does(&["doctor", "job.toml"]).exits(0);
        assert_eq!(looked["failed"], 0, "{looked}");
        let done = self.does(&["run", "job.toml"]).exits(0);
        assert_eq!(done["rows"], json!({"planned": INPUTS.images, "ok": INPUTS.images, "error": 0}));
        self.does(&["report", "job.toml"]).exits(0);
        self.does(&["verify", "job.toml"]).exits(0);
        (first, done)
    }
}

/// The same, for images on this disk.
#[track_caller]
fn goes_through(input: &Path) -> (Desk, Value, Value) {
    let desk = Desk::new();
    let (first, done) = desk.goes_through(input.to_str().unwrap(), "rows");
    (desk, first, done)
}

#[test]
fn class_folders_become_targets() {
    let (desk, first, done) = goes_through(&INPUTS.folders);
    assert_eq!((&first["format"], &first["targets"]), (&json!("folder"), &json!("folder")));
    assert_eq!(done["targets"], "codepoint");
    assert!(done["metrics"]["top1"].is_f64(), "{done}");
    assert!(std::fs::read_to_string(desk.file()).unwrap().contains("Is that how the model was trained?"));
    assert!(desk.folder.path().join("rows/_report/report.html").is_file());
}

#[test]
fn images_side_by_side_have_no_targets_and_the_file_says_why() {
    let (desk, first, done) = goes_through(&INPUTS.flat);
    assert_eq!((&first["format"], &first["targets"]), (&json!("folder"), &Value::Null));
    assert!(first["targets_why"].as_str().unwrap().contains("are not in folders"), "{first}");
    assert_eq!(done["targets"], Value::Null);
    let text = std::fs::read_to_string(desk.file()).unwrap();
    assert!(text.contains("are not in folders"), "{text}");
}

#[test]
fn shards_become_a_job_over_shards_with_the_classes_in_them() {
    let (desk, first, done) = goes_through(&INPUTS.packs.join("shards"));
    assert_eq!((&first["format"], &first["targets"]), (&json!("webdataset"), &json!("webdataset")));
    assert_eq!(done["parts"], 3);
    assert!(done["metrics"]["top1"].is_f64(), "{done}");
    assert_eq!(desk.spec().input.format, Format::Webdataset);
}

#[test]
fn a_small_job_of_every_kind_has_small_parts_and_bears_a_broken_image() {
    let images = ["--images", INPUTS.folders.to_str().unwrap()];
    for (input, more, rows_per_part) in [
        (INPUTS.folders.clone(), &[][..], Some(32)),
        (INPUTS.packs.join("list.csv"), &images, Some(32)),
        // a shard and a row group are a part each
        (INPUTS.packs.join("shards"), &[], None),
        (INPUTS.packs.join("parquet"), &[], None),
    ] {
        let desk = Desk::new();
        desk.init(input.to_str().unwrap(), &[&["--output", "rows"], more].concat()).exits(0);
        let spec = desk.spec();
        assert_eq!(spec.output.rows_per_part, rows_per_part, "{}", input.display());
        assert_eq!(spec.limits.max_error_fraction, Some(0.1), "{}", input.display());
    }
}

#[test]
fn a_pattern_of_shards_stays_a_pattern() {
    let desk = Desk::new();
    let pattern = format!("{}/shards/train-{{000..001}}.tar", INPUTS.packs.display());
    desk.init(&pattern, &["--output", "rows"]).exits(0);
    assert_eq!((desk.spec().input.uri, desk.spec().input.targets), (pattern, TargetsSpec::Webdataset));
    assert_eq!(desk.does(&["run", "job.toml"]).exits(0)["parts"], 2);
}

#[test]
fn parquet_files_become_a_job_over_parquet_with_their_labels() {
    for input in ["parquet", "parquet/train.parquet"] {
        let (_, first, done) = goes_through(&INPUTS.packs.join(input));
        assert_eq!((&first["format"], &first["targets"]), (&json!("parquet"), &json!("parquet")));
        assert!(done["metrics"]["top1"].is_f64(), "{done}");
    }
}

#[test]
fn a_list_of_images_becomes_a_job_over_the_folder_that_is_named() {
    for (list, targets) in [("list.csv", json!("manifest")), ("lines.txt", Value::Null)] {
        let desk = Desk::new();
        let (list, images) = (INPUTS.packs.join(list), INPUTS.folders.to_str().unwrap());
        let first = desk.init(list.to_str().unwrap(), &["--images", images, "--output", "rows"]).exits(0);
        assert_eq!((&first["format"], &first["targets"]), (&json!("manifest"), &targets), "{first}");
        assert_eq!(desk.does(&["run", "job.toml"]).exits(0)["rows"]["ok"], INPUTS.images);
    }
}

#[test]
fn a_list_whose_images_lie_elsewhere_is_66_and_says_what_to_give() {
    let desk = Desk::new();
    let list = INPUTS.packs.join("list.csv");
    desk.init(list.to_str().unwrap(), &["--output", "rows"]).fails(66, &["list.csv", "--images URI"]);
    assert!(!desk.file().exists());
}

#[test]
fn what_lies_on_a_store_goes_through_as_what_lies_on_a_disk() {
    SEAWEEDFS.put_folder(&INPUTS.folders, "init/folders");
    SEAWEEDFS.put_folder(&INPUTS.packs, "init/packs");
    for (input, format) in
        [("folders/", "folder"), ("packs/shards", "webdataset"), ("packs/parquet/train.parquet", "parquet")]
    {
        let desk = Desk::at(&SEAWEEDFS);
        let rows = format!("s3://test/init-rows/{format}");
        let (first, done) = desk.goes_through(&format!("s3://test/init/{input}"), &rows);
        assert_eq!((&first["format"], &first["targets"]), (&json!(format), &json!(format)));
        assert_eq!(done["output"], rows);
    }
}

#[test]
fn rows_go_beside_the_images_where_nobody_says_where() {
    let desk = Desk::new();
    let pictures = desk.folder.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    std::fs::copy(IMAGES.folder.join("yam/00.jpg"), pictures.join("one.jpg")).unwrap();
    // as a user types it in the folder above
    let ended = desk.init("pictures/", &[]);
    assert_eq!(ended.exits(0)["output"], "pictures-rows");
    for command in ["doctor job.toml", "plan job.toml", "run job.toml", "report job.toml"] {
        assert!(ended.stderr.contains(command), "no `{command}` in:\n{}", ended.stderr);
    }
    assert_eq!(desk.does(&["run", "job.toml"]).exits(0)["rows"]["ok"], 1);
    assert!(desk.folder.path().join("pictures-rows/_SUCCESS").is_file());
}

#[test]
fn a_job_file_that_is_there_is_73_and_stays_as_it_is() {
    let desk = Desk::new();
    std::fs::write(desk.file(), "mine").unwrap();
    desk.init(INPUTS.flat.to_str().unwrap(), &[]).fails(73, &["job.toml", "-o FILE"]);
    assert_eq!(std::fs::read_to_string(desk.file()).unwrap(), "mine");
    desk.init(INPUTS.flat.to_str().unwrap(), &["-o", "other.toml"]).exits(0);
    assert!(desk.folder.path().join("other.toml").is_file());
}

#[test]
fn what_makes_no_job_is_told_by_its_exit_code_and_nothing_is_written() {
    let desk = Desk::new();
    let flat = INPUTS.flat.to_str().unwrap();
    let inside = format!("{flat}/rows");
    let empty = desk.folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let broken = desk.folder.path().join("broken.safetensors");
    std::fs::write(&broken, "no weights").unwrap();
    for (input, more, code, words) in [
        ("/no/such/pictures", vec![], 66, "/no/such/pictures"),
        (empty.to_str().unwrap(), vec![], 66, "is empty"),
        (flat, vec!["--output", &inside], 78, "is in `input.uri`"),
        (flat, vec!["-o", "job.yaml"], 64, ".toml"),
        ("s3://bucket:secret@x/", vec![], 78, "credentials"),
    ] {
        let ended = desk.init(input, &more);
        ended.fails(code, &[words]);
        assert!(!ended.stdout.contains("secret") && !ended.stderr.contains("secret"));
    }
    let unread = desk.does(&["init", flat, "--model", broken.to_str().unwrap()]);
    unread.fails(78, &["broken.safetensors"]);
    assert!(!desk.file().exists() && !desk.folder.path().join("job.yaml").exists());
}

#[test]
fn a_bucket_has_nothing_beside_it_so_the_output_must_be_named() {
    MOTO.put([("init-whole/a.jpg".to_owned(), std::fs::read(IMAGES.folder.join("yam/00.jpg")).unwrap())]);
    let desk = Desk::at(&MOTO);
    desk.init("s3://test", &[]).fails(64, &["--output URI"]);
    desk.init("s3://test/init-whole", &[]).exits(0);
    assert_eq!(desk.spec().output.uri, "s3://test/init-whole-rows");
}

#[test]
fn the_help_of_both_is_enough_to_start() {
    let told = |arguments: &[&str]| {
        let told = ended(by_hand().args(arguments)).stdout;
        told.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let init = told(&["init", "--help"]);
    for words in ["init my/pictures --model", "s3://", "list.csv --images", "never overwritten"] {
        assert!(init.contains(words), "no `{words}` in:\n{init}");
    }
    let doctor = told(&["doctor", "--help"]);
    for words in ["[JOB]", "what will it take", "decode"] {
        assert!(doctor.contains(words), "no `{words}` in:\n{doctor}");
    }
    let whole = told(&["--help"]);
    assert!(whole.contains("tresnet-batch init INPUT --model MODEL"), "{whole}");
}
