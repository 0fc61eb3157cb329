//! One connection, one request, one answer.

use std::io::{BufRead, BufReader, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::answer::Answer;
use super::{Act, Host, ScriptedHub, Seen};

pub fn serve(hub: &ScriptedHub, host: Host, stream: TcpStream) -> Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut seen = Seen { host, method: method.into(), path: path.into(), range: None, authorization: None };
    for header in lines {
        let header = header?;
        let Some((name, value)) = header.split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "range" => seen.range = Some(value.trim().to_owned()),
            "authorization" => seen.authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let act = note(hub, &seen);
    let right = hub.right(host, path, seen.authorization.as_deref());
    let is_whole = matches!(act, Some(Act::WithoutRanges | Act::CutWithoutRanges(_)));
    let range = seen.range.as_deref().filter(|_| !is_whole);
    let right = cut_out(right, range);
    let length = right.body.len();
    let (answer, sent) = match act {
        None | Some(Act::WithoutRanges) => (right, length),
        Some(Act::Answer(status, headers)) => {
            let answer = headers
                .into_iter()
                .fold(Answer::of(status), |answer, (name, value)| answer.with(name, value));
            (answer, 0)
        }
        Some(Act::Body(body)) => {
            let length = body.len();
            (Answer { body, ..Answer::of(200) }, length)
        }
        Some(Act::Cut(sent) | Act::CutWithoutRanges(sent)) => (right, sent.min(length)),
        Some(Act::Corrupt) => {
            let body = right.body.iter().map(|byte| byte ^ 1).collect();
            (Answer { body, ..right }, length)
        }
        Some(Act::Header(name, value)) if value.is_empty() => (right.without(name), length),
        Some(Act::Header(name, value)) => (right.with(name, value), length),
        Some(Act::TooMuch(more)) => {
            let body = [right.body.clone(), vec![7; more]].concat();
            (Answer { body, ..right }.with("Connection", "close"), length + more)
        }
        Some(Act::Hold) => {
            while !hub.state().is_released {
                std::thread::sleep(Duration::from_millis(5));
            }
            (right, length)
        }
    };
    send(stream, method, &answer, sent)
}

/// Records a request, and returns the act for it.
fn note(hub: &ScriptedHub, seen: &Seen) -> Option<Act> {
    let mut state = hub.state();
    state.seen.push(seen.clone());
    let rule = state.rules.iter_mut().find(|rule| {
        rule.times > 0 && rule.host == seen.host && rule.method == seen.method && seen.path.contains(&rule.on)
    })?;
    rule.times -= 1;
    Some(rule.act.clone())
}

/// `bytes=N-` of the body of an answer.
fn cut_out(answer: Answer, range: Option<&str>) -> Answer {
    let from = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let Some(from) = from.filter(|_| answer.status == 200) else { return answer };
    let whole = answer.body.len();
    if from >= whole {
        return Answer::of(416).with("Content-Range", format!("bytes */{whole}"));
    }
    let body = answer.body[from..].to_vec();
    let named = format!("bytes {from}-{}/{whole}", whole - 1);
    Answer { status: 206, body, ..answer }.with("Content-Range", named)
}

fn send(mut stream: TcpStream, method: &str, answer: &Answer, sent: usize) -> Result<()> {
    let mut head = format!("HTTP/1.1 {} Answer\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let has = |name: &str| answer.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    if !has("connection") {
        head.push_str(&format!("Content-Length: {}\r\nConnection: close\r\n", answer.body.len()));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    if method != "HEAD" {
        stream.write_all(&answer.body[..sent])?;
    }
    stream.flush()
}
