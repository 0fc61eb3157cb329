//! Azure's blobs: the program on a real Azurite, with the account's key in a connection string.

use crate::fault_matrix::kills::kill_and_resume_on;
use crate::stores;
use crate::support::ask_python;
use crate::support::azurite::AZURITE;
use crate::support::job::{IMAGES, Job, ended};
use crate::support::s3::Store;

const VARIABLE: &str = "AZURE_STORAGE_CONNECTION_STRING";

/// Runs a test if Azurite is installed.
fn on_azurite(test: impl FnOnce(&Store)) {
    if let Some(store) = &*AZURITE {
        test(store);
    }
}

#[test]
fn a_folder_on_azure_gives_the_rows_of_the_disk() {
    on_azurite(|store| stores::a_folder_gives_the_rows_of_the_disk(store));
}

#[test]
fn a_manifest_on_azure_gives_the_rows_of_the_disk() {
    on_azurite(|store| stores::a_manifest_gives_the_rows_of_the_disk(store));
}

#[test]
fn shards_and_parquet_files_on_azure_give_the_rows_of_the_disk() {
    on_azurite(|store| stores::shards_and_parquet_files_give_the_rows_of_the_disk(store));
}

#[test]
fn a_plan_on_azure_that_was_cut_short_goes_on_after_its_last_key() {
    on_azurite(|store| stores::a_plan_that_was_cut_short_goes_on_after_its_last_key(store));
}

#[test]
fn an_object_on_azure_that_changes_after_the_plan_is_a_row() {
    on_azurite(|store| stores::an_object_that_changes_after_the_plan_is_a_row(store));
}

#[test]
fn an_archived_blob_is_one_row() {
    on_azurite(|store| {
        store.put_folder(&IMAGES.folder.join("yam"), "archived/images");
        store.archive("archived/images/00.jpg", std::fs::read(IMAGES.folder.join("yam/00.jpg")).unwrap());
        let job = store.serve(Job::on("az://test/archived/images"));
        let job = job.set("input.targets=none").set("limits.max_error_fraction=1");
        let summary = job.run().exits(0);
        assert_eq!(summary["errors_by_kind"]["archived"], 1, "{summary}");
    });
}

#[test]
fn two_workers_that_race_on_azure_write_one_file_a_part() {
    on_azurite(|store| stores::workers_that_race_write_one_file_a_part(store, 2));
}

#[test]
fn killed_at_random_moments_a_job_on_azure_loses_and_doubles_nothing() {
    on_azurite(|store| kill_and_resume_on(store, 20, 103));
}

#[test]
fn an_address_may_name_the_account_in_every_form() {
    on_azurite(|store| {
        store.put_folder(&IMAGES.folder, "forms/images");
        let input = "abfss://test@devstoreaccount1.dfs.core.windows.net/forms/images";
        let output = "https://devstoreaccount1.blob.core.windows.net/test/forms/out";
        let job = store.serve(Job::on(input)).set(format!("output.uri={output}"));
        let summary = job.run().exits(0);
        assert_eq!(summary["output"], "az://devstoreaccount1.blob.core.windows.net/test/forms/out");
        ended(&mut job.command("verify")).exits(0);
        // without the account, the same folder has another address
        let within = store.serve(Job::on("az://test/forms")).set(format!("output.uri={output}"));
        within.run().fails(78, &["is in `input.uri`"]);
        let doctor = ended(&mut job.command("doctor"));
        assert!(
            doctor.stderr.contains("AZURE_STORAGE_CONNECTION_STRING, account devstoreaccount1"),
            "{}",
            doctor.stderr
        );
    });
}

#[test]
fn the_emulators_short_form_and_the_variables_of_the_cli_give_the_same_rows() {
    on_azurite(|store| {
        store.put_folder(&IMAGES.folder, "variables/images");
        let (url, account) = store.endpoint.rsplit_once('/').unwrap();
        let key =
            store.environment[0].1.split(';').find_map(|pair| pair.strip_prefix("AccountKey=")).unwrap();
        let job = || Job::on("az://test/variables/images").set("input.limit=16");
        let jobs = [
            store.serve(job()),
            job().env(VARIABLE, "UseDevelopmentStorage=true").env("AZURITE_BLOB_STORAGE_URL", url),
            job()
                .env("AZURE_STORAGE_ACCOUNT", account)
                .env("AZURE_STORAGE_KEY", key)
                .env("AZURE_STORAGE_ENDPOINT", &store.endpoint)
                .env("AZURE_ALLOW_HTTP", "true"),
        ];
        for job in &jobs {
            job.run().exits(0);
            let (output, first) = (job.output(), jobs[0].output());
            ask_python("rows.py", &["same", output.to_str().unwrap(), first.to_str().unwrap()]);
        }
    });
}

#[test]
fn the_key_of_another_account_is_not_used() {
    on_azurite(|store| {
        let job = store.serve(Job::on("abfss://test@acme1.dfs.core.windows.net/images"));
        job.run().fails(78, &[VARIABLE, "devstoreaccount1", "acme1"]);
    });
}

#[test]
fn a_malformed_connection_string_is_78_and_is_not_shown() {
    for string in ["c4n4ry", "AccountName=acme1;AccountKey=c4n4ry!", "AccountName=c4n4ry/;AccountKey=YQ=="] {
        let ended = Job::on("az://test/images").env(VARIABLE, string).run();
        ended.fails(78, &[VARIABLE, "malformed"]);
        assert!(!ended.stdout.contains("c4n4ry") && !ended.stderr.contains("c4n4ry"), "{}", ended.stderr);
    }
}

#[test]
fn a_wrong_key_is_77_and_is_not_shown() {
    on_azurite(|store| {
        let wrong = "Y2FuYXJ5LWNhbmFyeQ==";
        let string =
            format!("AccountName=devstoreaccount1;AccountKey={wrong};BlobEndpoint={}", store.endpoint);
        let ended = Job::on("az://test/images").env(VARIABLE, string).env("TRESNET_BATCH_LOG", "trace").run();
        ended.fails(77, &["denied"]);
        assert!(!ended.stdout.contains(wrong) && !ended.stderr.contains(wrong), "{}", ended.stderr);
    });
}
