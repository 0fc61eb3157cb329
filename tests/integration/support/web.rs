//! A web server on loopback that serves some paths, ignores ranges, and records its requests.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What a path is answered with.
#[derive(Debug, Clone)]
pub enum Page {
    /// An object, with its length.
    Object(Vec<u8>),
    /// An object that ends where the connection does.
    WithoutLength(Vec<u8>),
    /// A refusal.
    Status(u16),
    /// A redirect to an address.
    Moved(String),
}

/// The server; its thread ends with the process.
pub struct WebServer {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl WebServer {
    pub fn start(pages: impl IntoIterator<Item = (&'static str, Page)>) -> WebServer {
        let pages: BTreeMap<String, Page> =
            pages.into_iter().map(|(path, page)| (path.to_owned(), page)).collect();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (pages, seen) = (pages.clone(), seen.clone());
                std::thread::spawn(move || drop(answer(stream, &pages, &seen)));
            }
        });
        WebServer { port, asked }
    }

    /// `http://127.0.0.1:<port>` and a path.
    pub fn address(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The requests so far: method, path, and every header that may be a credential.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(
    stream: TcpStream,
    pages: &BTreeMap<String, Page>,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut asked = format!("{method} {path}");
    for header in lines {
        let header = header?;
        if header.is_empty() {
            break;
        }
        let name = header.to_ascii_lowercase();
        if ["authorization", "cookie", "x-amz-"].iter().any(|secret| name.starts_with(secret)) {
            asked = format!("{asked} {header}");
        }
    }
    seen.lock().unwrap().push(asked);
    let (status, header, body): (u16, String, &[u8]) = match pages.get(path) {
        Some(Page::Object(bytes)) => (200, format!("Content-Length: {}\r\n", bytes.len()), bytes),
        Some(Page::WithoutLength(bytes)) => (200, String::new(), bytes),
        Some(Page::Status(status)) => (*status, "Content-Length: 0\r\n".into(), &[]),
        Some(Page::Moved(to)) => (302, format!("Location: {to}\r\nContent-Length: 0\r\n"), &[]),
        None => (404, "Content-Length: 0\r\n".into(), &[]),
    };
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status} Answer\r\n{header}Connection: close\r\n\r\n")?;
    if method != "HEAD" {
        stream.write_all(body)?;
    }
    stream.flush()
}
