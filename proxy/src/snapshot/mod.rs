//! From files to everyone who routes: [`read`] keeps the last good version of every object, [`watch`] says when to read
//! again, [`resolve`] what DNS names come to, [`publish`] compiles and swaps in what the pods of this node see.

mod kernel_routes;
pub(crate) mod loan;
mod nameservers;
pub(crate) mod publish;
pub(crate) mod read;
pub(crate) mod resolve;
pub(crate) mod watch;
