//! The rooms of `src/` and their allowed imports.

mod circles;
mod imports;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::support::root;

use self::circles::circles;
use self::imports::{Import, Imports};

/// Modules that hold plain types and import no room.
const LEAVES: [&str; 11] = [
    "tensor",
    "sample",
    "ids",
    "failure",
    "failpoints",
    "classes",
    "telemetry",
    "regular_file",
    "sync",
    "tasks",
    "open_files",
];

/// Rooms that a job is composed of.
const STAGES: [&str; 8] = ["store", "hub", "dataset", "output", "image", "model", "engine", "report"];

/// For each room, the rooms that it may name. Imports run one way; a stage never imports `job`.
fn allowed() -> BTreeMap<&'static str, Vec<&'static str>> {
    let room = |name, others: &[&'static str]| (name, [&LEAVES, others].concat());
    BTreeMap::from([
        room("store", &[]),
        room("hub", &["store"]),
        room("dataset", &["store"]),
        room("output", &["store", "dataset"]),
        room("image", &[]),
        room("model", &[]),
        room("engine", &[]),
        room("report", &["store", "output", "dataset"]),
        room("job", &STAGES),
        room("pipeline", &[&STAGES[..], &["job"]].concat()),
        room("evaluation", &[&STAGES[..], &["job", "pipeline"]].concat()),
        room("audit", &[&STAGES[..], &["job", "pipeline", "evaluation"]].concat()),
        room("runner", &[&STAGES[..], &["job", "pipeline", "evaluation"]].concat()),
        room("workbench", &[&STAGES[..], &["job", "pipeline", "evaluation", "runner"]].concat()),
        room(
            "cli",
            &[&STAGES[..], &["job", "pipeline", "evaluation", "audit", "runner", "workbench"]].concat(),
        ),
        room("main", &["cli", "failpoints"]),
    ])
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for item in std::fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The room of a file below `src`: the first folder, or the file's own name.
fn room_of(file: &Path) -> String {
    let first = file.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// Every import between files of `src`.
fn imports() -> BTreeSet<Import> {
    Imports::read(&root().join("src")).all()
}

#[test]
fn imports_run_one_way() {
    let allowed = allowed();
    let wrong = imports().into_iter().filter(|import| {
        let (room, other) = (room_of(&import.from), room_of(&import.to));
        let may =
            if LEAVES.contains(&room.as_str()) { LEAVES.to_vec() } else { allowed[room.as_str()].clone() };
        room != other && !may.contains(&other.as_str())
    });
    let wrong: Vec<String> = wrong.map(|import| import.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_module_is_part_of_an_import_circle() {
    let imports = imports();
    let circles: Vec<Vec<String>> = circles(&imports)
        .into_iter()
        .map(|circle| circle.into_iter().map(ToString::to_string).collect())
        .collect();
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn every_room_of_the_source_stands_in_the_table() {
    let allowed = allowed();
    for item in std::fs::read_dir(root().join("src")).unwrap() {
        let path = item.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let known = name == "lib" || LEAVES.contains(&name.as_str()) || allowed.contains_key(name.as_str());
        assert!(known, "`src/{name}` is a room that the table of imports does not know");
    }
}

#[test]
fn only_the_engine_names_the_runtime_and_unsafe_stays_in_its_rooms() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    for path in files {
        let room = room_of(path.strip_prefix(root().join("src")).unwrap());
        let source = std::fs::read_to_string(&path).unwrap();
        let code: String = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        // `report::` ends in the same letters
        let names_ort =
            code.match_indices("ort::").any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric()));
        assert!(room == "engine" || !names_ort, "{} names ort", path.display());
        let homes = [
            "src/main.rs",
            "src/image/jpeg/mod.rs",
            "src/image/jpeg/encode.rs",
            "src/image/jpeg/entropy.rs",
            "src/image/jpeg/huffman/mod.rs",
            "src/image/simd/mod.rs",
            "src/image/simd/scale.rs",
        ];
        let home = room == "engine" || homes.iter().any(|home| path.ends_with(home));
        if !home {
            assert!(!code.contains("unsafe "), "{} holds unsafe code", path.display());
        }
    }
}

#[test]
fn the_way_of_a_sample_names_files_and_functions_that_exist() {
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let steps: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains("`src/") && line.contains(".rs`: `"))
        .collect();
    assert_eq!(steps.len(), 12, "{steps:#?}");
    for step in steps {
        let names: Vec<&str> = step.split('`').collect();
        let (file, function) = (names[1], names[3]);
        let source = std::fs::read_to_string(root().join(file)).unwrap_or_else(|_| panic!("no `{file}`"));
        assert!(source.contains(&format!("fn {function}")), "`{file}` has no function `{function}`");
    }
}

#[test]
fn every_room_is_on_the_page_of_the_architecture() {
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rooms: Vec<&str> = allowed().into_keys().chain(LEAVES).filter(|room| *room != "main").collect();
    for room in rooms {
        let is_there = page.contains(&format!("| `{room}` |"))
            || page.contains(&format!("`{room}`,"))
            || page.contains(&format!("`{room}`:"));
        assert!(is_there, "ARCHITECTURE.md does not name the room `{room}`");
    }
}
