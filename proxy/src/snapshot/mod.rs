//! From files to everyone who routes: [`read`] keeps the last good version of every object, [`watch`] says when to read
//! again, [`publish`] compiles and swaps in what the pods of this node see.

mod kernel_routes;
pub(crate) mod loan;
pub(crate) mod publish;
pub(crate) mod read;
pub(crate) mod watch;
