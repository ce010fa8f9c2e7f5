// Sends through web-push what the test asks for and prints what it made of the answers.
//
// Arguments: the node_modules directory, and a JSON document: vapid {subject, publicKey, privateKey}
// and sends: a list of {name, subscription, payload?, options?}. Output: one JSON document. Without
// a vapid it prints a fresh pair and sends nothing. The authority to trust comes by
// NODE_EXTRA_CA_CERTS.

import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.argv[2], 'anchor.js'));
const webpush = require('web-push');
const asked = JSON.parse(process.argv[3]);

if (!asked.vapid) {
  console.log(JSON.stringify(webpush.generateVAPIDKeys()));
  process.exit(0);
}
const { subject, publicKey, privateKey } = asked.vapid;
webpush.setVapidDetails(subject, publicKey, privateKey);

const results = [];
for (const wanted of asked.sends) {
  try {
    const answer = await webpush.sendNotification(
      wanted.subscription,
      wanted.payload ?? null,
      wanted.options ?? {},
    );
    results.push({
      name: wanted.name,
      ok: true,
      status: answer.statusCode,
      location: answer.headers.location ?? null,
      ttl: answer.headers.ttl ?? null,
    });
  } catch (error) {
    results.push({
      name: wanted.name,
      ok: false,
      error: error.name,
      status: error.statusCode ?? null,
      body: error.body ?? null,
      retry_after: error.headers?.['retry-after'] ?? null,
      message: error.message,
    });
  }
}
console.log(JSON.stringify(results));
