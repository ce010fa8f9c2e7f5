//! Measuring on this machine: what `carillon bench` runs. The measured server and the simulated
//! gateway are processes of their own, so that their CPU time and memory can be told apart from the
//! load generator's.

pub(crate) mod gateway;
