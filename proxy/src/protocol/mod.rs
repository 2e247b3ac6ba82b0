//! Bytes in, values out; no sockets.

pub(crate) mod http1;
pub(crate) mod tls_client_hello;
