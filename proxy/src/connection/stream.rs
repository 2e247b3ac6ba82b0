//! A connection to an endpoint: its bytes as they are, or in TLS.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, tcp};
use tokio_rustls::client::TlsStream;

use super::buffer::Source;
use super::tls::Peer;

/// See the module.
#[derive(Debug)]
pub(crate) enum Stream {
    /// As they are.
    Plain(TcpStream),
    /// In TLS.
    Tls(Box<Secured>),
}

/// A connection after its handshake.
#[derive(Debug)]
pub(crate) struct Secured {
    /// Borrowed for one poll at a time: either direction needs all of it.
    stream: RefCell<TlsStream<TcpStream>>,
    /// Who the endpoint had to be.
    peer: Peer,
}

impl Stream {
    /// After a handshake with `peer`.
    pub(crate) fn secured(stream: TlsStream<TcpStream>, peer: Peer) -> Self {
        Self::Tls(Box::new(Secured { stream: RefCell::new(stream), peer }))
    }

    /// Whether it was opened for such requests: in plain text for `None`, else in TLS with the same peer.
    pub(crate) fn is_for(&self, peer: Option<&Peer>) -> bool {
        match self {
            Self::Plain(_) => peer.is_none(),
            Self::Tls(secured) => peer == Some(&secured.peer),
        }
    }

    /// Our end of it.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.with_tcp(TcpStream::local_addr)
    }

    /// Both directions.
    pub(crate) fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        match self {
            Self::Plain(stream) => {
                let (read, write) = stream.split();
                (ReadHalf::Plain(read), WriteHalf::Plain(write))
            }
            Self::Tls(secured) => (ReadHalf::Tls(&secured.stream), WriteHalf::Tls(&secured.stream)),
        }
    }

    /// Whether there is nothing to read, not even an end. Costs a system call only when something has happened.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut nobody = Context::from_waker(Waker::noop());
        match self {
            Self::Plain(stream) => match stream.poll_read_ready(&mut nobody) {
                Poll::Pending => true,
                Poll::Ready(Err(_)) => false,
                Poll::Ready(Ok(())) => {
                    stream.try_read(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
                }
            },
            // What is between the requests of TLS itself, such as tickets, is taken note of.
            Self::Tls(secured) => {
                let mut stream = secured.stream.borrow_mut();
                Pin::new(&mut *stream).poll_read(&mut nobody, &mut ReadBuf::new(&mut [0])).is_pending()
            }
        }
    }

    /// Whether the endpoint has not ended it, as far as the kernel knows.
    pub(crate) fn is_open(&self) -> bool {
        // In TLS what came may be a ticket. It may be the end as well, and to look would be to take it.
        let peeked = self.with_tcp(|stream| SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]));
        peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    fn with_tcp<T>(&self, ask: impl FnOnce(&TcpStream) -> T) -> T {
        match self {
            Self::Plain(stream) => ask(stream),
            Self::Tls(secured) => ask(secured.stream.borrow().get_ref().0),
        }
    }
}

/// What the endpoint sends.
#[derive(Debug)]
pub(crate) enum ReadHalf<'s> {
    /// As it is.
    Plain(tcp::ReadHalf<'s>),
    /// In TLS.
    Tls(&'s RefCell<TlsStream<TcpStream>>),
}

impl ReadHalf<'_> {
    /// Makes closing the connection a reset.
    pub(crate) fn reset(&self) {
        match self {
            Self::Plain(read) => super::relay::reset(read.as_ref()),
            Self::Tls(stream) => super::relay::reset(stream.borrow().get_ref().0),
        }
    }
}

impl Source for ReadHalf<'_> {
    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(read) => read.poll_ready(context),
            // Only a read tells whether a record is whole.
            Self::Tls(_) => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncRead for ReadHalf<'_> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(read) => Pin::new(read).poll_read(context, into),
            Self::Tls(stream) => match Pin::new(&mut *stream.borrow_mut()).poll_read(context, into) {
                // Servers that end without saying so are many, and Envoy takes it for an end
                // (envoy source/common/tls/ssl_socket.cc, doRead, SSL_ERROR_SYSCALL).
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
                polled => polled,
            },
        }
    }
}

/// What the endpoint is sent. In TLS it has all of it only after a flush.
#[derive(Debug)]
pub(crate) enum WriteHalf<'s> {
    /// As it is.
    Plain(tcp::WriteHalf<'s>),
    /// In TLS.
    Tls(&'s RefCell<TlsStream<TcpStream>>),
}

impl AsyncWrite for WriteHalf<'_> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(write) => Pin::new(write).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(&mut *stream.borrow_mut()).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(write) => Pin::new(write).poll_write_vectored(context, parts),
            Self::Tls(stream) => Pin::new(&mut *stream.borrow_mut()).poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(write) => Pin::new(write).poll_flush(context),
            Self::Tls(stream) => Pin::new(&mut *stream.borrow_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(write) => Pin::new(write).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(&mut *stream.borrow_mut()).poll_shutdown(context),
        }
    }
}
