// Sends through @parse/node-apn what the test asks for and prints what it made of the answers.
//
// Arguments: the node_modules directory, and a JSON document: host, port, management_port,
// ca_file, key_file, key_id, team_id, topic and sends: a list of {name, push_token, topic?,
// push_type?, bytes?, times?}. Output: one JSON document.

import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const require = createRequire(join(process.argv[2], 'anchor.js'));
const apn = require('@parse/node-apn');
const asked = JSON.parse(process.argv[3]);

const provider = new apn.Provider({
  token: { key: asked.key_file, keyId: asked.key_id, teamId: asked.team_id },
  address: asked.host,
  port: asked.port,
  manageChannelsAddress: asked.host,
  manageChannelsPort: asked.management_port,
  ca: readFileSync(asked.ca_file),
  production: false,
});

const results = [];

function note(name, { sent, failed }) {
  for (const one of sent) {
    results.push({ name, ok: true, status: 200, ...one });
  }
  for (const one of failed) {
    results.push({
      name,
      ok: false,
      status: one.status ?? null,
      reason: one.response?.reason ?? null,
      timestamp: one.response?.timestamp ?? null,
      error: one.error ? String(one.error) : null,
    });
  }
}

for (const wanted of asked.sends) {
  const notification = new apn.Notification({
    topic: wanted.topic ?? asked.topic,
    pushType: wanted.push_type ?? 'alert',
    expiry: Math.floor(Date.now() / 1000) + 600,
    alert: 'x'.repeat(wanted.bytes ?? 10),
  });
  const recipients = Array(wanted.times ?? 1).fill(wanted.push_token);
  note(wanted.name, await provider.send(notification, recipients));
}

if (asked.channels) {
  const bundle = asked.topic;
  const create = new apn.Notification({
    rawPayload: { 'message-storage-policy': 0, 'push-type': 'LiveActivity' },
  });
  const created = await provider.manageChannels(create, bundle, 'create');
  note('create', created);
  const channelId = created.sent[0]['apns-channel-id'];
  const broadcast = new apn.Notification({
    channelId,
    pushType: 'liveactivity',
    expiry: 0,
    event: 'update',
    timestamp: Math.floor(Date.now() / 1000),
    contentState: { state: 'up' },
  });
  note('broadcast', await provider.broadcast(broadcast, bundle));
  note('list', await provider.manageChannels(new apn.Notification(), bundle, 'readAll'));
  const remove = new apn.Notification({ channelId });
  note('delete', await provider.manageChannels(remove, bundle, 'delete'));
  const late = new apn.Notification({ ...broadcast, compiled: false });
  note('late', await provider.broadcast(late, bundle));
}

await provider.shutdown();
console.log(JSON.stringify(results));
process.exit(0);
