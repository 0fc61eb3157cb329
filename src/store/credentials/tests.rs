//! The chain against small servers on loopback, with variables and files of the tests' own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use aws_types::os_shim_internal::Fs;

use super::cache::{Answer, Source};
use super::chain::{Chain, Link, links};
use super::*;

const FUTURE: &str = "2999-01-01T00:00:00Z";

/// A server that answers by method and path, and notes what it is asked: method, path and body.
fn server(script: fn(&str, &str) -> (u16, String)) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(&stream);
            let mut first = String::new();
            drop(reader.read_line(&mut first));
            let mut length = 0;
            loop {
                let mut line = String::new();
                drop(reader.read_line(&mut line));
                if line.trim().is_empty() {
                    break;
                }
                if let Some((name, value)) = line.split_once(':')
                    && name.eq_ignore_ascii_case("content-length")
                {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            drop(reader.read_exact(&mut body));
            let body = String::from_utf8(body).unwrap();
            let line = first.trim().trim_end_matches(" HTTP/1.1").to_owned();
            let (status, answer) = script(&line, &body);
            seen.lock().unwrap().push(format!("{line} {body}").trim().to_owned());
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\
                        X-Aws-Ec2-Metadata-Token-Ttl-Seconds: 600\r\n\r\n",
                answer.len()
            );
            drop((&stream).write_all(format!("{head}{answer}").as_bytes()));
        }
    });
    (address, asked)
}

/// Credentials as containers and instance metadata give them.
fn document(key: &str) -> String {
    format!(
        "{{\"Code\":\"Success\",\"AccessKeyId\":\"{key}\",\"SecretAccessKey\":\"canary\",\"Token\":\"token\",\
         \"Expiration\":\"{FUTURE}\"}}"
    )
}

/// A token service that gives the key `of-` and the last part of the role's name.
fn sts(_: &str, body: &str) -> (u16, String) {
    let query: Vec<(String, String)> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let get = |name: &str| query.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
    let (action, role) = (get("Action").unwrap(), get("RoleArn").unwrap());
    if role.ends_with("/denied") {
        let error = "<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not you</Message></Error>";
        return (
            403,
            format!(
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">{error}</ErrorResponse>"
            ),
        );
    }
    if role.ends_with("/throttled") {
        let error =
            "<Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error>";
        return (
            400,
            format!(
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">{error}</ErrorResponse>"
            ),
        );
    }
    let name = role.rsplit('/').next().unwrap();
    (
        200,
        format!(
            "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
             <AccessKeyId>of-{name}</AccessKeyId><SecretAccessKey>canary</SecretAccessKey>\
             <SessionToken>token</SessionToken><Expiration>{FUTURE}</Expiration></Credentials></{action}Result>\
             <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{action}Response>"
        ),
    )
}

struct Machine {
    variables: Variables,
    files: Fs,
}

/// A machine without instance metadata, with a home folder of these files.
fn machine(set: &[(&str, &str)], files: &[(&str, &str)]) -> Machine {
    let mut variables = Variables::default();
    variables.set("HOME", "/home/me");
    variables.set("AWS_EC2_METADATA_DISABLED", "true");
    for (name, value) in set {
        assert!(Variables::takes(name), "{name}");
        variables.set(name, value);
    }
    let files: Vec<(String, &str)> =
        files.iter().map(|(name, text)| (name.replace('~', "/home/me"), *text)).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    Machine { variables, files: Fs::from_slice(&files) }
}

impl Machine {
    fn profile(&self) -> Profile {
        Profile::read(&self.variables, &self.files).unwrap()
    }

    fn chain(&self) -> Result<Chain, String> {
        Chain::new(self.variables.clone(), self.files.clone(), &self.profile(), "us-east-1")
    }

    async fn ask(&self) -> Result<Answer, CredentialError> {
        self.chain().unwrap().ask().await
    }

