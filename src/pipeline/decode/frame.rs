//! The messages between a worker and its decode process: a head in JSON, then bytes.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Both sides are the same program; a process that reports another version is refused.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A head is a fault with its sentence, or the options.
const MOST_HEAD: u32 = 64 << 10;

/// Sends one message.
pub(super) fn send(stream: &mut impl Write, head: &impl Serialize, body: &[u8]) -> io::Result<()> {
    let head = serde_json::to_vec(head)?;
    let mut message = Vec::with_capacity(12 + head.len());
    message.extend((head.len() as u32).to_le_bytes());
    message.extend((body.len() as u64).to_le_bytes());
    message.extend(head);
    stream.write_all(&message)?;
    stream.write_all(body)
}

/// Receives one message, its bytes into `body`; `None` where the stream ends before it begins.
///
/// # Errors
/// `InvalidData` where it is no message, or has more than `most` bytes: nothing is allocated for those.
pub(super) fn receive<H: DeserializeOwned>(
    stream: &mut impl Read,
    body: &mut Vec<u8>,
    most: u64,
) -> io::Result<Option<H>> {
    let (mut head_length, mut body_length) = ([0; 4], [0; 8]);
    match stream.read_exact(&mut head_length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    stream.read_exact(&mut body_length)?;
    let (head_length, body_length) = (u32::from_le_bytes(head_length), u64::from_le_bytes(body_length));
    if head_length > MOST_HEAD || body_length > most {
        let what = format!("a message of {head_length} and {body_length} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    let mut head = Vec::new();
    fill(stream, &mut head, head_length.into())?;
    fill(stream, body, body_length)?;
    serde_json::from_slice(&head).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn fill(stream: &mut impl Read, buffer: &mut Vec<u8>, length: u64) -> io::Result<()> {
    buffer.clear();
    if stream.by_ref().take(length).read_to_end(buffer)? as u64 == length {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(bytes: &[u8]) -> io::Result<Option<String>> {
        receive(&mut &bytes[..], &mut Vec::new(), 3)
    }

    #[test]
    fn a_message_arrives_as_it_was_sent_and_a_closed_stream_is_none() {
        let mut stream = Vec::new();
        send(&mut stream, &"head", b"abc").unwrap();
        send(&mut stream, &"", b"").unwrap();
        let (mut stream, mut body) = (&stream[..], Vec::new());
        for (head, bytes) in [("head", &b"abc"[..]), ("", b"")] {
            assert_eq!(receive::<String>(&mut stream, &mut body, 3).unwrap().as_deref(), Some(head));
            assert_eq!(body, bytes);
        }
        assert!(receive::<String>(&mut stream, &mut body, 3).unwrap().is_none());
    }

    #[test]
    fn what_is_too_long_cut_or_no_message_is_an_error_and_takes_no_memory() {
        let mut whole = Vec::new();
        send(&mut whole, &"head", b"abcd").unwrap();
        assert_eq!(received(&whole).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(received(&[0xff; 12]).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let mut whole = Vec::new();
        send(&mut whole, &7, b"abc").unwrap();
        assert_eq!(received(&whole).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(received(&whole[..whole.len() - 1]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
