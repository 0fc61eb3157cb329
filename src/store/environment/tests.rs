use super::*;

fn environment(scheme: &str, set: &[(&str, &str)]) -> Result<Environment, StoreError> {
    let vendor = match scheme {
        "s3" => Vendor::Aws,
        "gs" => Vendor::Google,
        _ => Vendor::Azure,
    };
    let variables = set.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Environment::among(variables, vendor, &Uri::parse(&format!("{scheme}://bucket/folder")).unwrap())
}

fn refused(scheme: &str, name: &str, value: &str) -> String {
    let error = environment(scheme, &[(name, value)]).err();
    let error = error.unwrap_or_else(|| panic!("{name} is taken as {value:?}"));
    assert_eq!(error.exit(), crate::failure::Exit::Config);
    let text = format!("{error} {error:?}");
    assert!(text.contains(name), "{text}");
    text
}

#[test]
fn white_space_around_a_value_is_cut_off() {
    let set =
        [("AWS_REGION", "eu-west-1\n"), ("AWS_ACCESS_KEY_ID", " id\r\n"), ("AWS_SECRET_ACCESS_KEY", "s\n")];
    let builder = environment("s3", &set).unwrap().s3();
    let value = |key: AmazonS3ConfigKey| builder.get_config_value(&key).unwrap();
    assert_eq!(value(AmazonS3ConfigKey::Region), "eu-west-1");
    assert_eq!(value(AmazonS3ConfigKey::AccessKeyId), "id");
    assert_eq!(value(AmazonS3ConfigKey::SecretAccessKey), "s");
}

