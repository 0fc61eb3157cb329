//! The listener, on a thread with a separate runtime, and its connections.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task;

use super::Shared;
use super::answer::answer;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
/// How often an end is looked for.
const POLL: Duration = Duration::from_millis(1);

pub(super) struct Server {
    port: u16,
    shared: Arc<Shared>,
    handle: Handle,
    listening: Mutex<Option<task::JoinHandle<()>>>,
    connections: Arc<AtomicUsize>,
    /// Connections of an older round than this end.
    round: watch::Sender<u64>,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
    /// Bound to the port, but not listening: while the listener is closed, no other process gets the port.
    _reserved: TcpSocket,
}

impl Server {
    pub fn start(shared: Arc<Shared>) -> Server {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<Infallible>();
        let serve = move || {
            // it ends when the sender is dropped, and everything spawned ends with it
            let _ = runtime.block_on(stopped);
        };
        let thread = std::thread::Builder::new().name("scripted-s3".to_owned()).spawn(serve).unwrap();
        let reserved = bound(&handle, 0).expect("a free port of the loopback device");
        let port = reserved.local_addr().unwrap().port();
        let server = Server {
            port,
            shared,
            handle,
            listening: Mutex::new(None),
            connections: Arc::default(),
            round: watch::Sender::new(0),
            stop: Some(stop),
            thread: Some(thread),
            _reserved: reserved,
        };
        server.open();
        server
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn open(&self) {
        let mut listening = self.listening.lock().unwrap();
        assert!(listening.is_none(), "the server is listening already");
        let _runtime = self.handle.enter();
        let listener = bound(&self.handle, self.port).and_then(|socket| socket.listen(BACKLOG));
        let listener =
            listener.unwrap_or_else(|error| panic!("port {} cannot be opened: {error}", self.port));
        let accepting =
            accept(listener, Arc::clone(&self.shared), Arc::clone(&self.connections), self.round.clone());
        *listening = Some(self.handle.spawn(accepting));
    }

    pub fn close(&self) {
        let accepting = self.listening.lock().unwrap().take().expect("the server is listening");
        accepting.abort();
        while !accepting.is_finished() {
            std::thread::sleep(POLL);
        }
        self.drop_connections();
        while self.connections.load(Ordering::Acquire) > 0 {
            std::thread::sleep(POLL);
        }
    }

    pub fn drop_connections(&self) {
        self.round.send_modify(|round| *round += 1);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server's thread ends well");
        }
    }
}

fn bound(handle: &Handle, port: u16) -> io::Result<TcpSocket> {
    let _runtime = handle.enter();
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    Ok(socket)
}

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    connections: Arc<AtomicUsize>,
    round: watch::Sender<u64>,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // out of file descriptors, or the client has gone already
            tokio::time::sleep(POLL).await;
            continue;
        };
        connections.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(Arc::clone(&connections));
        let (shared, mut round) = (Arc::clone(&shared), round.subscribe());
        tokio::spawn(async move {
            let _counted = counted;
            tokio::select! {
                () = serve(stream, shared) => {}
                _ = round.changed() => {}
            }
        });
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    // small answers go out at once; a connection that is gone by now shows it below
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let socket = Socket { stream, reset: Arc::clone(&reset) };
    let service = service_fn(|request| answer(Arc::clone(&shared), request, Arc::clone(&reset)));
    // it fails where the script hangs up, and where the client does
    let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
}

/// A connection that ends with RST in place of FIN once the switch is on.
struct Socket {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            self.stream.set_zero_linger().expect("a socket takes SO_LINGER");
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