    /// The key id and the source.
    async fn key(&self) -> (String, String) {
        let answer = self.ask().await.unwrap_or_else(|error| panic!("{error}"));
        (answer.credential.key_id.clone(), answer.by)
    }
}

const CONFIG: &str = "~/.aws/config";
const CREDENTIALS: &str = "~/.aws/credentials";

#[tokio::test]
async fn keys_of_a_profile_are_read_from_either_file() {
    let files = [
        (
            CONFIG,
            "[profile dev]\nregion = eu-west-1\naws_access_key_id = of-config\naws_secret_access_key = s\n",
        ),
        (CREDENTIALS, "[default]\naws_access_key_id = of-default\naws_secret_access_key = s\n"),
    ];
    let dev = machine(&[("AWS_PROFILE", "dev")], &files);
    assert_eq!(dev.key().await, ("of-config".into(), "the profile `dev` (keys in the file)".into()));
    assert_eq!(dev.profile().region.as_deref(), Some("eu-west-1"));
    assert_eq!(machine(&[], &files).key().await.0, "of-default");
}

#[tokio::test]
async fn a_command_gives_credentials_and_its_own_words_are_not_quoted() {
    let text = "[profile good]\ncredential_process = echo '{\"Version\":1,\"AccessKeyId\":\"of-command\",\
                \"SecretAccessKey\":\"canary\"}'\n[profile bad]\ncredential_process = echo canary >&2; exit 3\n";
    let good = machine(&[("AWS_PROFILE", "good")], &[(CONFIG, text)]);
    assert_eq!(good.key().await, ("of-command".into(), "the profile `good` (credential_process)".into()));
    let error = machine(&[("AWS_PROFILE", "bad")], &[(CONFIG, text)]).ask().await.err().unwrap();
    assert!(matches!(error, CredentialError::Refused { .. }), "{error:?}");
    let text = format!("{error} {error:?}");
    assert!(text.contains("credential_process") && !text.contains("canary"), "{text}");
}

