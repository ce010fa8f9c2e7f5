//! A connection to a server, in the shape that commands know.

use super::driver::{Driver, Record, Role, Server};
use super::{Params, Result, Step};
use rusqlite::types::Value;
use std::cell::RefCell;

/// A connection to a server. It can be renewed, between two transactions.
pub(crate) struct Session {
    driver: RefCell<Box<dyn Driver>>,
    role: Role,
}

/// A statement of one.
pub(crate) struct SessionStatement<'c> {
    session: &'c Session,
    handle: usize,
    is_for_once: bool,
}

impl Session {
    pub(crate) fn open(server: &dyn Server, role: Role) -> Result<Self> {
        Ok(Self {
            driver: RefCell::new(server.connect(role)?),
            role,
        })
    }

    /// Connects anew. On an error the old connection stays, which is of no use.
    pub(crate) fn renew(&self, server: &dyn Server) -> Result<()> {
        let driver = server.connect(self.role)?;
        self.driver.replace(driver);
        Ok(())
    }

    /// Does something with the driver.
    pub(crate) fn with<T>(&self, run: impl FnOnce(&mut dyn Driver) -> T) -> T {
        run(self.driver.borrow_mut().as_mut())
    }

    pub(super) fn prepare(&self, sql: &str, is_for_once: bool) -> Result<SessionStatement<'_>> {
        Ok(SessionStatement {
            session: self,
            handle: self.with(|driver| driver.prepare(sql))?,
            is_for_once,
        })
    }

    pub(super) fn step(&self, step: Step) -> Result<()> {
        self.with(|driver| driver.step(step))
    }
}

impl SessionStatement<'_> {
    pub(super) fn execute(&mut self, params: impl Params) -> Result<usize> {
        self.run(params, |driver, handle, values| {
            driver.execute(handle, values)
        })
    }

    pub(super) fn queue(&mut self, params: impl Params) -> Result<()> {
        self.run(params, |driver, handle, values| {
            driver.queue(handle, values)
        })
    }

    pub(super) fn ahead<P: Params>(&mut self, all: impl Iterator<Item = P>) -> Result<()> {
        let all = all.map(P::values).collect::<Result<Vec<_>>>()?;
        self.session.with(|driver| driver.ahead(self.handle, all))
    }

    pub(super) fn query(&mut self, params: impl Params) -> Result<Vec<Record>> {
        self.run(params, |driver, handle, values| {
            driver.query(handle, values)
        })
    }

    fn run<T>(
        &self,
        params: impl Params,
        run: impl FnOnce(&mut dyn Driver, usize, Vec<Value>) -> Result<T>,
    ) -> Result<T> {
        let values = params.values()?;
        self.session.with(|driver| run(driver, self.handle, values))
    }
}

impl Drop for SessionStatement<'_> {
    fn drop(&mut self) {
        if self.is_for_once {
            self.session.with(|driver| driver.forget(self.handle));
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}
