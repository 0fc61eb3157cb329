//! A home folder with AWS profiles, and small services on loopback that give credentials.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::job::Job;
use super::scratch;
use super::scripted_s3::ScriptedS3;

/// A time that no test reaches.
pub const FUTURE: &str = "2999-01-01T00:00:00Z";

/// A text that is in every secret of a service here.
pub const CANARY: &str = "canary-4720";

/// A home folder.
pub struct Home(TempDir);

impl Home {
    pub fn new(config: &str) -> Home {
        let folder = tempfile::tempdir_in(scratch()).unwrap();
        let home = Home(folder);
        home.write(".aws/config", config);
        home
    }

    /// Writes a file below it.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes the cached login of an SSO session.
    pub fn log_in(&self, session: &str, until: &str) {
        let digest: [u8; 20] = <sha1::Sha1 as sha1::Digest>::digest(session.as_bytes()).into();
        let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let token = format!(
            "{{\"accessToken\":\"{CANARY}-login\",\"expiresAt\":\"{until}\",\"region\":\"us-east-1\",\
             \"startUrl\":\"https://corp.example/start\"}}"
        );
        self.write(&format!(".aws/sso/cache/{name}.json"), &token);
    }

    /// A job on the server's images whose only possible credentials are in this home folder.
    pub fn job(&self, server: &ScriptedS3) -> Job {
        let job = Job::on("s3://test/images").set("output.uri=s3://test/out");
        self.serve(server, job)
    }

    /// The environment of a machine with this home folder, without instance metadata.
    pub fn serve(&self, server: &ScriptedS3, job: Job) -> Job {
        let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
        let reached = server.environment().into_iter().filter(|(name, _)| !keys.contains(&name.as_str()));
        reached
            .fold(job, |job, (name, value)| job.env(&name, value))
            .env("HOME", self.0.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
    }
}

/// A request to a service.
pub struct Asked {
    /// Method and path, with its query.
    pub line: String,
    /// The body.
    pub body: String,
    /// How many came before.
    pub before: usize,
}

/// Status and body.
pub type Answered = (u16, String);

/// A service; its thread ends with the process.
pub struct Service {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Service {
    pub fn start(answer: impl Fn(&Asked) -> Answered + Send + Sync + 'static) -> Service {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (asked.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer) = (seen.clone(), answer.clone());
                std::thread::spawn(move || drop(serve(&stream, &seen, &*answer)));
            }
        });
        Service { port, asked }
    }

    /// A token service: the role `…/NAME` has the key id `of-NAME`.
    pub fn sts() -> Service {
        Service::start(|asked| {
            let query: Vec<(String, String)> =
                url::form_urlencoded::parse(asked.body.as_bytes()).into_owned().collect();
            let get = |name: &str| query.iter().find(|(other, _)| other == name).unwrap().1.clone();
            let (action, role) = (get("Action"), get("RoleArn"));
            let name = role.rsplit('/').next().unwrap();
            let text = format!(
                "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>\
                 <Credentials><AccessKeyId>of-{name}</AccessKeyId><SecretAccessKey>{CANARY}</SecretAccessKey>\
                 <SessionToken>{CANARY}-token</SessionToken><Expiration>{FUTURE}</Expiration></Credentials>\
                 </{action}Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{action}Response>"
            );
            (200, text)
        })
    }

    /// An SSO portal.
    pub fn portal() -> Service {
        Service::start(|asked| {
            if !asked.line.starts_with("GET /federation/credentials?") {
                return (404, String::new());
            }
            let text = format!(
                "{{\"roleCredentials\":{{\"accessKeyId\":\"of-portal\",\"secretAccessKey\":\"{CANARY}\",\
                 \"sessionToken\":\"{CANARY}-token\",\"expiration\":32503680000000}}}}"
            );
            (200, text)
        })
    }

    /// The service of a container: it gives the session token `token-0`, then `token-1` and so on, until a time.
    pub fn container(until: &'static str) -> Service {
        Service::start(move |asked| (200, document("of-container", asked.before, until)))
    }

    /// `http://127.0.0.1:<port>` and a path.
    pub fn address(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// How often it was asked.
    pub fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// The requests: method, path and body.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Credentials as a container and instance metadata give them.
pub fn document(key: &str, number: usize, until: &str) -> String {
    format!(
        "{{\"Code\":\"Success\",\"AccessKeyId\":\"{key}\",\"SecretAccessKey\":\"{CANARY}\",\
         \"Token\":\"token-{number}\",\"Expiration\":\"{until}\"}}"
    )
}

fn serve(
    mut stream: &TcpStream,
    seen: &Mutex<Vec<String>>,
    answer: &dyn Fn(&Asked) -> Answered,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    let line = first.trim().trim_end_matches(" HTTP/1.1").to_owned();
    let before = {
        let mut seen = seen.lock().unwrap();
        seen.push(format!("{line} {body}").trim().to_owned());
        seen.len() - 1
    };
    let (status, text) = answer(&Asked { line, body, before });
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\
                        X-Aws-Ec2-Metadata-Token-Ttl-Seconds: 600\r\n\r\n",
        text.len()
    );
    stream.write_all(format!("{head}{text}").as_bytes())
}