#[tokio::test]
async fn a_role_is_assumed_at_the_endpoint_of_the_token_service_and_not_at_that_of_s3() {
    let (sts, asked) = server(sts);
    let text = "[profile base]\naws_access_key_id = k\naws_secret_access_key = s\n\
                [profile first]\nrole_arn = arn:aws:iam::1:role/first\nsource_profile = base\nexternal_id = x\n\
                [profile second]\nrole_arn = arn:aws:iam::1:role/second\nsource_profile = first\n\
                [profile denied]\nrole_arn = arn:aws:iam::1:role/denied\nsource_profile = base\n\
                [profile throttled]\nrole_arn = arn:aws:iam::1:role/throttled\nsource_profile = base\n";
    let at = |profile: &str| {
        machine(&[("AWS_PROFILE", profile), ("AWS_ENDPOINT_URL_STS", &sts)], &[(CONFIG, text)])
    };
    let (key, by) = at("second").key().await;
    assert_eq!(key, "of-second");
    let roles = "role arn:aws:iam::1:role/first, role arn:aws:iam::1:role/second";
    assert_eq!(by, format!("the profile `second` (keys in the file of the profile `base`, {roles})"));
    assert_eq!(asked.lock().unwrap().len(), 2);
    let error = at("denied").ask().await.err().unwrap();
    assert!(matches!(error, CredentialError::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("AccessDenied"), "{error}");
    let error = at("throttled").ask().await.err().unwrap();
    assert!(error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn a_token_service_that_does_not_answer_is_asked_again_later() {
    let (sts, _) = server(|_, _| (503, String::new()));
    let text = "[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\n\
                [profile base]\naws_access_key_id = k\naws_secret_access_key = s\n";
    for endpoint in [sts.as_str(), "http://127.0.0.1:9"] {
        let error =
            machine(&[("AWS_ENDPOINT_URL_STS", endpoint)], &[(CONFIG, text)]).ask().await.err().unwrap();
        assert!(error.is_transient(), "{endpoint}: {error:?}");
    }
}

#[tokio::test]
async fn a_cached_login_gives_credentials_and_one_that_has_expired_is_named_with_its_command() {
    let (portal, asked) = server(|line, _| {
        assert!(line.starts_with("GET /federation/credentials?"), "{line}");
        let given = "{\"roleCredentials\":{\"accessKeyId\":\"of-portal\",\"secretAccessKey\":\"canary\",\
                     \"sessionToken\":\"token\",\"expiration\":32503680000000}}";
        (200, given.to_owned())
    });
    let text = "[profile dev]\nsso_session = corp\nsso_account_id = 1\nsso_role_name = reader\n\
                [sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://corp.example/start\n";
    // named by the SHA-1 of `corp`
    let sha1: [u8; 20] = <sha1::Sha1 as sha1::Digest>::digest(b"corp").into();
    let hex: String = sha1.iter().map(|byte| format!("{byte:02x}")).collect();
    let name = format!("~/.aws/sso/cache/{hex}.json");
    for (until, expected) in [(FUTURE, Some("of-portal")), ("2001-01-01T00:00:00Z", None)] {
        let token =
            format!("{{\"accessToken\":\"canary\",\"expiresAt\":\"{until}\",\"region\":\"us-east-1\"}}");
        let set = [("AWS_PROFILE", "dev"), ("AWS_ENDPOINT_URL_SSO", portal.as_str())];
        match (machine(&set, &[(CONFIG, text), (&name, &token)]).ask().await, expected) {
            (Ok(answer), Some(expected)) => {
                assert_eq!(answer.credential.key_id, expected);
                assert_eq!(answer.by, "the profile `dev` (SSO)");
                assert!(answer.expiry.is_some());
            }
            (Err(error), None) => {
                assert!(error.to_string().starts_with("run `aws sso login --profile dev`"), "{error}");
            }
            (Ok(_), None) => panic!("an expired login was used"),
            (Err(error), Some(_)) => panic!("{error}"),
        }
    }
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_container_and_a_web_identity_give_their_roles() {
    let (container, _) = server(|_, _| (200, document("of-container")));
    let uri = format!("{container}/role");
    let of_container = machine(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri)], &[]);
    assert_eq!(of_container.key().await, ("of-container".into(), "the container's role".into()));
    let (sts, asked) = server(sts);
    let set = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/pod"),
        ("AWS_ENDPOINT_URL_STS", &sts),
    ];
    let of_pod = machine(&set, &[("/token", "a.b.c")]);
    let expected = ("of-pod".into(), "the role of AWS_WEB_IDENTITY_TOKEN_FILE".into());
    assert_eq!(of_pod.key().await, expected);
    assert!(asked.lock().unwrap()[0].contains("WebIdentityToken=a.b.c"), "{asked:?}");
}

#[tokio::test]
async fn instance_metadata_gives_the_machines_role_and_its_silence_is_reported() {
    let (metadata, asked) = server(|line, _| match line.rsplit('/').next() {
        _ if line.starts_with("PUT") => (200, "token".to_owned()),
        Some("") => (200, "role".to_owned()),
        _ => (200, document("of-machine")),
    });
    let on = ("AWS_EC2_METADATA_DISABLED", "false");
    let of_machine = machine(&[on, ("AWS_METADATA_ENDPOINT", &metadata)], &[]);
    assert_eq!(
        of_machine.key().await,
        ("of-machine".into(), "the machine's role (instance metadata)".into())
    );
    assert!(asked.lock().unwrap()[0].starts_with("PUT /latest/api/token"), "{asked:?}");
    let silent = machine(&[on, ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9")], &[]);
    let error = silent.ask().await.err().unwrap().to_string();
    assert!(error.starts_with("no AWS credentials: set AWS_ACCESS_KEY_ID"), "{error}");
    assert!(error.contains("no instance metadata answers at http://127.0.0.1:9"), "{error}");
    let (metadata, _) =
        server(|line, _| if line.starts_with("PUT") { (200, "t".into()) } else { (404, String::new()) });
    let error = machine(&[on, ("AWS_METADATA_ENDPOINT", &metadata)], &[]).ask().await.err().unwrap();
    assert!(error.to_string().contains("instance metadata has no role"), "{error}");
}

/// The order of what a machine has, in short.
fn order(set: &[(&str, &str)], config: &str) -> Result<String, String> {
    let machine = machine(set, &[(CONFIG, config)]);
    let (links, _) = links(&machine.variables, &machine.profile())?;
    let short = links.iter().map(|link| match link {
        Link::Profile(_) => "profile",
        Link::WebIdentity => "web",
        Link::Container => "container",
        Link::Instance => "instance",
    });
    Ok(short.collect::<Vec<_>>().join(" "))
}

#[test]
fn a_chosen_profile_comes_first_and_the_default_one_after_what_variables_name() {
    let all = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
        ("AWS_ROLE_ARN", "arn"),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x"),
        ("AWS_EC2_METADATA_DISABLED", "false"),
    ];
    let with = |profile: &'static str| [&all[..], &[("AWS_PROFILE", profile)]].concat();
    let keys = "[default]\naws_access_key_id = k\naws_secret_access_key = s\n[profile region]\nregion = x\n";
    assert_eq!(order(&all, keys).unwrap(), "web container profile instance");
    assert_eq!(order(&with("default"), keys).unwrap(), "profile web container instance");
    assert_eq!(order(&with("region"), keys).unwrap(), "web container instance");
    assert_eq!(order(&with("typo"), keys).unwrap(), "web container instance");
    assert_eq!(order(&[("AWS_EC2_METADATA_DISABLED", "false")], "").unwrap(), "instance");
    assert_eq!(order(&[], "").unwrap(), "");
}

#[test]
fn a_profile_that_does_not_exist_or_contradicts_itself_is_named() {
    for (config, named) in [
        ("", "AWS_PROFILE names `dev`"),
        ("[profile dev]\nrole_arn = a\n", "neither `source_profile` nor `credential_source`"),
        ("[profile dev]\nrole_arn = a\nsource_profile = gone\n", "`gone`, which is in no file"),
        (
            "[profile dev]\nrole_arn = a\nsource_profile = b\n[profile b]\nrole_arn = c\nsource_profile = dev\n",
            "leads back",
        ),
        (
            "[profile dev]\nrole_arn = a\nsource_profile = b\n[profile b]\nregion = x\n",
            "to assume a role with",
        ),
        ("[profile dev]\nsso_session = gone\n", "[sso-session gone]"),
        ("[profile dev]\nsso_account_id = 1\nsso_role_name = r\nsso_start_url = u\n", "no `sso_region`"),
        ("[profile dev]\nlogin_session = arn\n", "aws configure export-credentials --profile dev"),
        ("[profile dev]\naws_access_key_id = k\n", "no `aws_secret_access_key`"),
    ] {
        let error = order(&[("AWS_PROFILE", "dev")], config).unwrap_err();
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn s3s_endpoint_is_that_of_the_service_then_that_of_the_profile_unless_it_is_ignored() {
    let config = "[default]\nendpoint_url = https://all\n[profile own]\nservices = mine\nendpoint_url = https://all\n\
                  [services mine]\ns3 =\n  endpoint_url = https://own\n[profile off]\nendpoint_url = https://all\n\
                  ignore_configured_endpoint_urls = true\n";
    for (profile, expected) in [("default", Some("https://all")), ("own", Some("https://own")), ("off", None)]
    {
        let machine = machine(&[("AWS_PROFILE", profile)], &[(CONFIG, config)]);
        assert_eq!(machine.profile().endpoint.as_deref(), expected, "{profile}");
    }
}
