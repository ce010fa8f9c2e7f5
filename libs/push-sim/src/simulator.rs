//! Starting and stopping a simulator. It runs on a thread of its own, so it can be started from a
//! plain test, from inside any runtime, or from a program, and it ends when it is dropped.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::ops::Deref;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio_rustls::TlsAcceptor;

use crate::admin;
use crate::config::{Config, Ports};
use crate::connection::Served;
use crate::host::{Addresses, Environment, Host, HostAddresses};
use crate::listener;
use crate::people;
use crate::tls::Authority;
use crate::world::World;

/// Why a simulator did not start: which part, and what the system said.
#[derive(Debug)]
pub struct StartError {
    what: String,
    source: io::Error,
}

impl StartError {
    fn at(what: impl Into<String>) -> impl FnOnce(io::Error) -> StartError {
        let what = what.into();
        move |source| StartError { what, source }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the simulator cannot start: {}: {}",
            self.what, self.source
        )
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// A running simulator. It derefs to its [`World`], where phones, faults and records are.
///
/// ```
/// use push_sim::{Config, NewPhones, Simulator};
/// let simulator = Simulator::start(Config::default())?;
/// let phones = simulator.make_phones(&NewPhones {
///     app: "net.example.pager".into(),
///     count: 3,
///     ..NewPhones::default()
/// })?;
/// assert_eq!(phones.len(), 3);
/// assert!(simulator.ca_pem().starts_with("-----BEGIN CERTIFICATE-----"));
/// simulator.shutdown();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Simulator {
    world: World,
    addresses: Addresses,
    ca_pem: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Door {
    acceptor: TlsAcceptor,
    listener: StdListener,
    environment: Environment,
    host: Host,
}

impl Simulator {
    /// Binds all listeners and starts serving; everything works when this returns.
    ///
    /// # Errors
    /// When a port is taken, or the certificate authority cannot be read or made.
    pub fn start(config: Config) -> Result<Simulator, StartError> {
        let authority = match &config.state_dir {
            Some(dir) => Authority::load_or_generate(dir),
            None => Authority::generate(),
        }
        .map_err(StartError::at("certificate authority"))?;
        let tls = authority
            .server_config()
            .map_err(StartError::at("server certificate"))?;
        let mut both_versions = tls.clone();
        both_versions.alpn_protocols.push(b"http/1.1".to_vec());
        let both_versions = TlsAcceptor::from(Arc::new(both_versions));
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let mut doors = Vec::new();
        for environment in Environment::ALL {
            for host in Host::ALL {
                let port = port_of(&config.ports, environment, host);
                let name = format!("{environment} {host:?} host, port {port}");
                let listener =
                    bind(SocketAddr::new(config.bind, port)).map_err(StartError::at(name))?;
                doors.push(Door {
                    acceptor: acceptor.clone(),
                    listener,
                    environment,
                    host,
                });
            }
        }
        for host in [Host::WebPush, Host::Fcm] {
            let environment = Environment::Production;
            let port = port_of(&config.ports, environment, host);
            let name = format!("{host:?} host, port {port}");
            let listener =
                bind(SocketAddr::new(config.bind, port)).map_err(StartError::at(name))?;
            doors.push(Door {
                acceptor: both_versions.clone(),
                listener,
                environment,
                host,
            });
        }
        let admin_port = config.ports.admin;
        let admin = bind(SocketAddr::new(config.bind, admin_port))
            .map_err(StartError::at(format!("admin API, port {admin_port}")))?;
        let addresses =
            addresses(&doors, &admin).map_err(StartError::at("address of a listener"))?;
        let (world, due) = World::new(&config);
        world.browsers_mut().set_origin(origin(addresses.web_push));
        world.fcm_listens_at(addresses.google);
        let ca_pem = authority.ca_pem().to_owned();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(StartError::at("runtime"))?;
        let (stop, stopped) = oneshot::channel();
        let router = admin::router(world.clone(), addresses, ca_pem.clone());
        let served = world.clone();
        let thread = std::thread::Builder::new()
            .name("push-sim".into())
            .spawn(move || {
                runtime.block_on(async move {
                    tokio::spawn(people::run(served.clone(), due));
                    serve(config, served, doors, admin, router, stopped).await;
                });
                // Connections are tasks of the runtime: they end with it.
                drop(runtime);
            })
            .map_err(StartError::at("thread"))?;
        Ok(Simulator {
            world,
            addresses,
            ca_pem,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Address of one host; the Web Push host has one for both environments.
    pub fn address(&self, environment: Environment, host: Host) -> SocketAddr {
        self.addresses.at(environment, host)
    }

    /// Scheme, host and port of the endpoints of its browsers, and the audience of VAPID JWTs.
    pub fn web_push_origin(&self) -> String {
        self.browsers_mut().origin().to_owned()
    }

    /// Google's side as clients are configured with it: `https://localhost:<port>`.
    pub fn google_url(&self) -> String {
        self.world.fcm_base_url()
    }

    /// The certificate authority a client has to trust, in PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The state behind it; stays readable after the shutdown.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Closes every connection and waits for the thread to end.
    pub fn shutdown(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in the simulator's thread has been printed there already.
            let _ = thread.join();
        }
    }
}

impl Deref for Simulator {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop();
    }
}

fn bind(address: SocketAddr) -> io::Result<StdListener> {
    let listener = StdListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Where endpoints are said to be: at the address itself, if it is one.
fn origin(address: SocketAddr) -> String {
    match address.ip().is_unspecified() {
        true => format!("https://localhost:{}", address.port()),
        false => format!("https://{address}"),
    }
}

fn port_of(ports: &Ports, environment: Environment, host: Host) -> u16 {
    match (environment, host) {
        (Environment::Production, Host::Device) => ports.production_device,
        (Environment::Production, Host::Broadcast) => ports.production_broadcast,
        (Environment::Production, Host::Management) => ports.production_management,
        (Environment::Sandbox, Host::Device) => ports.sandbox_device,
        (Environment::Sandbox, Host::Broadcast) => ports.sandbox_broadcast,
        (Environment::Sandbox, Host::Management) => ports.sandbox_management,
        (_, Host::WebPush) => ports.web_push,
        (_, Host::Fcm | Host::Oauth | Host::Iid) => ports.google,
    }
}

fn addresses(doors: &[Door], admin: &StdListener) -> io::Result<Addresses> {
    let find = |environment, host| {
        doors
            .iter()
            .find(|door| door.environment == environment && door.host == host)
            .ok_or_else(|| io::Error::other("missing listener"))?
            .listener
            .local_addr()
    };
    let hosts = |environment| -> io::Result<HostAddresses> {
        Ok(HostAddresses {
            device: find(environment, Host::Device)?,
            broadcast: find(environment, Host::Broadcast)?,
            management: find(environment, Host::Management)?,
        })
    };
    Ok(Addresses {
        production: hosts(Environment::Production)?,
        sandbox: hosts(Environment::Sandbox)?,
        web_push: find(Environment::Production, Host::WebPush)?,
        google: find(Environment::Production, Host::Fcm)?,
        admin: admin.local_addr()?,
    })
}

async fn serve(
    config: Config,
    world: World,
    doors: Vec<Door>,
    admin: StdListener,
    router: axum::Router,
    stopped: oneshot::Receiver<()>,
) {
    let slots = Arc::new(Semaphore::new(config.max_connections.max(1)));
    for door in doors {
        let Ok(listener) = TcpListener::from_std(door.listener) else {
            return;
        };
        let served = Arc::new(Served {
            world: world.clone(),
            config: config.clone(),
            environment: door.environment,
            host: door.host,
        });
        let slots = Arc::clone(&slots);
        tokio::spawn(listener::accept(listener, door.acceptor, served, slots));
    }
    let Ok(admin) = TcpListener::from_std(admin) else {
        return;
    };
    tokio::select! {
        _ = stopped => {}
        _ = std::future::IntoFuture::into_future(axum::serve(admin, router)) => {}
    }
}
