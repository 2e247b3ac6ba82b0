//! From files or a cluster ([`source`]) to everyone who routes: [`read`] keeps the last good version of every object, [`watch`] says
//! when to read again, [`resolve`] what DNS names come to, [`asked`] those that only clients know, [`publish`] compiles and swaps in what the pods of this node see.

pub(crate) mod asked;
mod ids;
mod kernel_routes;
pub(crate) mod loan;
#[cfg(test)]
pub(crate) mod nameserver_in_process;
mod nameservers;
pub(crate) mod publish;
pub(crate) mod read;
pub(crate) mod resolve;
pub(crate) mod source;
pub(crate) mod watch;
