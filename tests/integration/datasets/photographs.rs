//! Photographs instead of made images: the same in every packing.

use serde_json::json;

use crate::support::job::Job;
use crate::support::{ask_python, run_python, scratch, shared};

/// The columns that name the source of a row; all others depend on the picture alone.
const BUT: [&str; 4] = ["row_id", "key", "etag", "size"];

#[test]
fn a_hundred_photographs_give_the_same_rows_in_every_packing() {
    let (Some(photos), Some(classes), Some(golden)) =
        (shared("data/imagenet_sample"), shared("data/imagenet_classes.tsv"), shared("golden"))
    else {
        return;
    };
    let out = scratch().join("packed_photographs");
    run_python(
        "datasets.py",
        &["photographs", photos.to_str().unwrap(), classes.to_str().unwrap(), out.to_str().unwrap()],
    );
    let folder = photos.to_str().unwrap();
    let model = golden.join("small_v1.safetensors");
    let job = |input: &str, format: &str| {
        Job::new(input, &model)
            .set(format!("input.format={format}"))
            .set(format!("input.targets={format}"))
            .set("output.logits=true")
            .set("output.rows_per_part=30")
    };
    let all = json!({"planned": 100, "ok": 100, "error": 0});
    let plain = job(folder, "folder");
    assert_eq!(plain.run().exits(0)["rows"], all);
    assert!(plain.rows().iter().all(|row| row["target"].is_i64()), "a photograph has no target");
    let manifest = job(folder, "manifest").set(format!("input.manifest={}", out.join("rows.csv").display()));
    let shards = job(out.join("shards").to_str().unwrap(), "webdataset");
    let parquet = job(out.join("parquet").to_str().unwrap(), "parquet");
    let mut packings = vec![
        ("a manifest".to_owned(), manifest),
        ("tar shards".to_owned(), shards),
        ("Parquet".to_owned(), parquet),
    ];
    let mut further = vec![("tables", "parquet", out.join("tables"))];
    for way in ["apart", "packed"] {
        let packed = out.join(way);
        run_python("shards.py", &[way, out.join("shards").to_str().unwrap(), packed.to_str().unwrap()]);
        further.push((way, "webdataset", packed));
    }
    for (way, format, folder) in further {
        for input in std::fs::read_dir(folder).unwrap() {
            let input = input.unwrap().path();
            let name = format!("{way}: {}", input.file_name().unwrap().to_str().unwrap());
            packings.push((name, job(input.to_str().unwrap(), format)));
        }
    }
    assert_eq!(packings.len(), 20);
    for (packing, job) in packings {
        assert_eq!(job.run().exits(0)["rows"], all, "{packing}");
        let (one, two) = (job.output(), plain.output());
        let arguments = [&["same", one.to_str().unwrap(), two.to_str().unwrap()], &BUT[..]].concat();
        let found = ask_python("rows.py", &arguments);
        assert_eq!(found["rows"], 100, "{packing}");
        println!(
            "{packing} against the folder: {} rows equal in {} columns",
            found["rows"], found["columns"]
        );
    }
}
