//! Memory for the bytes of images. A dropped buffer is lent again, the last first: it is mapped, and often still in a
//! cache.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::{Stream, TryStreamExt};

/// The power of two of the smallest buffers: a page.
const LEAST: u32 = 12;
/// That of the largest that are kept: a megabyte.
const MOST: u32 = 20;
/// Bytes that lie ready at most.
const KEPT: usize = 16 << 20;

/// Buffers that are not in use, by the power of two that they have room for.
#[derive(Debug, Default)]
pub(super) struct Buffers(Mutex<Free>);

#[derive(Debug, Default)]
struct Free {
    by_power: [Vec<Vec<u8>>; (MOST - LEAST + 1) as usize],
    bytes: usize,
}

/// Which list a buffer of so much room belongs to, if it is kept.
fn class(room: usize) -> Option<usize> {
    let power = room.max(1 << LEAST).next_power_of_two().trailing_zeros();
    (power <= MOST).then(|| (power - LEAST) as usize)
}

impl Buffers {
    /// Returns an empty buffer with room for `bytes` bytes.
    pub fn lend(&self, bytes: usize) -> Vec<u8> {
        let Some(class) = class(bytes) else { return Vec::with_capacity(bytes) };
        let room = 1 << (LEAST as usize + class);
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match free.by_power[class].pop() {
            Some(buffer) => {
                free.bytes -= buffer.capacity();
                buffer
            }
            None => Vec::with_capacity(room),
        }
    }

    /// A buffer's bytes; it comes back when the last of them is dropped.
    pub fn share(self: &Arc<Self>, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent { buffer, home: self.clone() })
    }

    /// Copies an answer into one buffer, piece by piece, so that the connection can use its own memory again. Of more than
    /// `size` bytes it takes only the piece that goes beyond them.
    ///
    /// # Errors
    /// The first of the answer.
    pub async fn collect<E>(
        self: &Arc<Self>,
        mut pieces: impl Stream<Item = Result<Bytes, E>> + Unpin,
        size: usize,
    ) -> Result<Bytes, E> {
        let mut buffer = self.lend(size);
        while buffer.len() <= size
            && let Some(piece) = pieces.try_next().await?
        {
            buffer.extend_from_slice(&piece);
        }
        Ok(self.share(buffer))
    }

    fn take_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let room = buffer.capacity();
        // one that grew has not the room that its list promises
        let Some(class) = class(room).filter(|_| room.is_power_of_two()) else { return };
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if free.bytes + room <= KEPT {
            free.bytes += room;
            free.by_power[class].push(buffer);
        }
    }
}

struct Lent {
    buffer: Vec<u8>,
    home: Arc<Buffers>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.take_back(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_lent_again_once_the_last_of_its_bytes_is_dropped() {
        let buffers = Arc::new(Buffers::default());
        let mut buffer = buffers.lend(100_000);
        let place = buffer.as_ptr();
        buffer.extend_from_slice(b"first");
        let bytes = buffers.share(buffer);
        let piece = bytes.slice(1..);
        drop(bytes);
        let another = buffers.lend(100_000);
        assert_ne!(another.as_ptr(), place);
        assert_eq!(&piece[..], b"irst");
        drop(piece);
        let again = buffers.lend(70_000);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
    }

    #[tokio::test]
    async fn an_answer_is_collected_into_a_buffer_that_was_lent_before() {
        let buffers = Arc::new(Buffers::default());
        let pieces = |all: &[&'static str]| {
            let all: Vec<Result<Bytes, &str>> = all.iter().map(|piece| Ok(Bytes::from(*piece))).collect();
            futures::stream::iter(all)
        };
        let first = buffers.collect(pieces(&["a", "", "bc"]), 3).await.unwrap();
        assert_eq!(&first[..], b"abc");
        let place = first.as_ptr();
        drop(first);
        let short = buffers.collect(pieces(&["a"]), 3).await.unwrap();
        assert_eq!((&short[..], short.as_ptr()), (&b"a"[..], place));
    }

    #[tokio::test]
    async fn an_answer_is_read_no_further_than_one_piece_beyond_its_size() {
        let buffers = Arc::new(Buffers::default());
        let endless = futures::stream::repeat_with(|| Ok::<_, &str>(Bytes::from_static(b"ab")));
        assert_eq!(&buffers.collect(endless, 3).await.unwrap()[..], b"abab");
        let fails = futures::stream::iter([Ok(Bytes::from_static(b"ab")), Err("the connection ended")]);
        assert_eq!(buffers.collect(fails, 3).await, Err("the connection ended"));
    }

    #[test]
    fn no_more_is_kept_than_the_bound_and_nothing_large() {
        let buffers = Arc::new(Buffers::default());
        let many: Vec<_> = (0..64).map(|_| buffers.share(buffers.lend(1 << MOST))).collect();
        drop(many);
        drop(buffers.share(buffers.lend((1 << MOST) + 1)));
        let free = buffers.0.lock().unwrap();
        let kept: usize = free.by_power.iter().flatten().map(Vec::capacity).sum();
        assert_eq!((kept, free.bytes), (KEPT, KEPT));
    }
}
