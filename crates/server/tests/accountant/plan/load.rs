//! How the load of a run is shaped.

/// How the load is shaped. Shares are in a thousand.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// Deliveries that are accepted over the whole run; a run with a length goes on regardless.
    pub(crate) deliveries: u64,
    /// Most deliveries asked for in a second, until there are so many.
    pub(crate) per_second: u64,
    /// Requests at once.
    pub(crate) callers: usize,
    /// Callers who plan what is to be sent later.
    pub(crate) planners: usize,
    /// Callers who have campaigns, one after the other.
    pub(crate) campaigners: usize,
    /// Callers who have Live Activities, one after the other.
    pub(crate) hosts: usize,
    /// iPhones of each App that are there all the time; besides them some Android phones and browsers.
    pub(crate) devices: u32,
    pub(crate) shares: Shares,
}

/// What is asked how often, in a thousand requests. What is left are single notifications to one device.
#[derive(Clone, Debug)]
pub(crate) struct Shares {
    /// Notifications to every device of an App.
    pub(crate) fanouts: u64,
    /// Notifications to some people, on all their devices.
    pub(crate) users: u64,
    /// Notifications to several devices.
    pub(crate) lists: u64,
    /// Files of many notifications.
    pub(crate) files: u64,
    /// Of the notifications: calls.
    pub(crate) calls: u64,
    /// Of the alerts: never to be sent in doubt.
    pub(crate) drops: u64,
    /// Of the notifications: cancelled right after.
    pub(crate) cancels: u64,
    /// Of the notifications: expiring within seconds.
    pub(crate) short: u64,
    /// Of the notifications: to the troubled App.
    pub(crate) troubled: u64,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            deliveries: 50_000,
            per_second: 1_000,
            callers: 12,
            planners: 8,
            campaigners: 3,
            hosts: 8,
            devices: 160,
            shares: Shares {
                fanouts: 14,
                users: 80,
                lists: 110,
                files: 25,
                calls: 120,
                drops: 80,
                cancels: 60,
                short: 100,
                troubled: 120,
            },
        }
    }
}

impl Load {
    /// What a minute has room for, on a database server that shares the machine with everything else.
    pub(super) fn brief() -> Self {
        Self {
            deliveries: 6_000,
            per_second: 150,
            callers: 6,
            planners: 3,
            campaigners: 2,
            hosts: 4,
            devices: 40,
            ..Self::default()
        }
    }

    /// As many fewer deliveries in a second as there are fewer in all.
    pub(crate) fn shrink(&mut self, deliveries: u64) {
        self.per_second = (self.per_second * deliveries / self.deliveries).max(1);
        self.deliveries = deliveries;
    }
}
