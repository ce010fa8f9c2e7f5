//! Judges where outgoing requests may go when somebody else names the destination: push endpoints that browsers hand out,
//! webhooks that customers type in. Without a guard such a URL makes the server speak to whatever its author likes: a
//! database next door, a cloud's metadata, the server itself (server-side request forgery, CWE-918).
//!
//! - [`Host`] is a name or an address as a URL's text gives it, with every address in disguise refused.
//! - [`Guard`] answers two questions, and both are to be asked: may this host be spoken to as far as its text tells
//!   ([`Guard::check`]), and which of the addresses that its name stands for may be connected to ([`Guard::admit`])?
//! - [`Exception`] is a place of your own that is let through all the same.
//!
//! It looks nothing up and connects nowhere; so it needs no runtime, and whoever connects can use it. The one thing that it
//! asks of them: connect to the very addresses that [`Guard::admit`] returned. A second lookup could say something else
//! (DNS rebinding), and so could a redirect, which must therefore not be followed without asking again.

mod address;
mod exception;
mod guard;
mod host;
mod network;

pub use self::address::not_public;
pub use self::exception::{BadException, Exception};
pub use self::guard::{Forbidden, Guard, HTTPS};
pub use self::host::{BadHost, Host, is_host};
pub use self::network::{BadNetwork, Network};