#[test]
fn a_value_that_the_client_would_panic_over_is_refused_by_its_name_and_not_shown() {
    for (scheme, name, value) in [
        ("s3", "AWS_ENDPOINT_URL", "canary:9000"),
        ("s3", "AWS_ENDPOINT", "canary"),
        ("s3", "AWS_ENDPOINT_URL_S3", "http:canary"),
        ("s3", "AWS_ENDPOINT_URL", "https://canary/?x=1"),
        ("s3", "AWS_ENDPOINT_URL", "ftp://canary"),
        ("s3", "AWS_ENDPOINT_URL", "https://canary/<x>"),
        ("s3", "AWS_ENDPOINT_URL_STS", "http://canary"),
        ("s3", "AWS_REGION", "canary west"),
        ("s3", "AWS_REGION", "canary/1"),
        ("s3", "AWS_ACCESS_KEY_ID", "canary\nx"),
        ("s3", "AWS_ACCESS_KEY_ID", "canary x"),
        ("s3", "AWS_SESSION_TOKEN", "canary\u{e9}"),
        ("s3", "AWS_SECRET_ACCESS_KEY", "canary\u{0}x"),
        ("s3", "AWS_SKIP_SIGNATURE", "canary"),
        ("s3", "AWS_ALLOW_HTTP", "canary"),
        ("gs", "GOOGLE_BASE_URL", "canary"),
        ("gs", "GOOGLE_BEARER_TOKEN", "canary\nx"),
        ("gs", "GOOGLE_ALLOW_HTTP", "canary"),
        ("gs", "GCE_METADATA_HOST", "canary\n"),
        ("az", "AZURE_STORAGE_ENDPOINT", "canary"),
        ("az", "AZURE_STORAGE_ACCOUNT_NAME", "canary\nx"),
        ("az", "AZURE_STORAGE_ACCOUNT_NAME", "canary.host/"),
        ("az", "AZURE_STORAGE_ACCOUNT_KEY", "canary!"),
        ("az", "AZURE_CREDENTIAL_TYPE", "canary"),
        ("s3", "AWS_CONDITIONAL_PUT", "foo:canary"),
        ("s3", "AWS_CHECKSUM_ALGORITHM", "canary"),
        ("s3", "AWS_SERVER_SIDE_ENCRYPTION", "canary"),
        ("s3", "AWS_COPY_IF_NOT_EXISTS", "header-with-status: canary: x: 1"),
        ("az", "AZURE_STORAGE_TOKEN", "canary x"),
        ("az", "IDENTITY_HEADER", "canary\n"),
        ("az", "IDENTITY_ENDPOINT", "canary"),
    ] {
        let text = refused(scheme, name, value);
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn an_http_endpoint_needs_leave() {
    for (scheme, name, allow) in [
        ("s3", "AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP"),
        ("s3", "AWS_ENDPOINT_URL_S3", "AWS_ALLOW_HTTP"),
        ("gs", "GOOGLE_BASE_URL", "GOOGLE_ALLOW_HTTP"),
        ("az", "AZURE_STORAGE_ENDPOINT", "AZURE_ALLOW_HTTP"),
    ] {
        let http = (name, "http://127.0.0.1:1");
        assert!(refused(scheme, name, http.1).contains(&format!("set {allow}=true")));
        for leave in ["true", "1", "yes\n"] {
            assert!(environment(scheme, &[http, (allow, leave)]).unwrap().allows_http());
        }
        assert!(environment(scheme, &[http, (allow, "false")]).is_err());
        assert!(environment(scheme, &[(name, "https://store.example")]).is_ok());
    }
    let emulated = [("AZURE_STORAGE_USE_EMULATOR", "true"), ("AZURE_ENDPOINT", "http://127.0.0.1:1")];
    assert!(environment("az", &emulated).is_ok());
}

#[test]
fn an_http_endpoint_that_another_variable_overrides_needs_no_leave() {
    let set = [("AWS_ENDPOINT_URL_S3", "https://store.example"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:1")];
    assert!(environment("s3", &set).is_ok());
}

#[test]
fn a_service_that_gives_credentials_may_be_plain_http_on_this_machine_only() {
    for name in ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_SSO", "AWS_ENDPOINT_URL_SSO_OIDC"] {
        for near in ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"] {
            let environment = environment("s3", &[(name, near)]).unwrap();
            assert_eq!(environment.of_credentials().get(name), Some(near));
        }
        assert!(refused("s3", name, "http://192.0.2.1").contains("AWS_ALLOW_HTTP=true"));
        assert!(environment("s3", &[(name, "http://192.0.2.1"), ("AWS_ALLOW_HTTP", "true")]).is_ok());
    }
}

#[test]
fn variables_of_others_and_empty_ones_are_not_looked_at() {
    let set = [
        ("AWS_PAGER", "\n"),
        ("AWS_TIMEOUT", "no number"),
        ("AWS_BUCKET", "a b"),
        ("AWS_ENDPOINT_URL", " "),
        ("AZURE_STORAGE_ACCOUNT_NAME", "a b"),
        ("PATH", "\n"),
    ];
    assert_eq!(environment("s3", &set).unwrap().names(), "none");
}

#[test]
fn a_bucket_with_a_space_is_no_address() {
    let uri = Uri::parse("s3://my bucket/folder").unwrap();
    let error = Environment::among(std::iter::empty(), Vendor::Aws, &uri).err().unwrap();
    assert!(matches!(error, StoreError::BadUri { .. }), "{error}");
}

#[test]
fn what_the_client_refuses_or_panics_over_names_the_variables_that_are_set() {
    let environment = environment("s3", &[("AWS_S3_EXPRESS", "true")]).unwrap();
    let build = environment.s3().with_bucket_name("bucket");
    let refused = environment.build(|| build.build()).unwrap_err();
    let panics = || -> object_store::Result<object_store::aws::AmazonS3> { panic!("canary") };
    for error in [refused, environment.build(panics).unwrap_err()] {
        assert_eq!(error.exit(), crate::failure::Exit::Config);
        assert!(error.to_string().contains("AWS_S3_EXPRESS"), "{error}");
    }
}

#[test]
fn words_that_the_client_knows_are_taken() {
    for (name, value) in [
        ("AWS_CONDITIONAL_PUT", "etag"),
        ("AWS_CHECKSUM_ALGORITHM", "SHA256"),
        ("AWS_SERVER_SIDE_ENCRYPTION", "aws:kms"),
        ("AWS_COPY_IF_NOT_EXISTS", "header: cf-copy-destination-if-none-match: *"),
        ("AWS_COPY_IF_NOT_EXISTS", "header-with-status: a: b: 412"),
    ] {
        assert!(environment("s3", &[(name, value)]).is_ok(), "{name}");
    }
}

#[test]
fn one_half_of_a_key_names_the_other() {
    assert!(refused("s3", "AWS_ACCESS_KEY_ID", "canary").contains("without AWS_SECRET_ACCESS_KEY"));
    assert!(refused("s3", "AWS_SECRET_ACCESS_KEY", "canary").contains("without AWS_ACCESS_KEY_ID"));
}

#[test]
fn what_a_variable_names_must_be_a_regular_file() {
    let folder = tempfile::tempdir().unwrap();
    let (fifo, large) = (folder.path().join("fifo"), folder.path().join("large"));
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    std::fs::File::create(&large).unwrap().set_len(1 << 30).unwrap();
    for (scheme, name) in [
        ("s3", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        ("s3", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
        ("s3", "AWS_CONFIG_FILE"),
        ("gs", "GOOGLE_SERVICE_ACCOUNT"),
        ("gs", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("gs", "SERVICE_ACCOUNT"),
        ("az", "AZURE_FEDERATED_TOKEN_FILE"),
    ] {
        assert!(refused(scheme, name, fifo.to_str().unwrap()).contains("a FIFO"));
        assert!(refused(scheme, name, "/dev/zero").contains("a device"));
        assert!(refused(scheme, name, large.to_str().unwrap()).contains("larger than"));
        assert!(environment(scheme, &[(name, "/not/there")]).is_ok());
    }
    assert!(environment("s3", &[("AWS_CONFIG_FILE", "/dev/null")]).is_ok());
}

#[test]
fn an_http_address_in_a_service_account_needs_leave_unless_a_variable_overrides_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("account.json");
    let document = r#"{"gcs_base_url": "http://127.0.0.1:1", "disable_oauth": true}"#;
    std::fs::write(&file, document).unwrap();
    for (name, value) in
        [("GOOGLE_SERVICE_ACCOUNT", file.to_str().unwrap()), ("GOOGLE_SERVICE_ACCOUNT_KEY", document)]
    {
        assert!(refused("gs", name, value).contains("set GOOGLE_ALLOW_HTTP=true"));
        assert!(environment("gs", &[(name, value), ("GOOGLE_ALLOW_HTTP", "true")]).is_ok());
        assert!(environment("gs", &[(name, value), ("GOOGLE_BASE_URL", "https://store.example")]).is_ok());
    }
    assert!(refused("gs", "GOOGLE_SERVICE_ACCOUNT_KEY", r#"{"gcs_base_url": "canary"}"#).contains("host"));
    assert!(environment("gs", &[("GOOGLE_SERVICE_ACCOUNT_KEY", r#"{"private_key": "x"}"#)]).is_ok());
}
