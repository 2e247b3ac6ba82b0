//! Bytes in, values out; no sockets.

pub(crate) mod http1;
