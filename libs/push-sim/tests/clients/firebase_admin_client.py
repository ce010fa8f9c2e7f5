"""Sends through firebase-admin what the test asks for and prints what it made of the answers.

The only argument is a JSON document: url, key_file and steps: a list of {name, call, ...}, where
call is send, send_each, send_each_async, subscribe, unsubscribe, subscribe_async or batch_add.
Output: one JSON document, a list of {name, ok, id | error, code, status, message | errors}.

What is patched: the three addresses that firebase-admin has built in. Everything else is its own:
the key file leads it to the token endpoint here, and REQUESTS_CA_BUNDLE and SSL_CERT_FILE make it
trust the simulator.
"""

import asyncio
import json
import sys

import firebase_admin
from firebase_admin import credentials, messaging
from firebase_admin.exceptions import FirebaseError


def build(wanted):
    """A message from the fields that the steps use."""
    android = wanted.get("android")
    if android is not None:
        notification = android.get("notification")
        android = messaging.AndroidConfig(
            collapse_key=android.get("collapse_key"),
            priority=android.get("priority"),
            ttl=android.get("ttl"),
            notification=notification and messaging.AndroidNotification(**notification),
        )
    apns = wanted.get("apns_alert")
    if apns is not None:
        aps = messaging.Aps(alert=messaging.ApsAlert(**apns), badge=1)
        apns = messaging.APNSConfig(
            headers={"apns-priority": "10"}, payload=messaging.APNSPayload(aps)
        )
    notification = wanted.get("notification")
    return messaging.Message(
        data=wanted.get("data"),
        notification=notification and messaging.Notification(**notification),
        android=android,
        apns=apns,
        token=wanted.get("token"),
        topic=wanted.get("topic"),
        condition=wanted.get("condition"),
    )


def told(name, error):
    return {
        "name": name,
        "ok": False,
        "error": type(error).__name__,
        "code": error.code,
        "status": error.http_response.status_code if error.http_response is not None else None,
        "message": str(error),
    }


def responses(name, batch):
    return [
        {"name": name, "ok": True, "id": one.message_id}
        if one.success
        else told(name, one.exception)
        for one in batch.responses
    ]


def topics(name, result):
    errors = [{"index": error.index, "reason": error.reason} for error in result.errors]
    return [{"name": name, "ok": result.failure_count == 0, "errors": errors}]


async def step(service, wanted):
    name, call = wanted["name"], wanted["call"]
    try:
        if call == "send":
            message = build(wanted["message"])
            return [
                {"name": name, "ok": True, "id": messaging.send(message, wanted.get("dry_run", False))}
            ]
        if call in ("send_each", "send_each_async"):
            messages = [build(message) for message in wanted["messages"]]
            if call == "send_each":
                return responses(name, messaging.send_each(messages))
            return responses(name, await messaging.send_each_async(messages, dry_run=False))
        tokens, topic = wanted["tokens"], wanted["topic"]
        if call == "subscribe":
            return topics(name, messaging.subscribe_to_topic(tokens, topic))
        if call == "unsubscribe":
            return topics(name, messaging.unsubscribe_from_topic(tokens, topic))
        if call == "subscribe_async":
            return topics(name, await messaging.subscribe_to_topic_async(tokens, topic))
        # Gone from the public part of firebase-admin, not from its inside.
        return topics(
            name, service.make_topic_management_request(tokens, topic, "iid/v1:batchAdd")
        )
    except FirebaseError as error:
        return [told(name, error)]


async def main(asked):
    app = firebase_admin.initialize_app(credentials.Certificate(asked["key_file"]))
    service = messaging._get_messaging_service(app)  # pylint: disable=protected-access
    project = f"{asked['url']}/v1/projects/{app.project_id}"
    service._fcm_url = f"{project}/messages:send"
    service._fcm_topic_url = f"{project}/registrations"
    type(service).IID_URL = asked["url"]
    results = []
    for wanted in asked["steps"]:
        results += await step(service, wanted)
    print(json.dumps(results))


asyncio.run(main(json.loads(sys.argv[1])))
