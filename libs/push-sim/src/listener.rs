//! The six TLS listeners: accepting connections, within a bound.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::connection::{self, Served};

/// Accepts for ever; ends when its task is dropped.
pub(crate) async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    served: Arc<Served>,
    slots: Arc<Semaphore>,
) {
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        let tcp = match listener.accept().await {
            Ok((tcp, _)) => tcp,
            Err(_) => {
                // Out of file descriptors, most likely: let some connections end first.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        let served = Arc::clone(&served);
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            connection::serve(served, acceptor, tcp).await;
            drop(slot);
        });
    }
}
