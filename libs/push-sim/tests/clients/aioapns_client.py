"""Sends through aioapns what the test asks for and prints what aioapns made of the answers.

The only argument is a JSON document: host, port, ca_file, key_file, key_id, team_id, topic and
sends: a list of {name, push_token, topic?, push_type?, bytes?, times?}. Output: one JSON document.
"""

import asyncio
import json
import logging
import ssl
import sys

from aioapns import APNs, NotificationRequest, PushType
from aioapns.connection import APNsDevelopmentClientProtocol


async def send(client, wanted):
    body = "x" * wanted.get("bytes", 10)
    request = NotificationRequest(
        device_token=wanted["push_token"],
        message={"aps": {"alert": body}},
        time_to_live=600,
        priority=10,
        push_type=PushType(wanted.get("push_type", "alert")),
        apns_topic=wanted.get("topic"),
    )
    result = await client.send_notification(request)
    return {
        "name": wanted["name"],
        "ok": result.is_successful,
        "status": int(result.status),
        "reason": result.description,
        "timestamp": result.timestamp,
        "apns_id": result.notification_id,
    }


async def main(asked):
    logging.disable(logging.CRITICAL)
    APNsDevelopmentClientProtocol.APNS_SERVER = asked["host"]
    APNsDevelopmentClientProtocol.APNS_PORT = asked["port"]
    with open(asked["key_file"], encoding="ascii") as file:
        key = file.read()
    client = APNs(
        key=key,
        key_id=asked["key_id"],
        team_id=asked["team_id"],
        topic=asked["topic"],
        use_sandbox=True,
        max_connections=1,
        ssl_context=ssl.create_default_context(cafile=asked["ca_file"]),
    )
    results = []
    for wanted in asked["sends"]:
        times = wanted.get("times", 1)
        results += await asyncio.gather(*(send(client, wanted) for _ in range(times)))
    print(json.dumps(results))


asyncio.run(main(json.loads(sys.argv[1])))
