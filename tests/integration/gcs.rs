//! GCS: the program on the scripted server in GCS's dialect. Creation is conditional by generation, and the ETag of an
//! answer is another than that of a listing.

use crate::fault_matrix::kills::kill_and_resume_on;
use crate::stores;
use crate::support::job::{IMAGES, Job};
use crate::support::remote::Remote;
use crate::support::scripted_s3::{Kind, ScriptedS3};

#[test]
fn a_folder_on_gcs_gives_the_rows_of_the_disk() {
    stores::a_folder_gives_the_rows_of_the_disk(&ScriptedS3::gcs());
}

#[test]
fn a_manifest_on_gcs_gives_the_rows_of_the_disk() {
    stores::a_manifest_gives_the_rows_of_the_disk(&ScriptedS3::gcs());
}

#[test]
fn shards_and_parquet_files_on_gcs_give_the_rows_of_the_disk() {
    stores::shards_and_parquet_files_give_the_rows_of_the_disk(&ScriptedS3::gcs());
}

#[test]
fn a_plan_on_gcs_that_was_cut_short_goes_on_after_its_last_key() {
    stores::a_plan_that_was_cut_short_goes_on_after_its_last_key(&ScriptedS3::gcs());
}

#[test]
fn an_object_on_gcs_that_changes_after_the_plan_is_a_row() {
    stores::an_object_that_changes_after_the_plan_is_a_row(&ScriptedS3::gcs());
}

#[test]
fn two_workers_that_race_on_gcs_write_one_file_a_part() {
    stores::workers_that_race_write_one_file_a_part(&ScriptedS3::gcs(), 2);
}

#[test]
fn killed_at_random_moments_a_job_on_gcs_loses_and_doubles_nothing() {
    kill_and_resume_on(&ScriptedS3::gcs(), 8, 104);
}

#[test]
fn every_write_on_gcs_that_decides_rows_is_conditional_by_generation() {
    let server = ScriptedS3::gcs();
    server.put_files(&IMAGES.folder, "images");
    let job = server.serve(Job::on("GCS://test/images")).set("output.uri=gcs://test/out");
    assert_eq!(job.run().exits(0)["output"], "gs://test/out");
    let parts = |seen: &crate::support::scripted_s3::Seen| {
        seen.kind == Kind::Put && seen.key.starts_with("out/part-")
    };
    assert_eq!(server.count(parts), 12);
    assert_eq!(server.count(|seen| parts(seen) && seen.conditional), 12);
}

#[test]
fn a_manifest_may_name_its_images_by_another_form_of_the_address() {
    let server = ScriptedS3::gcs();
    server.put_files(&IMAGES.folder, "images");
    server.put("list.txt", "gcs://test/images/yam/01.jpg\nGS://test/images/okra/00.jpg\nKale/03.jpeg\n");
    let job = server.serve(Job::on("gs://test/images").set("input.targets=none"));
    let job = job.set("input.format=manifest").set("input.manifest=gs://test/list.txt");
    job.run().exits(0);
    let keys: Vec<_> = job.rows().iter().map(|row| row["key"].clone()).collect();
    assert_eq!(keys, ["yam/01.jpg", "okra/00.jpg", "Kale/03.jpeg"]);
    server.put("list.txt", "gcs://other/images/yam/01.jpg\n");
    let other = server.serve(Job::on("gs://test/images").set("input.targets=none"));
    let other = other.set("input.format=manifest").set("input.manifest=gs://test/list.txt");
    other.run().fails(78, &["does not lie below"]);
}
